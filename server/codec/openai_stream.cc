// Bytes → documents. An answer comes as server-sent events, as JSON documents
// one a line, or as one document (or a list of them), whatever its content type
// says: the first bytes tell. Between them stands what servers put there: pings,
// comments, "data:" twice, [DONE] in small letters or behind the last chunk.
#include "server/codec/openai_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/codec/ascii_text.h"
#include "server/codec/json_balance.h"
#include "server/codec/openai_answer.h"
#include "server/codec/openai_chunk.h"
#include "server/codec/openai_error.h"
#include "server/codec/sse_parser.h"

namespace sluice {
namespace {

class OpenAiDecoder final : public ResponseDecoder {
 public:
  explicit OpenAiDecoder(const AnswerOptions& options)
      : options_(options),
        events_(options.max_event_bytes, SseParser::Documents::kEachIsAnEvent),
        answer_(options_, error_) {}

  State Feed(std::string_view bytes, StreamEventHandler& handler) override;
  State End(StreamEventHandler& handler) override;
  State Cut(StreamEventHandler& handler) override;
  bool whole() const override { return state_ == State::kMore && answer_.whole(); }
  const UpstreamError& error() const override { return error_; }

 private:
  // kDocument: until its end, then what follows is read as events.
  enum class Form { kUnknown, kEvents, kDocument };

  State Fail(FailureKind kind, std::string message);
  State FailAs(UpstreamError error);
  State FeedUnknown(std::string_view bytes, StreamEventHandler& handler);
  State FeedDocument(std::string_view bytes, StreamEventHandler& handler);
  State FeedEvents(std::string_view bytes, StreamEventHandler& handler);
  State TakeEvents(StreamEventHandler& handler);
  State OnEvent(const SseEvent& event, StreamEventHandler& handler);
  // `text` begins with a document.
  State OnJson(std::string_view text, StreamEventHandler& handler);
  State OnList(std::string_view list, StreamEventHandler& handler);
  State OnChunk(std::string_view json, const OpenAiChunk& chunk, StreamEventHandler& handler);
  State Finish(OpenAiEnding ending, StreamEventHandler& handler);
  // A message that came whole, so that it is all there is.
  bool IsWholeDocument() const {
    return one_document_ && answer_.is_message() && answer_.MayEnd(OpenAiEnding::kDone);
  }

  const AnswerOptions options_;
  State state_ = State::kMore;
  Form form_ = Form::kUnknown;
  // All that came is one document.
  bool one_document_ = false;
  SseParser events_;
  UpstreamError error_;
  OpenAiAnswer answer_;
  std::string document_;  // also blanks before the form is known
  JsonBalance balance_;   // of the document
};

using State = ResponseDecoder::State;

bool IsDone(std::string_view data) {
  return EqualsIgnoringCase(data, "[DONE]") || EqualsIgnoringCase(data, "DONE");
}

State OpenAiDecoder::Fail(FailureKind kind, std::string message) {
  error_.kind = kind;
  error_.message = std::move(message);
  return state_ = State::kFailed;
}

State OpenAiDecoder::FailAs(UpstreamError error) {
  error_ = std::move(error);
  return state_ = State::kFailed;
}

State OpenAiDecoder::Feed(std::string_view bytes, StreamEventHandler& handler) {
  if (state_ != State::kMore || bytes.empty()) return state_;
  if (form_ == Form::kUnknown) return FeedUnknown(bytes, handler);
  return form_ == Form::kEvents ? FeedEvents(bytes, handler) : FeedDocument(bytes, handler);
}

State OpenAiDecoder::FeedUnknown(std::string_view bytes, StreamEventHandler& handler) {
  const size_t first = bytes.find_first_not_of(kAsciiBlanks);
  if (first == std::string_view::npos) return FeedDocument(bytes, handler);
  if (bytes[first] == '<') return Fail(FailureKind::kProtocol, "the body is a page, not an answer");
  form_ = bytes[first] == '{' || bytes[first] == '[' ? Form::kDocument : Form::kEvents;
  if (form_ == Form::kDocument) return FeedDocument(bytes, handler);
  const std::string blanks = std::exchange(document_, {});
  if (FeedEvents(blanks, handler) != State::kMore) return state_;
  return FeedEvents(bytes, handler);
}

State OpenAiDecoder::FeedDocument(std::string_view bytes, StreamEventHandler& handler) {
  const size_t size = balance_.Follow(bytes);
  if (document_.size() + size > options_.max_event_bytes) {
    return Fail(FailureKind::kProtocol,
                absl::StrCat("an answer in one document is larger than ", options_.max_event_bytes, " bytes"));
  }
  document_.append(bytes.substr(0, size));
  if (!balance_.closed()) return state_;
  form_ = Form::kEvents;
  one_document_ = true;
  const std::string document = std::exchange(document_, {});
  if (OnJson(TrimBlanks(document), handler) != State::kMore) return state_;
  return FeedEvents(bytes.substr(size), handler);
}

State OpenAiDecoder::FeedEvents(std::string_view bytes, StreamEventHandler& handler) {
  events_.Feed(bytes);
  return TakeEvents(handler);
}

State OpenAiDecoder::TakeEvents(StreamEventHandler& handler) {
  SseEvent event;
  while (state_ == State::kMore) {
    const SseParser::Result result = events_.Next(event);
    if (result == SseParser::Result::kMore) break;
    if (result == SseParser::Result::kTooLarge) {
      return Fail(FailureKind::kProtocol, absl::StrCat("an event is larger than ", options_.max_event_bytes, " bytes"));
    }
    one_document_ = false;
    OnEvent(event, handler);
  }
  return state_;
}

State OpenAiDecoder::OnEvent(const SseEvent& event, StreamEventHandler& handler) {
  std::string_view data = TrimBlanks(event.data);
  // A proxy that puts its own prefix before that of its upstream.
  while (data.starts_with("data:")) data = TrimBlanks(data.substr(5));
  if (data.empty()) return state_;
  if (event.type == "error") return FailAs(ReadOpenAiErrorEvent(data));
  if (data.front() == '{' || data.front() == '[') {
    return IsDone(data) ? Finish(OpenAiEnding::kDone, handler) : OnJson(data, handler);
  }
  // Anything else is no answer ("ping", "null"): not for us.
  return IsDone(data) ? Finish(OpenAiEnding::kDone, handler) : state_;
}

State OpenAiDecoder::OnJson(std::string_view text, StreamEventHandler& handler) {
  if (text.front() == '[') return OnList(text, handler);
  std::string problem;
  {
    BorrowedChunk chunk;
    if (chunk->Parse(text, answer_.wants_extras())) return OnChunk(text, *chunk, handler);
    problem = chunk->problem();
  }
  // Two documents in one text, or [DONE] behind the last.
  const std::string_view first = FirstJsonValue(text);
  std::string_view rest = TrimBlanks(text.substr(first.size()));
  while (rest.starts_with("data:")) rest = TrimBlanks(rest.substr(5));
  if (first.empty() || rest.empty() || (rest.front() != '{' && !IsDone(rest))) {
    // Behind a whole answer it is not needed.
    if (answer_.MayEnd(OpenAiEnding::kCut)) return state_;
    return Fail(FailureKind::kProtocol, std::move(problem));
  }
  if (OnJson(first, handler) != State::kMore) return state_;
  return IsDone(rest) ? Finish(OpenAiEnding::kDone, handler) : OnJson(rest, handler);
}

// An error in a list, as Gemini sends it; or the chunks of an answer in one.
State OpenAiDecoder::OnList(std::string_view list, StreamEventHandler& handler) {
  std::string_view rest = TrimBlanks(list.substr(1));
  while (state_ == State::kMore && !rest.empty() && rest.front() == '{') {
    const std::string_view element = FirstJsonValue(rest);
    if (element.empty()) return Fail(FailureKind::kProtocol, "malformed JSON: a list without end");
    OnJson(element, handler);
    rest = TrimBlanks(rest.substr(element.size()));
    if (!rest.empty() && rest.front() == ',') rest = TrimBlanks(rest.substr(1));
  }
  return state_;
}

State OpenAiDecoder::OnChunk(std::string_view json, const OpenAiChunk& chunk, StreamEventHandler& handler) {
  if (chunk.error().present) return FailAs(ClassifyOpenAiStreamError(chunk.error()));
  // An error in any other shape stands in place of an answer.
  if (!chunk.has_choices() && !chunk.has_usage()) {
    if (auto error = ReadOpenAiErrorIn200(json)) return FailAs(*std::move(error));
  }
  if (!answer_.Apply(chunk, handler)) state_ = State::kFailed;
  return state_;
}

State OpenAiDecoder::Finish(OpenAiEnding ending, StreamEventHandler& handler) {
  return state_ = answer_.End(ending, handler) ? State::kDone : State::kFailed;
}

State OpenAiDecoder::End(StreamEventHandler& handler) {
  if (state_ != State::kMore) return state_;
  if (form_ == Form::kDocument) return Fail(FailureKind::kReset, "the body ended before the answer was whole");
  events_.Finish();
  if (TakeEvents(handler) != State::kMore) return state_;
  if (IsWholeDocument()) return Finish(OpenAiEnding::kDone, handler);
  if (one_document_ && !answer_.MayEnd(OpenAiEnding::kEnd)) {
    return Fail(FailureKind::kProtocol, "an answer without a choice that has a finish reason");
  }
  return Finish(OpenAiEnding::kEnd, handler);
}

State OpenAiDecoder::Cut(StreamEventHandler& handler) {
  if (state_ != State::kMore) return state_;
  // A last event without its blank line counts.
  events_.Finish();
  if (TakeEvents(handler) != State::kMore) return state_;
  if (IsWholeDocument()) return Finish(OpenAiEnding::kDone, handler);
  return answer_.MayEnd(OpenAiEnding::kCut) ? Finish(OpenAiEnding::kCut, handler) : state_;
}

}  // namespace

std::unique_ptr<ResponseDecoder> NewOpenAiDecoder(const AnswerOptions& options) {
  return std::make_unique<OpenAiDecoder>(options);
}

}  // namespace sluice
