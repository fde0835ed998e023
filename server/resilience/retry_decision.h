// After a failure: again, when, or not. Pure: what is left to try, time and
// randomness are arguments. Called by the engine once a failed attempt.
#ifndef SLUICE_SERVER_RESILIENCE_RETRY_DECISION_H_
#define SLUICE_SERVER_RESILIENCE_RETRY_DECISION_H_

#include <string_view>

#include "server/resilience/backoff.h"
#include "server/resilience/failure.h"
#include "server/resilience/random.h"
#include "server/resilience/retry_policy.h"
#include "server/resilience/time.h"

namespace sluice {

// How an attempt failed, as far as the decision needs it.
struct FailedAttempt {
  FailureKind kind = FailureKind::kNone;
  int http_status = 0;
  // The prompt was too long there; a target with a larger context may take it.
  bool context_exceeded = false;
};

// Where a call may still go: endpoints that take calls and that no failure of
// this call has ruled out.
struct EndpointsLeft {
  // One that this call has not tried is free of cooldown.
  bool untried = false;
  // When the first of all of them is free of cooldown (in the past: now);
  // InfiniteFuture if there are none.
  TimePoint soonest = absl::InfiniteFuture();
  // The first time to come at which a cooldown, an ejection or a breaker's open
  // time ends and nothing else is in the way; InfiniteFuture: none is known.
  TimePoint known = absl::InfiniteFuture();
  // A half-open breaker has given out its permits: the answers of its probes come
  // at no known time.
  bool probing = false;
  // Why not before: the upstream asked for rest, it is held to be down (breaker
  // open, ejected), or a rate limit of ours for it is used up.
  enum class Hold { kRest, kDown, kLimit };
  Hold hold = Hold::kRest;
  // Something would take an attempt but for a limit on what is under way there.
  bool crowded = false;
  // With kLimit, or crowded: whose limit and which. Valid as long as the policy.
  std::string_view upstream;
  std::string_view limit;
};

struct RetryDecision {
  enum class Verdict {
    kRetry,
    kNotRetryable,       // this kind of failure is not to be tried again
    kAttemptsExhausted,  // as many as allowed were made
    kNoBudget,           // the retry budget allows no repeat
    kNoEndpoint,         // nowhere is left to go
    kAllCooling,         // every endpoint asked for rest: see cooldown
    kPastDeadline,       // the wait would not leave time
  };

  Verdict verdict = Verdict::kNotRetryable;
  Duration delay = absl::ZeroDuration();     // kRetry: wait this long first
  Duration cooldown = absl::ZeroDuration();  // kAllCooling: until the first endpoint is free

  bool retry() const { return verdict == Verdict::kRetry; }
};

// Where a retry of this failure may go, by the traits of its kind and by the
// policy's choice of kinds and statuses. A caller's own error is kNever
// whatever the policy says.
RetryScope ScopeOf(const RetryPolicy& policy, const FailedAttempt& failed);

// `attempts` of at most `max_attempts` were made so far. Draws from `backoff` only
// if there is something to wait for. An endpoint under cooldown is not waited
// for unless its time is over by the end of the backoff.
RetryDecision DecideRetry(const RetryPolicy& policy, int attempts, int max_attempts, const FailedAttempt& failed,
                          const EndpointsLeft& left, TimePoint now, TimePoint deadline, Backoff& backoff,
                          Random& random);

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_RETRY_DECISION_H_
