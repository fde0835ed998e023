#include "server/telemetry/attempt_log.h"

#include <algorithm>
#include <utility>

#include "server/telemetry/observer_names.h"

namespace sluice {
namespace {

// A line with all its fields has some 600 bytes.
constexpr size_t kUsualLine = 1024;

constexpr std::string_view kInfo = "info";
constexpr std::string_view kWarning = "warning";
constexpr std::string_view kError = "error";

// What our own transport and timers said. The words of other kinds may be the
// upstream's, and upstreams quote prompts.
bool MessageIsOurs(const AttemptRecord& attempt) {
  switch (attempt.failure) {
    case FailureKind::kConnect:
    case FailureKind::kReset:
    case FailureKind::kTimeout:
    case FailureKind::kShed: return true;
    default: return false;
  }
}

// "messages[0].content". What an upstream names may be anything: what is no
// path is left out.
std::string_view PathOrNothing(std::string_view field) {
  constexpr size_t kLongest = 128;
  const bool path = field.size() <= kLongest && std::all_of(field.begin(), field.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '[' || c == ']' || c == '-';
  });
  return path ? field : std::string_view();
}

void AddTokens(LogLine& line, std::string_view input, std::string_view output, const UsageCounts& usage) {
  if (usage.input_tokens) line.Number(input, *usage.input_tokens);
  if (usage.output_tokens) line.Number(output, *usage.output_tokens);
}

void AddMillis(LogLine& line, std::string_view key, const std::optional<Duration>& value) {
  if (value) line.Millis(key, *value);
}

void AddCall(LogLine& line, const CallInfo& info) {
  line.Text("trace_id", info.trace_id);
  line.Text("call_id", info.call_id);
  line.Text("route", info.route);
}

void AddPlace(LogLine& line, const AttemptRecord& attempt) {
  line.Text("span_id", attempt.span_id);
  line.Text("upstream", attempt.upstream);
  line.Text("endpoint", attempt.endpoint);
}

std::string_view LevelOf(const AttemptRecord& attempt) {
  return attempt.outcome == AttemptOutcome::kFailed ? kWarning : kInfo;
}

std::string_view LevelOf(const CallRecord& record) {
  if (IsError(record)) return kError;
  return record.outcome == CallOutcome::kFallback ? kWarning : kInfo;
}

bool IsFailure(const CallRecord& record) {
  if (record.error.kind == FailureKind::kCancelled) return false;
  return record.outcome != CallOutcome::kComplete || record.attempts.size() > 1;
}

bool IsFailure(const AttemptRecord& attempt) {
  return attempt.outcome == AttemptOutcome::kFailed || (attempt.number > 1 && attempt.outcome == AttemptOutcome::kOk);
}

// One loop's observer.
class LoopLog : public CallObserver {
 public:
  LoopLog(const AttemptLogOptions& options, const AttemptLog::Clock& clock, LineWriter& writer)
      : all_(options.level == AttemptLogLevel::kAll),
        format_(options.format),
        now_(clock),
        writer_(writer) {
    buffer_.reserve(kUsualLine);
  }

  void AttemptEnded(const CallInfo& info, const AttemptRecord& attempt) override;
  void VerifyingEnded(const CallInfo& info, const AttemptRecord& attempt) override;
  void CallEnded(const CallInfo& info, const CallRecord& record) override;
  void RetryScheduled(const CallInfo& info, const AttemptRecord& failed, Duration delay, bool failover) override;
  void HedgeStarted(const CallInfo& info, const AttemptRecord& slow) override;
  void HedgeWon(const CallInfo& info, const AttemptRecord& winner) override;
  void RetryRefused(const CallInfo& info, std::string_view upstream, RetryRefusal why) override;
  void Restarted(const CallInfo& info, const AttemptRecord& cut) override;
  void FallbackEntered(const CallInfo& info, std::string_view fallback, FailureKind cause) override;
  void Limited(const CallInfo& info, const LimitRefusal& refusal) override;
  void Queued(const CallInfo& info) override;
  void LeftQueue(const CallInfo& info, QueueExit exit, Duration waited) override;
  void Paused(const CallInfo& info) override;
  void BreakerChanged(std::string_view upstream, std::string_view endpoint, BreakerState from,
                      BreakerState to) override;
  void EndpointEjected(std::string_view upstream, std::string_view endpoint, Duration lasting) override;
  void FormLearned(std::string_view upstream, std::string_view model, std::string_view refused) override;
  void HealthChanged(std::string_view upstream, std::string_view endpoint, bool healthy,
                     std::string_view reason) override;

 private:
  void WriteAttempt(std::string_view message, const CallInfo& info, const AttemptRecord& attempt);
  // A line about a call; `fill` adds what is special to it.
  template <typename Fill>
  void Write(std::string_view level, std::string_view message, const CallInfo& info, const Fill& fill) {
    const absl::Time now = now_();
    LogLine line(format_, buffer_);
    line.Begin(clock_, now, level, message);
    AddCall(line, info);
    fill(line);
    line.End();
    writer_.Write(LineSort::kCalls, buffer_, now);
  }
  // A line about an endpoint, which operators cause too, from other threads.
  template <typename Fill>
  void WriteFromAnyThread(std::string_view message, std::string_view upstream, std::string_view endpoint,
                          const Fill& fill) {
    const absl::Time now = now_();
    LogClock clock;
    std::string buffer;
    LogLine line(format_, buffer);
    line.Begin(clock, now, kWarning, message);
    line.Text("upstream", upstream);
    line.Text("endpoint", endpoint);
    fill(line);
    line.End();
    writer_.Write(LineSort::kCalls, buffer, now);
  }

  const bool all_;
  const LogFormat format_;
  const AttemptLog::Clock& now_;
  LineWriter& writer_;
  LogClock clock_;
  std::string buffer_;
};

void LoopLog::AttemptEnded(const CallInfo& info, const AttemptRecord& attempt) {
  if (all_ || IsFailure(attempt)) WriteAttempt("attempt", info, attempt);
}

// With the call that it was made for, which is over.
void LoopLog::VerifyingEnded(const CallInfo& info, const AttemptRecord& attempt) {
  if (all_ || IsFailure(attempt)) WriteAttempt("verified", info, attempt);
}

void LoopLog::WriteAttempt(std::string_view message, const CallInfo& info, const AttemptRecord& attempt) {
  Write(LevelOf(attempt), message, info, [&](LogLine& line) {
    AddPlace(line, attempt);
    line.Text("model", attempt.model);
    line.Text("credential", attempt.credential);
    if (attempt.number > 0) {
      line.Number("attempt", attempt.number);
      line.Number("retry_count", attempt.number - 1);
    }
    if (attempt.hedge) line.Flag("hedge", true);
    line.Text("status", NameOf(attempt.outcome));
    line.Text("error_type", NameOf(attempt.failure));
    if (attempt.http_status != 0) line.Number("http_status", attempt.http_status);
    if (MessageIsOurs(attempt)) line.Text("error", attempt.message);
    line.Millis("backoff_delay_ms", attempt.backoff);
    line.Millis("duration_ms", attempt.duration);
    AddMillis(line, "first_token_ms", attempt.time_to_first_token);
    AddMillis(line, "retry_after_ms", attempt.retry_after);
    AddTokens(line, "input_tokens", "output_tokens", attempt.usage);
  });
}

void LoopLog::CallEnded(const CallInfo& info, const CallRecord& record) {
  if (!all_ && !IsFailure(record)) return;
  Write(LevelOf(record), "call", info, [&](LogLine& line) {
    line.Text("operation", info.operation);
    line.Flag("streaming", info.streaming);
    line.Text("model", info.model_label);
    line.Text("tenant", info.tenant);
    line.Text("outcome", NameOf(record.outcome));
    line.Text("code", CodeNameOf(record));
    line.Text("error_type", NameOf(record.error.kind));
    line.Text("reason", record.error.reason);
    line.Text("field", PathOrNothing(record.error.field));
    line.Number("attempts", static_cast<int64_t>(record.attempts.size()));
    line.Text("served_by", record.served_by);
    line.Text("fallback", record.fallback);
    if (record.restarts > 0) line.Number("restarts", record.restarts);
    if (record.queued > absl::ZeroDuration()) line.Millis("queue_wait_ms", record.queued);
    line.Millis("total_ms", record.total);
    AddMillis(line, "first_token_ms", record.time_to_first_token);
    AddMillis(line, "retry_after_ms", record.error.retry_after);
    AddTokens(line, "input_tokens", "output_tokens", record.delivered);
    AddTokens(line, "abandoned_input_tokens", "abandoned_output_tokens", record.abandoned);
  });
}

void LoopLog::RetryScheduled(const CallInfo& info, const AttemptRecord& failed, Duration delay, bool failover) {
  if (!all_) return;
  Write(kInfo, "retry", info, [&](LogLine& line) {
    AddPlace(line, failed);
    if (failed.number > 0) line.Number("after_attempt", failed.number);
    line.Text("error_type", NameOf(failed.failure));
    line.Millis("backoff_delay_ms", delay);
    line.Flag("failover", failover);
  });
}

void LoopLog::HedgeStarted(const CallInfo& info, const AttemptRecord& slow) {
  if (!all_) return;
  Write(kInfo, "hedge", info, [&](LogLine& line) { AddPlace(line, slow); });
}

void LoopLog::HedgeWon(const CallInfo& info, const AttemptRecord& winner) {
  if (!all_) return;
  Write(kInfo, "hedge_won", info, [&](LogLine& line) { AddPlace(line, winner); });
}

void LoopLog::RetryRefused(const CallInfo& info, std::string_view upstream, RetryRefusal why) {
  if (!all_) return;
  Write(kWarning, "retry_refused", info, [&](LogLine& line) {
    line.Text("upstream", upstream);
    line.Text("reason", NameOf(why));
  });
}

void LoopLog::Restarted(const CallInfo& info, const AttemptRecord& cut) {
  if (!all_) return;
  Write(kWarning, "restart", info, [&](LogLine& line) {
    AddPlace(line, cut);
    line.Text("error_type", NameOf(cut.failure));
  });
}

void LoopLog::FallbackEntered(const CallInfo& info, std::string_view fallback, FailureKind cause) {
  if (!all_) return;
  Write(kWarning, "fallback", info, [&](LogLine& line) {
    line.Text("fallback", fallback);
    line.Text("cause", NameOf(cause));
  });
}

void LoopLog::Limited(const CallInfo& info, const LimitRefusal& refusal) {
  if (!all_) return;
  Write(kInfo, "limited", info, [&](LogLine& line) {
    line.Text("limit", refusal.limit);
    line.Text("upstream", refusal.upstream);
    line.Text("tenant", info.tenant);
    if (refusal.wait != absl::InfiniteDuration()) line.Millis("wait_ms", refusal.wait);
  });
}

void LoopLog::Queued(const CallInfo& info) {
  if (!all_) return;
  Write(kInfo, "queued", info, [](LogLine&) {});
}

void LoopLog::LeftQueue(const CallInfo& info, QueueExit exit, Duration waited) {
  if (!all_) return;
  Write(kInfo, "left_queue", info, [&](LogLine& line) {
    line.Text("result", NameOf(exit));
    line.Millis("queue_wait_ms", waited);
  });
}

void LoopLog::Paused(const CallInfo& info) {
  if (!all_) return;
  Write(kInfo, "paused", info, [](LogLine&) {});
}

void LoopLog::BreakerChanged(std::string_view upstream, std::string_view endpoint, BreakerState from,
                             BreakerState to) {
  WriteFromAnyThread("breaker", upstream, endpoint, [&](LogLine& line) {
    line.Text("from", NameOf(from));
    line.Text("to", NameOf(to));
  });
}

void LoopLog::EndpointEjected(std::string_view upstream, std::string_view endpoint, Duration lasting) {
  WriteFromAnyThread("ejected", upstream, endpoint, [&](LogLine& line) { line.Millis("lasting_ms", lasting); });
}

void LoopLog::FormLearned(std::string_view upstream, std::string_view model, std::string_view refused) {
  WriteFromAnyThread("form_learned", upstream, "", [&](LogLine& line) {
    line.Text("model", model);
    line.Text("refused", refused);
  });
}

void LoopLog::HealthChanged(std::string_view upstream, std::string_view endpoint, bool healthy,
                            std::string_view reason) {
  WriteFromAnyThread(healthy ? "healthy" : "unhealthy", upstream, endpoint, [&](LogLine& line) {
    if (!reason.empty()) line.Text("reason", reason);
  });
}

}  // namespace

AttemptLog::AttemptLog(const AttemptLogOptions& options, LineWriter& writer, Clock clock)
    : options_(options), clock_(std::move(clock)), writer_(writer) {}

CallObserver& AttemptLog::AddLoop() {
  std::lock_guard lock(mutex_);
  if (options_.level == AttemptLogLevel::kOff) return *loops_.emplace_back(std::make_unique<CallObserver>());
  return *loops_.emplace_back(std::make_unique<LoopLog>(options_, clock_, writer_));
}

}  // namespace sluice
