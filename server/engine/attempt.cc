#include "server/engine/attempt.h"

#include <algorithm>

#include "server/codec/error_text.h"
#include "server/engine/failure_text.h"
#include "server/resilience/retry_after.h"

namespace sluice {
namespace {

FailureKind KindOf(HttpFailure failure) {
  switch (failure) {
    case HttpFailure::kConnect:
      return FailureKind::kConnect;
    case HttpFailure::kPoolFull:
      return FailureKind::kShed;
    case HttpFailure::kReset:
      return FailureKind::kReset;
    case HttpFailure::kProtocol:
      return FailureKind::kProtocol;
  }
  return FailureKind::kReset;
}

// A later count replaces an earlier one; what is not told keeps its value.
void Replace(UsageCounts& usage, const UsageCounts& later) {
  const auto take = [](std::optional<int32_t>& old, const std::optional<int32_t>& fresh) {
    if (fresh) old = fresh;
  };
  take(usage.input_tokens, later.input_tokens);
  take(usage.output_tokens, later.output_tokens);
  take(usage.total_tokens, later.total_tokens);
  take(usage.cached_input_tokens, later.cached_input_tokens);
  take(usage.reasoning_tokens, later.reasoning_tokens);
}

}  // namespace

Attempt::Attempt(Loop& loop, Mailbox<CallMessage>& inbox, const WireFormat& format, const CallRequest& request,
                 const AttemptLimits& limits)
    : loop_(loop), inbox_(inbox), format_(format), request_(request), limits_(limits), watch_(loop), total_(loop) {}

bool Attempt::Start(HttpTransport& transport, HttpRequest request) {
  exchange_ = transport.Start(std::move(request), this);
  if (exchange_->sent_at_start()) {
    WatchAnswer();
    return true;
  }
  watch_.Set(loop_.Now() + limits_.connect, [this] { FailByTimer("connect", limits_.connect); });
  return false;
}

void Attempt::Pause() {
  if (paused_) return;
  paused_ = true;
  exchange_->Pause();
}

void Attempt::Resume() {
  if (!paused_) return;
  paused_ = false;
  last_bytes_ = loop_.Now();
  if (!transport_ended_) exchange_->Resume();
  if (!lingerer_) WatchIdle();
}

void Attempt::Linger(Lingerer& lingerer, Duration grace) {
  lingerer_ = &lingerer;
  decoder_.reset();
  watch_.Set(loop_.Now() + grace, [this] { LingerEnded(); });
  Resume();
}

void Attempt::OnConnected(bool reused) {
  if (lingerer_) return;
  WatchAnswer();
  Tell(CallMessage::Kind::kConnected);
}

void Attempt::WatchAnswer() {
  const TimePoint now = loop_.Now();
  watch_.Set(now + limits_.first_content, [this] { FailByTimer("first content", limits_.first_content); });
  if (limits_.total != absl::InfiniteDuration()) {
    total_.Set(now + limits_.total, [this] { FailByTimer("total", limits_.total); });
  }
}

void Attempt::OnHead(const HttpHead& head) {
  http_status_ = head.status();
  if (http_status_ < 200 || http_status_ >= 300) return ReadErrorHead(head);
  const std::string type(head.header("content-type"));
  if (!request_.AcceptsContentType(format_, type)) {
    return Fail(FailureKind::kProtocol,
                "content type \"" + type + "\" is no answer in format " + std::string(format_.name()));
  }
  decoder_ = request_.NewDecoder(format_, limits_.answer);
}

void Attempt::ReadErrorHead(const HttpHead& head) {
  const std::string_view location = head.header("location");
  if (http_status_ >= 300 && http_status_ < 400 && !location.empty()) {
    // Never followed: the request holds a credential and the caller's text.
    return Fail(FailureKind::kProtocol, RedirectText(http_status_, location));
  }
  reading_error_ = true;
  const auto header = [&](std::string_view name) { return head.header(name); };
  failure_.retry_after = ReadRetryAfter(http_status_, header, loop_.WallNow());
  total_.Cancel();
  watch_.Set(loop_.Now() + kErrorBodyWait, [this] { ClassifyErrorBody(); });
}

void Attempt::OnBody(std::string_view bytes) {
  if (lingerer_) return;
  if (reading_error_) {
    error_body_.append(bytes.substr(0, kMaxErrorBody - error_body_.size()));
    if (error_body_.size() == kMaxErrorBody) ClassifyErrorBody();
    return;
  }
  last_bytes_ = loop_.Now();
  AfterDecoding(decoder_->Feed(bytes, *this));
}

void Attempt::OnEnd() {
  transport_ended_ = true;
  if (lingerer_) return LingerEnded();
  if (reading_error_) return ClassifyErrorBody();
  if (!decoder_) return Fail(FailureKind::kProtocol, "the response has no head");
  AfterDecoding(decoder_->End(*this));
}

void Attempt::OnFailure(HttpFailure failure, std::string_view message) {
  transport_ended_ = true;
  if (lingerer_) return LingerEnded();
  // The status alone says enough of a refused request.
  if (reading_error_) return ClassifyErrorBody();
  const FailureKind kind = KindOf(failure);
  Fail(kind, std::string(PhraseOf(kind)) + (message.empty() ? "" : ": ") + std::string(message));
}

void Attempt::OnEvent(const StreamEvent& event) {
  if (failure_.kind != FailureKind::kNone) return;
  if (event.kind == StreamEvent::Kind::kUsage) Replace(usage_, *event.usage);
  if (event.is_content() && !first_content_) {
    first_content_ = loop_.Now();
    WatchIdle();
  }
  const CallMessage message{CallMessage::Kind::kEvent, this, &event};
  inbox_.Push(message);
}

void Attempt::ClassifyErrorBody() {
  UpstreamError error = format_.ReadError(http_status_, error_body_);
  if (error.kind == FailureKind::kNone) error.kind = KindOfHttpStatus(http_status_);
  FailAsTold(error);
}

void Attempt::AfterDecoding(ResponseDecoder::State state) {
  if (failure_.kind != FailureKind::kNone) return Report(CallMessage::Kind::kFailed);
  switch (state) {
    case ResponseDecoder::State::kMore:
      if (transport_ended_) Fail(FailureKind::kReset, "the answer ended early");
      return;
    case ResponseDecoder::State::kDone:
      return Report(CallMessage::Kind::kAnswered);
    case ResponseDecoder::State::kFailed:
      break;
  }
  FailAsTold(decoder_->error());
}

void Attempt::FailAsTold(const UpstreamError& error) {
  failure_.field = error.field;
  failure_.context_exceeded = error.context_exceeded;
  // A header is for clients to obey, the text for people.
  if (!failure_.retry_after) failure_.retry_after = error.retry_after;
  Fail(error.kind, MessageOf(error));
}

void Attempt::FailByTimer(const char* what, Duration limit) {
  Fail(FailureKind::kTimeout, std::string(what) + " timeout after " + absl::FormatDuration(limit));
}

void Attempt::Fail(FailureKind kind, std::string message) {
  failure_.kind = kind;
  failure_.message = OneLine(message, kMaxAttemptMessage);
  Report(CallMessage::Kind::kFailed);
}

void Attempt::Report(CallMessage::Kind kind) {
  watch_.Cancel();
  total_.Cancel();
  Tell(kind);
}

void Attempt::Tell(CallMessage::Kind kind) {
  const CallMessage message{kind, this};
  inbox_.Push(message);
}

void Attempt::LingerEnded() { lingerer_->Release(this); }

void Attempt::WatchIdle() {
  watch_.Set(last_bytes_ + limits_.idle, [this] { IdleDue(); });
}

// Bytes do not touch the timer: it looks for itself whether some came.
void Attempt::IdleDue() {
  if (paused_) return;  // Resume watches again
  if (loop_.Now() < last_bytes_ + limits_.idle) return WatchIdle();
  FailByTimer("idle", limits_.idle);
}

}  // namespace sluice
