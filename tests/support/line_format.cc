#include "tests/support/line_format.h"

#include <sstream>

#include "absl/strings/numbers.h"
#include "server/codec/retry_text.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {
namespace {

class LineDecoder : public ResponseDecoder {
 public:
  explicit LineDecoder(const AnswerOptions& limits) : limits_(limits) {}

  State Feed(std::string_view bytes, StreamEventHandler& handler) override {
    for (char c : bytes) {
      if (state_ != State::kMore) break;
      if (c != '\n') {
        line_ += c;
        if (line_.size() > limits_.max_event_bytes) Fail(FailureKind::kProtocol, "line too long");
        continue;
      }
      TakeLine(handler);
      line_.clear();
    }
    return state_;
  }

  State End(StreamEventHandler&) override {
    if (state_ == State::kMore) Fail(FailureKind::kReset, "the answer ended early");
    return state_;
  }

  State Cut(StreamEventHandler&) override {
    if (whole_) state_ = State::kDone;
    return state_;
  }

  bool whole() const override { return whole_ && state_ == State::kMore; }

  const UpstreamError& error() const override { return error_; }

 private:
  void Fail(FailureKind kind, std::string message) {
    state_ = State::kFailed;
    error_.kind = kind;
    error_.message = std::move(message);
  }

  void TakeLine(StreamEventHandler& handler) {
    const size_t space = line_.find(' ');
    const std::string word = line_.substr(0, space);
    const std::string rest = space == std::string::npos ? "" : line_.substr(space + 1);
    StreamEvent event;
    event.text = rest;
    UsageCounts usage;
    CitationValue source;
    if (word == "done") {
      state_ = State::kDone;
      return;
    }
    if (word == "role") return;
    if (word == "whole") {
      whole_ = true;
      return;
    }
    std::istringstream words(rest);
    std::string first, second;
    words >> first >> second;
    if (word == "fail") {
      Fail(KindNamed(first), rest.substr(std::min(rest.size(), first.size() + 1)));
      error_.context_exceeded = first == "context";
      if (error_.context_exceeded) error_.kind = FailureKind::kCaller;
      error_.retry_after = ReadRetryText(error_.message);
      return;
    }
    if (word == "model") {
      event.kind = StreamEvent::Kind::kModel;
    } else if (word == "text") {
      event.kind = StreamEvent::Kind::kContent;
    } else if (word == "think") {
      event.kind = StreamEvent::Kind::kReasoning;
    } else if (word == "call") {
      event = {};
      event.kind = StreamEvent::Kind::kToolCallStart;
      event.id = first;
      event.name = second;
    } else if (word == "args") {
      event.kind = StreamEvent::Kind::kToolCallDelta;
    } else if (word == "sound") {
      event = {};
      event.kind = StreamEvent::Kind::kMedia;
      event.data = rest;
    } else if (word == "cite") {
      event = {};
      event.kind = StreamEvent::Kind::kCitation;
      source.url = rest;
      event.citation = &source;
    } else if (word == "extras") {
      event.kind = StreamEvent::Kind::kExtras;
    } else if (word == "usage") {
      event.kind = StreamEvent::Kind::kUsage;
      int input = 0, output = 0;
      if (!absl::SimpleAtoi(first, &input) || !absl::SimpleAtoi(second, &output)) {
        return Fail(FailureKind::kProtocol, "malformed usage");
      }
      usage.input_tokens = input;
      usage.output_tokens = output;
      event.usage = &usage;
    } else if (word == "end") {
      event.kind = StreamEvent::Kind::kChoiceEnd;
      event.finish_reason = FinishReason::kStop;
    } else {
      return Fail(FailureKind::kProtocol, "unknown line \"" + line_ + "\"");
    }
    handler.OnEvent(event);
  }

  const AnswerOptions limits_;
  std::string line_;
  State state_ = State::kMore;
  bool whole_ = false;
  UpstreamError error_;
};

}  // namespace

FailureKind KindNamed(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(FailureKind::kShed); ++i) {
    const auto kind = static_cast<FailureKind>(i);
    if (TraitsOf(kind).name == name) return kind;
  }
  return FailureKind::kServerError;
}

absl::StatusOr<EncodedRequest> LineFormat::EncodeChat(const v1::ChatRequest& request, std::string_view model, const Dialect& dialect) const {
  ++encoded;
  if (refuses_requests) return absl::InvalidArgumentError("messages[0].media: this format carries no media");
  EncodedRequest result;
  result.path = "/lines";
  result.headers = {{"content-type", "text/plain"}, {"user-agent", "format"}};
  result.body = "model " + std::string(model) + "\n";
  if (!dialect.stream_options) result.body += "no stream_options\n";
  if (dialect.token_limit == Dialect::TokenLimit::kMaxCompletionTokens) result.body += "max_completion_tokens\n";
  return result;
}

std::vector<std::pair<std::string, std::string>> LineFormat::AuthHeaders(std::string_view secret) const {
  return {{"authorization", "Bearer " + std::string(secret)}};
}

std::unique_ptr<ResponseDecoder> LineFormat::NewDecoder(const AnswerOptions& limits) const {
  return std::make_unique<LineDecoder>(limits);
}

UpstreamError LineFormat::ReadError(int http_status, std::string_view body) const {
  UpstreamError error;
  error.kind = KindOfHttpStatus(http_status);
  if (body.starts_with("context ")) {
    error.kind = FailureKind::kCaller;
    error.context_exceeded = true;
    return error;
  }
  if (body.starts_with("refuses ")) {
    error.kind = FailureKind::kCaller;
    for (int i = 0; i < kFormParts; ++i) {
      if (body.find(NameOf(static_cast<FormPart>(i))) != body.npos) error.refused.Add(static_cast<FormPart>(i));
    }
    return error;
  }
  if (body.empty()) return error;
  const size_t space = body.find(' ');
  error.kind = KindNamed(body.substr(0, space));
  if (space != std::string_view::npos) error.message = std::string(body.substr(space + 1));
  if (error.kind == FailureKind::kCaller) error.field = "temperature";
  error.retry_after = ReadRetryText(error.message);
  return error;
}

}  // namespace sluice
