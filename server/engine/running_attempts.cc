#include "server/engine/running_attempts.h"

#include <algorithm>
#include <utility>

#include "server/engine/failure_text.h"
#include "server/engine/lingerer.h"
#include "server/resilience/retry_decision.h"

namespace sluice {
namespace {

// Letters and digits, one of 2^64: no two answers make up the same ids, whichever
// process they went through.
std::string NewAnswerId(Random& random) {
  constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string id;
  for (uint64_t rest = random.Next(); id.size() < 13; rest /= kDigits.size()) id += kDigits[rest % kDigits.size()];
  return id;
}

AttemptLimits LimitsOf(const RouteConfig& route, const UpstreamConfig& upstream, bool streaming, Random& random) {
  AttemptLimits limits;
  limits.connect = route.timeouts.connect;
  limits.first_content = route.timeouts.first_content;
  limits.idle = route.timeouts.idle;
  limits.total = streaming ? absl::InfiniteDuration() : route.timeouts.unary_total;
  limits.end_grace = route.timeouts.end_grace;
  limits.answer.max_event_bytes = route.stream.max_event_bytes;
  limits.answer.ends_without_finish = upstream.dialect.ends_without_finish;
  limits.answer.answer_id = NewAnswerId(random);
  return limits;
}

CircuitBreaker::Outcome OutcomeFor(const AttemptRecord& attempt) {
  if (attempt.outcome == AttemptOutcome::kOk) return CircuitBreaker::Outcome::kSuccess;
  const bool counts = attempt.outcome == AttemptOutcome::kFailed && TraitsOf(attempt.failure).counts_for_breaker;
  return counts ? CircuitBreaker::Outcome::kFailure : CircuitBreaker::Outcome::kIgnored;
}

// What the attempt cost, as told or estimated; a failure that the upstream
// told is not billed.
uint64_t UsedTokens(const UsageCounts& usage) {
  if (usage.total_tokens) return static_cast<uint64_t>(std::max(0, *usage.total_tokens));
  return static_cast<uint64_t>(std::max(0, usage.input_tokens.value_or(0)) +
                               std::max(0, usage.output_tokens.value_or(0)));
}

// Usage comes at an answer's end. One that was given up is paid for all the
// same, as far as it had come.
bool WasCutOff(const AttemptRecord& record) {
  switch (record.outcome) {
    case AttemptOutcome::kAbandoned:
    case AttemptOutcome::kCancelled:
      return true;
    case AttemptOutcome::kFailed:
      return record.failure == FailureKind::kTruncated || record.failure == FailureKind::kTimeout;
    case AttemptOutcome::kRunning:
    case AttemptOutcome::kOk:
      break;
  }
  return false;
}

UsageCounts EstimatedUsage(const RunningAttempt& running) {
  UsageCounts usage;
  usage.input_tokens = static_cast<int32_t>(std::min<uint64_t>(running.prompt_tokens, INT32_MAX));
  usage.output_tokens = static_cast<int32_t>(std::min<uint64_t>(running.content_bytes / kBytesPerToken, INT32_MAX));
  usage.estimated = true;
  return usage;
}

// An upstream may quote the credential that it was sent.
void HideSecret(const std::string& secret, std::string& message) {
  static constexpr std::string_view kHidden = "(credential)";
  if (secret.empty()) return;
  // On from what was put in place, of which the secret may be a part.
  for (size_t at = 0; (at = message.find(secret, at)) != std::string::npos; at += kHidden.size()) {
    message.replace(at, secret.size(), kHidden);
  }
}

}  // namespace

RunningAttempts::RunningAttempts(const EngineContext& context, const CallParams& params, Mailbox<CallMessage>& inbox,
                                 CallRecord& record)
    : context_(context), params_(params), inbox_(inbox), record_(record) {}

RunningAttempt& RunningAttempts::Start(AttemptStart start) {
  const UpstreamConfig& upstream = start.plan.upstream();
  AttemptRecord record;
  record.number = static_cast<int>(record_.attempts.size()) + 1;
  record.upstream = upstream.name;
  record.endpoint = start.plan.endpoint->name;
  record.provider = std::string(upstream.format->name());
  record.credential = upstream.credentials[start.plan.credential].name;
  // By the policy's name for it; a "*" route passes on the caller's own text,
  // which metrics must never carry.
  record.model = start.plan.target->model.empty() ? params_.info.model_label : start.plan.target->model;
  record.backoff = start.backoff;
  record.hedge = start.hedge;
  record.span_id = std::move(start.span_id);
  record.started = Now();

  RunningAttempt& running = *running_.emplace_back(std::make_unique<RunningAttempt>());
  running.route = &start.route;
  running.plan = start.plan;
  running.index = record_.attempts.size();
  running.ticket = std::move(start.ticket);
  running.charge = std::move(start.charge);
  running.form = start.form;
  running.prompt_tokens = params_.request->PromptTokens();
  record_.attempts.push_back(std::move(record));
  TellChanges(running, running.ticket.taken());
  context_.observer.AttemptStarted(params_.info, RecordOf(running));

  running.attempt = std::make_unique<Attempt>(context_.loop, inbox_, *upstream.format, *params_.request,
                                              LimitsOf(start.route, upstream, params_.info.streaming, context_.random));
  if (running.attempt->Start(context_.transport, std::move(start.request))) Connected(running);
  return running;
}

RunningAttempt& RunningAttempts::Of(const Attempt* attempt) {
  return **std::find_if(running_.begin(), running_.end(),
                        [&](const auto& running) { return running->attempt.get() == attempt; });
}

void RunningAttempts::Connected(RunningAttempt& running) {
  running.connected = true;
  running.ticket.Connected();
}

void RunningAttempts::FirstContent(RunningAttempt& running) {
  const Duration time = Now() - RecordOf(running).started;
  running.route->state->FirstContent(time, Now());
  TellChanges(running, running.ticket.Answers(time, Now(), context_.random));
}

void RunningAttempts::End(RunningAttempt& running, AttemptOutcome outcome, FailureKind failure,
                          std::string_view message) {
  const auto place = std::find_if(running_.begin(), running_.end(),
                                  [&](const auto& each) { return each.get() == &running; });
  const std::unique_ptr<RunningAttempt> over = std::move(*place);
  running_.erase(place);
  TellRecord(*over, outcome, failure, message);
  TellStates(*over);
  context_.observer.AttemptEnded(params_.info, RecordOf(*over));
  if (outcome == AttemptOutcome::kOk && over->attempt->exchange_open()) {
    context_.lingerer->Adopt(std::move(over->attempt));
  }
}

void RunningAttempts::TellRecord(RunningAttempt& running, AttemptOutcome outcome, FailureKind failure,
                                 std::string_view message) {
  AttemptRecord& record = RecordOf(running);
  const Attempt& attempt = *running.attempt;
  record.outcome = outcome;
  record.failure = failure;
  record.message = OneLine(message, kMaxAttemptMessage);
  HideSecret(running.plan.upstream().credentials[running.plan.credential].secret, record.message);
  record.http_status = attempt.http_status();
  record.retry_after = attempt.failure().retry_after;
  record.duration = Now() - record.started;
  record.usage = attempt.usage();
  if (const auto first = attempt.first_content()) record.time_to_first_token = *first - record.started;
  const bool told = record.usage.input_tokens || record.usage.output_tokens || record.usage.total_tokens;
  const bool paid = running.connected && (WasCutOff(record) || record.outcome == AttemptOutcome::kOk);
  const UsageCounts cost = told || !paid ? record.usage : EstimatedUsage(running);
  running.used_tokens = UsedTokens(cost);
  used_tokens_ += running.used_tokens;
  // What an upstream left out of a whole answer is not for us to make up.
  if (WasCutOff(record)) record.usage = cost;
}

void RunningAttempts::TellStates(RunningAttempt& running) {
  const AttemptRecord& record = RecordOf(running);
  RouteState& route = *running.route->state;
  const std::string& upstream = running.plan.upstream().name;
  if (record.outcome == AttemptOutcome::kOk) {
    route.AttemptSucceeded(upstream, Now());
    running.plan.cooldown().Succeeded();
  } else if (record.outcome == AttemptOutcome::kFailed) {
    const FailedAttempt failed{running.attempt->failure().kind, record.http_status};
    // A rate limit with a time is no sign of an outage: who keeps to it adds
    // nothing to a load that is too high.
    const bool told_when = failed.kind == FailureKind::kRateLimited && record.retry_after;
    const bool retryable = !told_when && ScopeOf(running.route->retry, failed) != RetryScope::kNever;
    route.AttemptFailed(upstream, retryable, Now());
  }
  AttemptResult result;
  result.outcome = OutcomeFor(record);
  const std::string status = record.http_status >= 300 ? std::to_string(record.http_status) : "";
  result.failure = status.empty() ? TraitsOf(record.failure).name : std::string_view(status);
  result.time_to_first_token = record.time_to_first_token;
  // How long a timed-out one waited tells how slow it was, at least.
  if (record.failure == FailureKind::kTimeout && !result.time_to_first_token) {
    result.time_to_first_token = record.duration;
  }
  TellChanges(running, running.ticket.Ended(result, running.used_tokens, Now(), context_.random));
}

void RunningAttempts::TellChanges(const RunningAttempt& running, const Ticket::Learned& learned) {
  const std::string& upstream = running.plan.upstream().name;
  const std::string& endpoint = running.plan.endpoint->name;
  if (const auto& change = learned.endpoint_breaker) {
    context_.observer.BreakerChanged(upstream, endpoint, change->from, change->to);
  }
  if (const auto& change = learned.upstream_breaker) {
    context_.observer.BreakerChanged(upstream, "", change->from, change->to);
  }
  if (learned.ejected) context_.observer.EndpointEjected(upstream, endpoint, *learned.ejected);
}

void RunningAttempts::EndAll(AttemptOutcome outcome, FailureKind failure, std::string_view message) {
  while (!running_.empty()) End(*running_.back(), outcome, failure, message);
}

void RunningAttempts::EndOthers(const RunningAttempt& kept, AttemptOutcome outcome, std::string_view message) {
  for (size_t i = running_.size(); i-- > 0;) {
    if (running_[i].get() != &kept) End(*running_[i], outcome, FailureKind::kNone, message);
  }
}

}  // namespace sluice
