#include "server/engine/attempt.h"

#include <algorithm>

#include "server/codec/error_text.h"
#include "server/engine/failure_text.h"
#include "server/resilience/retry_after.h"

namespace sluice {
namespace {

constexpr size_t kMaxContentType = 100;

FailureKind KindOf(HttpFailure failure) {
  switch (failure) {
    case HttpFailure::kConnect:
      return FailureKind::kConnect;
    case HttpFailure::kPoolFull:
    case HttpFailure::kNoDescriptor:
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
    : loop_(loop), inbox_(&inbox), format_(format), request_(request), limits_(limits), watch_(loop), total_(loop) {}

bool Attempt::Start(HttpTransport& transport, HttpRequest request) {
  exchange_ = transport.Start(std::move(request), this);
  if (exchange_->sent_at_start()) {
    WatchAnswer();
    return true;
  }
  watch_.Set(loop_.Now() + limits_.connect, [this] { TimeOut("connect", limits_.connect); });
  return false;
}

void Attempt::Pause() {
  if (paused_) return;
  paused_ = was_paused_ = true;
  exchange_->Pause();
}

void Attempt::Resume() {
  if (!paused_) return;
  paused_ = false;
  last_event_ = loop_.Now();
  if (!transport_ended_) exchange_->Resume();
  if (!lingerer_) WatchEvents();
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
  watch_.Set(now + limits_.first_content, [this] { TimeOut("first content", limits_.first_content); });
  if (limits_.total != absl::InfiniteDuration()) {
    total_.Set(now + limits_.total, [this] { TimeOut("total", limits_.total); });
  }
}

void Attempt::OnHead(const HttpHead& head) {
  http_status_ = head.status();
  if (http_status_ < 200 || http_status_ >= 300) return ReadErrorHead(head);
  // The bytes tell what they are; the type only helps to explain what they are not.
  const std::string_view type = head.header("content-type");
  if (!type.starts_with("text/event-stream") && !type.starts_with("application/json")) {
    odd_content_type_ = type.empty() ? "none" : type.substr(0, kMaxContentType);
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
  if (TakeWhole()) return;
  const FailureKind kind = KindOf(failure);
  Fail(kind, std::string(PhraseOf(kind)) + (message.empty() ? "" : ": ") + std::string(message));
}

void Attempt::OnEvent(const StreamEvent& event) {
  if (failure_.kind != FailureKind::kNone) return;
  if (event.kind == StreamEvent::Kind::kUsage) Replace(usage_, *event.usage);
  last_event_ = loop_.Now();
  if (event.is_content() && !first_content_) {
    first_content_ = last_event_;
    WatchEvents();
  }
  const CallMessage message{CallMessage::Kind::kEvent, this, &event};
  inbox_->Push(message);
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
      if (transport_ended_) return Fail(FailureKind::kReset, "the answer ended early");
      if (!awaits_end_ && decoder_->whole()) {
        awaits_end_ = true;
        WatchEvents();
      }
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
  failure_.refused = error.refused;
  // A header is for clients to obey, the text for people.
  if (!failure_.retry_after) failure_.retry_after = error.retry_after;
  Fail(error.kind, WithContentType(MessageOf(error)));
}

std::string Attempt::WithContentType(std::string message) const {
  if (first_content_ || odd_content_type_.empty()) return message;
  return message + " (content type: " + odd_content_type_ + ")";
}

bool Attempt::TakeWhole() {
  if (!decoder_ || decoder_->Cut(*this) != ResponseDecoder::State::kDone) return false;
  given_up_ = !transport_ended_;
  Report(failure_.kind == FailureKind::kNone ? CallMessage::Kind::kAnswered : CallMessage::Kind::kFailed);
  return true;
}

void Attempt::TimeOut(const char* what, Duration limit) {
  if (TakeWhole()) return;
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
  inbox_->Push(message);
}

void Attempt::LingerEnded() { lingerer_->Release(this); }

// The answer may be whole but for its stream's end, which has less time.
void Attempt::WatchEvents() {
  const Duration patience = decoder_->whole() ? limits_.end_grace : limits_.idle;
  watch_.Set(last_event_ + patience, [this, patience] { SilenceDue(patience); });
}

// Events do not touch the timer: it looks for itself whether some came. Comments
// are none: a proxy's heartbeats say nothing about the model behind it.
void Attempt::SilenceDue(Duration patience) {
  if (paused_) return;  // Resume watches again
  if (loop_.Now() < last_event_ + patience) return WatchEvents();
  TimeOut("idle", patience);
}

}  // namespace sluice
