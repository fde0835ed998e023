#include "server/engine/learners.h"

#include <string>
#include <utility>

#include "server/engine/call.h"
#include "server/resilience/retry_decision.h"

namespace sluice {
namespace {

CircuitBreaker::Outcome OutcomeFor(const AttemptRecord& attempt) {
  if (attempt.outcome == AttemptOutcome::kOk) return CircuitBreaker::Outcome::kSuccess;
  const bool counts = attempt.outcome == AttemptOutcome::kFailed && TraitsOf(attempt.failure).counts_for_breaker;
  return counts ? CircuitBreaker::Outcome::kFailure : CircuitBreaker::Outcome::kIgnored;
}

// Ended by somebody who did not wait for what would have come.
bool WasEnded(const AttemptRecord& attempt) {
  return attempt.outcome == AttemptOutcome::kCancelled || attempt.outcome == AttemptOutcome::kAbandoned;
}

}  // namespace

Learners::Learners(const EngineContext& context, const RouteConfig& route, const Plan& plan, Ticket ticket)
    : route_(&route), plan_(plan), ticket_(std::move(ticket)) {
  TellChanges(context, ticket_.taken());
}

void Learners::Answered(const EngineContext& context, Duration time_to_first_token) {
  const TimePoint now = context.loop.Now();
  success_ = route_->state->AttemptSucceeded(plan_.upstream().name, time_to_first_token, now);
  plan_.cooldown().Succeeded();
  TellChanges(context, ticket_.Answers(time_to_first_token, now, context.random));
}

void Learners::Ended(const EngineContext& context, const AttemptRecord& record, FailureKind told,
                     uint64_t used_tokens) {
  const TimePoint now = context.loop.Now();
  TellRoute(record, told, now);
  AttemptResult result;
  result.outcome = OutcomeFor(record);
  const std::string status = record.http_status >= 300 ? std::to_string(record.http_status) : "";
  result.failure = status.empty() ? TraitsOf(record.failure).name : std::string_view(status);
  result.time_to_first_token = record.time_to_first_token;
  // How long a timed-out one waited tells how slow it was, at least.
  if (record.failure == FailureKind::kTimeout && !result.time_to_first_token) {
    result.time_to_first_token = record.duration;
  }
  if (WasEnded(record) && !answered()) result.silent_for = record.duration;
  TellChanges(context, ticket_.Ended(result, used_tokens, now, context.random));
}

void Learners::TellRoute(const AttemptRecord& record, FailureKind told, TimePoint now) {
  RouteState& route = *route_->state;
  const std::string& upstream = plan_.upstream().name;
  if (record.outcome == AttemptOutcome::kFailed) {
    if (answered()) route.TakeBack(upstream, success_);
    const FailedAttempt failed{told, record.http_status};
    // A rate limit with a time is no sign of an outage: who keeps to it adds
    // nothing to a load that is too high.
    const bool told_when = told == FailureKind::kRateLimited && record.retry_after;
    const bool retryable = !told_when && ScopeOf(route_->retry, failed) != RetryScope::kNever;
    route.AttemptFailed(upstream, retryable, now);
  } else if (answered()) {
    return;
  } else if (record.outcome == AttemptOutcome::kOk) {
    route.AttemptSucceeded(upstream, std::nullopt, now);
    plan_.cooldown().Succeeded();
  } else {
    route.EndedInSilence(record.duration, now);
  }
}

void Learners::TellChanges(const EngineContext& context, const Ticket::Learned& learned) const {
  const std::string& upstream = plan_.upstream().name;
  const std::string& endpoint = plan_.endpoint->name;
  if (const auto& change = learned.endpoint_breaker) {
    context.observer.BreakerChanged(upstream, endpoint, change->from, change->to);
  }
  if (const auto& change = learned.upstream_breaker) {
    context.observer.BreakerChanged(upstream, "", change->from, change->to);
  }
  if (learned.ejected) context.observer.EndpointEjected(upstream, endpoint, *learned.ejected);
}

}  // namespace sluice
