#include "server/telemetry/call_metrics.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/telemetry/families.h"
#include "server/telemetry/observer_names.h"

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
  kCallErrors,
  kPaused,
  kRetryDelay,
  kRetriesRefused,
  kHedges,
  kHedgesWon,
  kRestarts,
  kFallbacks,
  kLimited,
  kQueued,
  kQueueWait,
  kAbandonedTokens,
  kBreakerChanges,
  kEjections,
  kHealthChecks,
  kVerifying,
};

// .01·2^n to 81.92, and on to 655.36: long generations would overflow.
const std::vector<double> kDurationBounds = {.01,  .02,  .04,   .08,   .16,   .32,   .64,    1.28,  2.56,
                                             5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68, 655.36};
const std::vector<double> kFirstTokenBounds = {.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75,
                                               1,    2.5,  5,   7.5, 10,  15,  20,  30, 45,  60};
const std::vector<double> kPerTokenBounds = {.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5};
const std::vector<double> kTokenBounds = {1,     4,     16,     64,      256,     1024,     4096,
                                          16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864};
// Backoffs and queues: from what nobody notices to the longest that a policy
// would ask for.
const std::vector<double> kWaitBounds = {.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60};

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
      {"sluice_call_errors_total", "Calls that failed or were cut, and not by the caller's own fault.", {"route"}, {}},
      {"sluice_stream_pauses_total", "Times that an upstream was not read because the caller did not read.",
       {"route"}, {}},
      {"sluice_retry_delay_seconds", "Waits before retries, those of no time included.", {"route"}, kWaitBounds},
      {"sluice_retries_refused_total", "Retries and hedges that the policy would have made and a limit did not allow.",
       {"route", "upstream", "reason"}, {}},
      {"sluice_hedges_total", "Attempts started beside a slow one, by the upstream that was slow.",
       {"route", "upstream"}, {}},
      {"sluice_hedges_won_total", "Hedges that were first with content, by their upstream.", {"route", "upstream"}, {}},
      {"sluice_restarts_total", "Streams that were cut after content and began anew, by the upstream that cut.",
       {"route", "upstream"}, {}},
      {"sluice_fallbacks_total", "Calls that a fallback took over, by what made it necessary.",
       {"route", "fallback", "cause"}, {}},
      {"sluice_limited_total", "Times that a limit of ours refused a call or made it wait.",
       {"route", "upstream", "limit"}, {}},
      {"sluice_queued_total", "Calls that entered the queue of their route.", {"route"}, {}},
      {"sluice_queue_wait_seconds", "Waits in the queue of a route, by how they ended.", {"route", "result"},
       kWaitBounds},
      {"sluice_abandoned_tokens_total", "Tokens of attempts whose answer was not used, as upstreams told them.",
       {"route", "type"}, {}},
      {"sluice_breaker_changes_total", "Changes of circuit breakers; no endpoint: the upstream's as a whole.",
       {"upstream", "endpoint", "from", "to"}, {}},
      {"sluice_endpoint_ejections_total", "Times that an endpoint was left out for failing in a row.",
       {"upstream", "endpoint"}, {}},
      {"sluice_health_checks_total", "Active health checks of endpoints, by what they told.",
       {"upstream", "endpoint", "result"}, {}},
      {"sluice_verifying_attempts_total", "Attempts that went on when their caller had left, by how they ended.",
       {"upstream", "endpoint", "outcome", "error_class"}, {}},
  };
  return specs;
}

#undef SLUICE_GEN_AI_LABELS

// The attempt that served, or the last one that failed.
const AttemptRecord* TellingAttempt(const std::vector<AttemptRecord>& attempts) {
  for (const AttemptRecord& attempt : attempts) {
    if (attempt.outcome == AttemptOutcome::kOk) return &attempt;
  }
  return attempts.empty() ? nullptr : &attempts.back();
}

// The labels that all GenAI metrics have, with room for one more.
struct GenAiLabels {
  GenAiLabels(const CallInfo& info, const CallRecord& record) : values{info.operation, "", info.model_label, info.model_label} {
    const AttemptRecord* attempt = TellingAttempt(record.attempts);
    if (attempt == nullptr) return;
    values[1] = attempt->provider;
    if (!attempt->model.empty()) values[3] = attempt->model;
  }

  SeriesSet::Labels all() const { return absl::MakeConstSpan(values, 4); }
  // Until the next call.
  SeriesSet::Labels With(std::string_view last) {
    values[4] = last;
    return values;
  }

  std::string_view values[5];
};

}  // namespace

CallMetrics::CallMetrics(size_t max_series) : series_(Specs(), max_series) {}

void CallMetrics::Add(size_t family, SeriesSet::Labels labels) {
  std::lock_guard lock(mutex_);
  series_.Add(family, labels);
}

void CallMetrics::CallStarted(const CallInfo& info) {
  std::lock_guard lock(mutex_);
  ++totals_.open_calls;
  if (info.streaming) ++open_streams_;
}

void CallMetrics::AttemptEnded(const CallInfo& info, const AttemptRecord& attempt) {
  std::lock_guard lock(mutex_);
  series_.Add(kAttempts, {info.route, attempt.upstream, attempt.endpoint, NameOf(attempt.outcome),
                          NameOf(attempt.failure)});
}

void CallMetrics::VerifyingStarted(const CallInfo&, const AttemptRecord&) {
  std::lock_guard lock(mutex_);
  ++verifying_;
}

void CallMetrics::VerifyingEnded(const CallInfo&, const AttemptRecord& attempt) {
  std::lock_guard lock(mutex_);
  --verifying_;
  series_.Add(kVerifying, {attempt.upstream, attempt.endpoint, NameOf(attempt.outcome), NameOf(attempt.failure)});
}

void CallMetrics::RetryScheduled(const CallInfo& info, const AttemptRecord& failed, Duration delay, bool failover) {
  std::lock_guard lock(mutex_);
  series_.Add(kRetries, {info.route, failed.upstream});
  if (failover) series_.Add(kFailovers, {info.route, failed.upstream});
  series_.Observe(kRetryDelay, {info.route}, absl::ToDoubleSeconds(delay));
}

void CallMetrics::HedgeStarted(const CallInfo& info, const AttemptRecord& slow) {
  Add(kHedges, {info.route, slow.upstream});
}

void CallMetrics::HedgeWon(const CallInfo& info, const AttemptRecord& winner) {
  Add(kHedgesWon, {info.route, winner.upstream});
}

void CallMetrics::RetryRefused(const CallInfo& info, std::string_view upstream, RetryRefusal why) {
  Add(kRetriesRefused, {info.route, upstream, NameOf(why)});
}

void CallMetrics::Restarted(const CallInfo& info, const AttemptRecord& cut) {
  Add(kRestarts, {info.route, cut.upstream});
}

void CallMetrics::FallbackEntered(const CallInfo& info, std::string_view fallback, FailureKind cause) {
  Add(kFallbacks, {info.route, fallback, NameOf(cause)});
}

void CallMetrics::Limited(const CallInfo& info, const LimitRefusal& refusal) {
  Add(kLimited, {info.route, refusal.upstream, refusal.limit});
}

void CallMetrics::Queued(const CallInfo& info) { Add(kQueued, {info.route}); }

void CallMetrics::LeftQueue(const CallInfo& info, QueueExit exit, Duration waited) {
  std::lock_guard lock(mutex_);
  series_.Observe(kQueueWait, {info.route, NameOf(exit)}, absl::ToDoubleSeconds(waited));
}

void CallMetrics::BreakerChanged(std::string_view upstream, std::string_view endpoint, BreakerState from,
                                 BreakerState to) {
  Add(kBreakerChanges,
      {upstream, endpoint, NameOf(from), NameOf(to)});
}

void CallMetrics::EndpointEjected(std::string_view upstream, std::string_view endpoint, Duration) {
  Add(kEjections, {upstream, endpoint});
}

void CallMetrics::HealthChecked(std::string_view upstream, std::string_view endpoint, bool passed) {
  Add(kHealthChecks, {upstream, endpoint, passed ? "passed" : "failed"});
}

void CallMetrics::Paused(const CallInfo& info) {
  Add(kPaused, {info.route});
}

void CallMetrics::CallEnded(const CallInfo& info, const CallRecord& record) {
  std::lock_guard lock(mutex_);
  --totals_.open_calls;
  if (info.streaming) --open_streams_;
  ++totals_.calls;
  const bool error = IsError(record);
  if (error) ++totals_.errors;
  series_.Add(kCalls, {info.route, NameOf(record.outcome), CodeNameOf(record)});
  // Beside what is counted stands a zero for what was not: a ratio of nothing
  // would be no number.
  series_.Add(kCallErrors, {info.route}, error ? 1 : 0);
  if (WasRetried(record)) {
    series_.Add(kRetriedCalls, {info.route});
    series_.Add(kRetrySuccess, {info.route}, record.outcome == CallOutcome::kComplete ? 1 : 0);
  }
  const UsageCounts& lost = record.abandoned;
  if (lost.input_tokens) series_.Add(kAbandonedTokens, {info.route, "input"}, *lost.input_tokens);
  if (lost.output_tokens) series_.Add(kAbandonedTokens, {info.route, "output"}, *lost.output_tokens);
  RecordGenAi(info, record);
}

void CallMetrics::RecordGenAi(const CallInfo& info, const CallRecord& record) {
  GenAiLabels labels(info, record);
  // What a fallback answered ended without an error.
  const FailureKind error = record.outcome == CallOutcome::kFallback ? FailureKind::kNone : record.error.kind;
  series_.Observe(kDuration, labels.With(NameOf(error)), absl::ToDoubleSeconds(record.total));
  const UsageCounts& usage = record.delivered;
  if (usage.input_tokens) series_.Observe(kTokenUsage, labels.With("input"), *usage.input_tokens);
  if (usage.output_tokens) series_.Observe(kTokenUsage, labels.With("output"), *usage.output_tokens);
  if (!record.time_to_first_token) return;
  series_.Observe(kTimeToFirstToken, labels.all(), absl::ToDoubleSeconds(*record.time_to_first_token));
  if (usage.output_tokens.value_or(0) > 1) {
    const double after_first = absl::ToDoubleSeconds(record.total - *record.time_to_first_token);
    series_.Observe(kTimePerOutputToken, labels.all(), after_first / (*usage.output_tokens - 1));
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

// In all loops at once, so that no sum ever falls. A call that ends in this very
// moment, of what was deleted and silent for the whole grace, may be missed.
void CallMetricsCollector::ForgetDeleted(const NamesInForce& in_force, SeriesSet& merged) const {
  if (in_force.names == nullptr) return;
  grace_.Begin(keeping_.clock(), in_force.since);
  const auto deleted = merged.Select([&](const FamilySpec& spec, const SeriesSet::Values& values, const Cell& cell) {
    PolicyNames::LabelViews labels;
    for (size_t i = 0; i < values.size(); ++i) labels.emplace_back(spec.labels[i], values[i]);
    if (in_force.names->InForce(labels)) return false;
    return grace_.Over(absl::StrCat(spec.name, "\n", absl::StrJoin(values, "\n")),
                       cell.sum + static_cast<double>(cell.count));
  });
  grace_.End();
  for (const SeriesSet::Key& key : deleted) {
    merged.Forget(key);
    for (const auto& loop : loops_) {
      std::lock_guard lock(loop->mutex_);
      loop->series_.Forget(key);
    }
  }
}

std::vector<prometheus::MetricFamily> CallMetricsCollector::Collect() const {
  // Not under the lock: those whom it asks may want Totals().
  const NamesInForce in_force = keeping_.in_force ? keeping_.in_force() : NamesInForce();
  SeriesSet merged(Specs(), max_series_);
  int64_t open_streams = 0;
  int64_t verifying = 0;
  {
    std::lock_guard lock(mutex_);
    for (const auto& loop : loops_) {
      std::lock_guard loop_lock(loop->mutex_);
      merged.MergeFrom(loop->series_);
      open_streams += loop->open_streams_;
      verifying += loop->verifying_;
    }
    ForgetDeleted(in_force, merged);
  }
  auto families = merged.Render();
  families.push_back(SingleFamily("sluice_open_calls", "Calls under way, those in queues included.",
                                  prometheus::MetricType::Gauge, static_cast<double>(Totals().open_calls)));
  families.push_back(SingleFamily("sluice_open_streams", "Streaming calls under way.",
                                  prometheus::MetricType::Gauge, static_cast<double>(open_streams)));
  families.push_back(SingleFamily("sluice_attempts_verifying", "Attempts under way whose callers have left.",
                                  prometheus::MetricType::Gauge, static_cast<double>(verifying)));
  return families;
}

}  // namespace sluice
