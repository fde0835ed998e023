// A stream ends well by [DONE], or by a plain end of the body, each after every
// choice has its finish reason; servers that leave [DONE] out exist. Some
// answer with one JSON document though a stream was asked for: a body that
// begins with '{' is read as that, bounded like an event.
#include "server/codec/openai_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/codec/ascii_text.h"
#include "server/codec/error_text.h"
#include "server/codec/openai_answer.h"
#include "server/codec/openai_chunk.h"
#include "server/codec/openai_error.h"
#include "server/codec/sse_parser.h"

namespace sluice {
namespace {

class OpenAiDecoder final : public ResponseDecoder {
 public:
  explicit OpenAiDecoder(const AnswerOptions& options)
      : options_(options), events_(options.max_event_bytes), answer_(options.max_event_bytes) {}

  State Feed(std::string_view bytes, StreamEventHandler& handler) override;
  State End(StreamEventHandler& handler) override;
  const UpstreamError& error() const override { return error_; }

 private:
  enum class Form { kUnknown, kEvents, kDocument };

  State Fail(FailureKind kind, std::string message);
  State FeedUnknown(std::string_view bytes, StreamEventHandler& handler);
  State FeedEvents(std::string_view bytes, StreamEventHandler& handler);
  State FeedDocument(std::string_view bytes);
  State TakeEvents(StreamEventHandler& handler);
  State OnEvent(const SseEvent& event, StreamEventHandler& handler);
  State OnErrorEvent(std::string_view data);
  State OnJson(std::string_view json, StreamEventHandler& handler);
  State EndDocument(StreamEventHandler& handler);

  const AnswerOptions options_;
  State state_ = State::kMore;
  Form form_ = Form::kUnknown;
  SseParser events_;
  OpenAiAnswer answer_;
  std::string document_;  // also blanks before the form is known
  UpstreamError error_;
};

ResponseDecoder::State OpenAiDecoder::Fail(FailureKind kind, std::string message) {
  error_.kind = kind;
  error_.message = std::move(message);
  return state_ = State::kFailed;
}

ResponseDecoder::State OpenAiDecoder::Feed(std::string_view bytes, StreamEventHandler& handler) {
  if (state_ != State::kMore || bytes.empty()) return state_;
  if (form_ == Form::kUnknown) return FeedUnknown(bytes, handler);
  return form_ == Form::kEvents ? FeedEvents(bytes, handler) : FeedDocument(bytes);
}

ResponseDecoder::State OpenAiDecoder::FeedUnknown(std::string_view bytes, StreamEventHandler& handler) {
  const size_t first = bytes.find_first_not_of(kAsciiBlanks);
  if (first == std::string_view::npos) return FeedDocument(bytes);
  if (bytes[first] == '{') {
    form_ = Form::kDocument;
    return FeedDocument(bytes);
  }
  form_ = Form::kEvents;
  const std::string blanks = std::exchange(document_, {});
  if (FeedEvents(blanks, handler) != State::kMore) return state_;
  return FeedEvents(bytes, handler);
}

ResponseDecoder::State OpenAiDecoder::FeedDocument(std::string_view bytes) {
  if (document_.size() + bytes.size() > options_.max_event_bytes) {
    return Fail(FailureKind::kProtocol,
                absl::StrCat("an answer in one document is larger than ", options_.max_event_bytes, " bytes"));
  }
  document_.append(bytes);
  return state_;
}

ResponseDecoder::State OpenAiDecoder::FeedEvents(std::string_view bytes, StreamEventHandler& handler) {
  events_.Feed(bytes);
  return TakeEvents(handler);
}

ResponseDecoder::State OpenAiDecoder::TakeEvents(StreamEventHandler& handler) {
  SseEvent event;
  while (state_ == State::kMore) {
    const SseParser::Result result = events_.Next(event);
    if (result == SseParser::Result::kMore) break;
    if (result == SseParser::Result::kTooLarge) {
      return Fail(FailureKind::kProtocol, absl::StrCat("an event is larger than ", options_.max_event_bytes, " bytes"));
    }
    OnEvent(event, handler);
  }
  return state_;
}

ResponseDecoder::State OpenAiDecoder::OnEvent(const SseEvent& event, StreamEventHandler& handler) {
  const std::string_view data = TrimBlanks(event.data);
  if (data.empty()) return state_;
  if (event.type == "error") return OnErrorEvent(data);
  if (data == "[DONE]") {
    if (answer_.is_whole()) return state_ = State::kDone;
    return Fail(FailureKind::kProtocol, "[DONE] came before the finish reason of every choice");
  }
  // Events of a type of their own ("ping") are not for us, unless they carry a
  // chunk after all.
  const bool foreign = !event.type.empty() && event.type != "message";
  if (foreign && data.front() != '{') return state_;
  return OnJson(data, handler);
}

ResponseDecoder::State OpenAiDecoder::OnErrorEvent(std::string_view data) {
  BorrowedChunk chunk;
  if (data.front() == '{' && chunk->Parse(data)) {
    error_ = ClassifyOpenAiStreamError(chunk->error());
  } else {
    error_.kind = FailureKind::kServerError;
    error_.message = ErrorText(data);
  }
  return state_ = State::kFailed;
}

ResponseDecoder::State OpenAiDecoder::OnJson(std::string_view json, StreamEventHandler& handler) {
  BorrowedChunk chunk;
  if (!chunk->Parse(json)) return Fail(FailureKind::kProtocol, chunk->problem());
  if (chunk->error().present) {
    error_ = ClassifyOpenAiStreamError(chunk->error());
    return state_ = State::kFailed;
  }
  if (!answer_.Apply(*chunk, handler)) {
    error_ = answer_.error();
    return state_ = State::kFailed;
  }
  return state_;
}

ResponseDecoder::State OpenAiDecoder::End(StreamEventHandler& handler) {
  if (state_ != State::kMore) return state_;
  if (form_ == Form::kDocument) return EndDocument(handler);
  events_.Finish();
  if (TakeEvents(handler) != State::kMore) return state_;
  if (answer_.is_whole()) return state_ = State::kDone;
  return Fail(FailureKind::kReset, "the stream ended before the answer was whole");
}

ResponseDecoder::State OpenAiDecoder::EndDocument(StreamEventHandler& handler) {
  const std::string_view json = TrimBlanks(document_);
  if (json.back() != '}') return Fail(FailureKind::kReset, "the body ended before the answer was whole");
  if (OnJson(json, handler) != State::kMore) return state_;
  if (answer_.is_whole()) return state_ = State::kDone;
  return Fail(FailureKind::kProtocol, "an answer without a choice that has a finish reason");
}

}  // namespace

std::unique_ptr<ResponseDecoder> NewOpenAiDecoder(const AnswerOptions& options) {
  return std::make_unique<OpenAiDecoder>(options);
}

}  // namespace sluice
