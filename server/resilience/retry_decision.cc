#include "server/resilience/retry_decision.h"

#include <algorithm>

namespace sluice {
namespace {

using Verdict = RetryDecision::Verdict;

// Statuses that say that the request itself is wrong; no policy may repeat it.
bool SaysCallerIsWrong(int status) { return status == 400 || status == 413 || status == 422; }

}  // namespace

RetryScope ScopeOf(const RetryPolicy& policy, const FailedAttempt& failed) {
  if (failed.context_exceeded) return RetryScope::kOtherPlace;
  const RetryScope scope = TraitsOf(failed.kind).retry;
  if (policy.retry_on_status.contains(failed.http_status) && !SaysCallerIsWrong(failed.http_status)) {
    // An unusual 4xx ("409 busy") is the caller's fault by its number only: the
    // operator knows better.
    if (scope != RetryScope::kNever) return scope;
    if (failed.kind == FailureKind::kCaller) return RetryScope::kAnywhere;
  }
  // Nothing was sent, so going elsewhere repeats nothing: not for the policy to
  // forbid.
  if (failed.kind == FailureKind::kShed) return scope;
  if (!policy.retry_on.empty() && !policy.retry_on.contains(failed.kind)) return RetryScope::kNever;
  return scope;
}

RetryDecision DecideRetry(const RetryPolicy& policy, int attempts, int max_attempts, const FailedAttempt& failed,
                          const EndpointsLeft& left, TimePoint now, TimePoint deadline, Backoff& backoff,
                          Random& random) {
  if (ScopeOf(policy, failed) == RetryScope::kNever) return {.verdict = Verdict::kNotRetryable};
  if (attempts >= max_attempts) return {.verdict = Verdict::kAttemptsExhausted};
  if (left.soonest == absl::InfiniteFuture()) return {.verdict = Verdict::kNoEndpoint};

  // A first visit repeats nothing, so it need not wait.
  const bool at_once = left.untried && !policy.backoff_before_failover;
  const Duration delay = at_once ? absl::ZeroDuration() : backoff.Next(random);
  if (left.soonest > now + delay) return {.verdict = Verdict::kAllCooling, .cooldown = left.soonest - now};
  if (now + delay >= deadline) return {.verdict = Verdict::kPastDeadline, .delay = delay};
  return {.verdict = Verdict::kRetry, .delay = delay};
}

}  // namespace sluice
