#include "server/telemetry/call_metrics.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "server/resilience/failure.h"

namespace sluice {
namespace {

enum Families : size_t {
  kDuration,
  kTimeToFirstToken,
  kTimePerOutputToken,
  kTokenUsage,
  kAttempts,
  kRetries,
  kFailovers,
  kRetriedCalls,
  kRetrySuccess,
  kCalls,
  kPaused,
};

// .01·2^n to 81.92, and on to 655.36: long generations would overflow.
const std::vector<double> kDurationBounds = {.01,  .02,  .04,   .08,   .16,   .32,   .64,    1.28,  2.56,
                                             5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68, 655.36};
const std::vector<double> kFirstTokenBounds = {.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75,
                                               1,    2.5,  5,   7.5, 10,  15,  20,  30, 45,  60};
const std::vector<double> kPerTokenBounds = {.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5};
const std::vector<double> kTokenBounds = {1,     4,     16,     64,      256,     1024,     4096,
                                          16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864};

#define SLUICE_GEN_AI_LABELS \
  "gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_response_model"

// In the order of Families.
const std::vector<FamilySpec>& Specs() {
  static const auto& specs = *new std::vector<FamilySpec>{
      {"gen_ai_client_operation_duration_seconds", "Calls from begin to end, every attempt and wait included.",
       {SLUICE_GEN_AI_LABELS, "error_type"}, kDurationBounds},
      {"gen_ai_server_time_to_first_token_seconds", "From the beginning of a call to its first content.",
       {SLUICE_GEN_AI_LABELS}, kFirstTokenBounds},
      {"gen_ai_server_time_per_output_token_seconds", "Mean time of an output token after the first one, per call.",
       {SLUICE_GEN_AI_LABELS}, kPerTokenBounds},
      {"gen_ai_client_token_usage", "Tokens of the answers that were delivered, as the upstream counts them.",
       {SLUICE_GEN_AI_LABELS, "gen_ai_token_type"}, kTokenBounds},
      {"sluice_attempts_total", "Requests sent to upstreams, by how they ended.",
       {"route", "upstream", "endpoint", "outcome", "error_class"}, {}},
      {"sluice_retries_total", "Attempts that followed a failed one, by the upstream that failed.",
       {"route", "upstream"}, {}},
      {"sluice_failovers_total", "Retries that went to another endpoint, by the upstream that failed.",
       {"route", "upstream"}, {}},
      {"sluice_retried_calls_total", "Calls that needed more than one attempt.", {"route"}, {}},
      {"sluice_retry_success_total", "Calls that needed more than one attempt and ended complete.", {"route"}, {}},
      {"sluice_calls_total", "Calls that ended, by outcome and gRPC status.", {"route", "outcome", "code"}, {}},
      {"sluice_stream_pauses_total", "Times that an upstream was not read because the caller did not read.",
       {"route"}, {}},
  };
  return specs;
}

#undef SLUICE_GEN_AI_LABELS

const char* OutcomeName(CallOutcome outcome) {
  switch (outcome) {
    case CallOutcome::kComplete: return "complete";
    case CallOutcome::kTruncated: return "truncated";
    case CallOutcome::kFallback: return "fallback";
    case CallOutcome::kFailed: return "failed";
    case CallOutcome::kUnspecified: break;
  }
  return "unspecified";
}

const char* OutcomeName(AttemptOutcome outcome) {
  switch (outcome) {
    case AttemptOutcome::kOk: return "ok";
    case AttemptOutcome::kFailed: return "failed";
    case AttemptOutcome::kCancelled: return "cancelled";
    case AttemptOutcome::kAbandoned: return "abandoned";
    case AttemptOutcome::kRunning: break;
  }
  return "running";
}

std::string ErrorClass(FailureKind kind) {
  return kind == FailureKind::kNone ? "" : std::string(TraitsOf(kind).name);
}

std::string CodeName(int grpc_code) {
  return absl::StatusCodeToString(static_cast<absl::StatusCode>(grpc_code));
}

// A caller that is wrong or went away says nothing about the gateway.
bool IsError(const CallRecord& record) {
  if (record.outcome != CallOutcome::kFailed && record.outcome != CallOutcome::kTruncated) return false;
  return TraitsOf(record.error.kind).fault != Fault::kCaller;
}

// The labels that all GenAI metrics have.
std::vector<std::string> GenAiLabels(const CallInfo& info, const CallRecord& record) {
  std::string provider;
  std::string response_model;
  if (!record.attempts.empty()) {
    // The last attempt is the one that served, or failed last.
    provider = record.attempts.back().provider;
    response_model = record.attempts.back().model;
  }
  if (response_model.empty()) response_model = info.model_label;
  return {info.operation, std::move(provider), info.model_label, std::move(response_model)};
}

std::vector<std::string> With(std::vector<std::string> labels, std::string last) {
  labels.push_back(std::move(last));
  return labels;
}

prometheus::MetricFamily Gauge(const char* name, const char* help, double value) {
  prometheus::MetricFamily family{name, help, prometheus::MetricType::Gauge, {}};
  family.metric.emplace_back().gauge.value = value;
  return family;
}

}  // namespace

CallMetrics::CallMetrics(size_t max_series) : series_(Specs(), max_series) {}

void CallMetrics::CallStarted(const CallInfo& info) {
  std::lock_guard lock(mutex_);
  ++totals_.open_calls;
  if (info.streaming) ++open_streams_;
}

void CallMetrics::AttemptEnded(const CallInfo& info, const AttemptRecord& attempt) {
  std::lock_guard lock(mutex_);
  series_.Add(kAttempts, {info.route, attempt.upstream, attempt.endpoint, OutcomeName(attempt.outcome),
                          ErrorClass(attempt.failure)});
}

void CallMetrics::RetryScheduled(const CallInfo& info, const AttemptRecord& failed, Duration, bool failover) {
  std::lock_guard lock(mutex_);
  series_.Add(kRetries, {info.route, failed.upstream});
  if (failover) series_.Add(kFailovers, {info.route, failed.upstream});
}

void CallMetrics::Paused(const CallInfo& info) {
  std::lock_guard lock(mutex_);
  series_.Add(kPaused, {info.route});
}

void CallMetrics::CallEnded(const CallInfo& info, const CallRecord& record) {
  std::lock_guard lock(mutex_);
  --totals_.open_calls;
  if (info.streaming) --open_streams_;
  ++totals_.calls;
  if (IsError(record)) ++totals_.errors;
  series_.Add(kCalls, {info.route, OutcomeName(record.outcome), CodeName(record.error.grpc_code)});
  if (record.attempts.size() > 1) {
    series_.Add(kRetriedCalls, {info.route});
    if (record.outcome == CallOutcome::kComplete) series_.Add(kRetrySuccess, {info.route});
  }
  RecordGenAi(info, record);
}

void CallMetrics::RecordGenAi(const CallInfo& info, const CallRecord& record) {
  const std::vector<std::string> labels = GenAiLabels(info, record);
  series_.Observe(kDuration, With(labels, ErrorClass(record.error.kind)), absl::ToDoubleSeconds(record.total));
  const UsageCounts& usage = record.delivered;
  if (usage.input_tokens) series_.Observe(kTokenUsage, With(labels, "input"), *usage.input_tokens);
  if (usage.output_tokens) series_.Observe(kTokenUsage, With(labels, "output"), *usage.output_tokens);
  if (!record.time_to_first_token) return;
  series_.Observe(kTimeToFirstToken, labels, absl::ToDoubleSeconds(*record.time_to_first_token));
  if (usage.output_tokens.value_or(0) > 1) {
    const double after_first = absl::ToDoubleSeconds(record.total - *record.time_to_first_token);
    series_.Observe(kTimePerOutputToken, labels, after_first / (*usage.output_tokens - 1));
  }
}

CallMetrics& CallMetricsCollector::AddLoop() {
  std::lock_guard lock(mutex_);
  return *loops_.emplace_back(std::make_unique<CallMetrics>(max_series_));
}

CallTotals CallMetricsCollector::Totals() const {
  std::lock_guard lock(mutex_);
  CallTotals sum;
  for (const auto& loop : loops_) {
    std::lock_guard loop_lock(loop->mutex_);
    sum.open_calls += loop->totals_.open_calls;
    sum.calls += loop->totals_.calls;
    sum.errors += loop->totals_.errors;
  }
  return sum;
}

std::vector<prometheus::MetricFamily> CallMetricsCollector::Collect() const {
  SeriesSet merged(Specs(), max_series_);
  int64_t open_streams = 0;
  {
    std::lock_guard lock(mutex_);
    for (const auto& loop : loops_) {
      std::lock_guard loop_lock(loop->mutex_);
      merged.MergeFrom(loop->series_);
      open_streams += loop->open_streams_;
    }
  }
  auto families = merged.Render();
  families.push_back(Gauge("sluice_open_calls", "Calls under way.", static_cast<double>(Totals().open_calls)));
  families.push_back(
      Gauge("sluice_open_streams", "Streaming calls under way.", static_cast<double>(open_streams)));
  return families;
}

}  // namespace sluice
