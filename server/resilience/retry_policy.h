// What a route says about retries, compiled from sluice.v1.RetryPolicy.
#ifndef SLUICE_SERVER_RESILIENCE_RETRY_POLICY_H_
#define SLUICE_SERVER_RESILIENCE_RETRY_POLICY_H_

#include <optional>
#include <set>

#include "server/resilience/adaptive_retry.h"
#include "server/resilience/backoff.h"
#include "server/resilience/failure.h"
#include "server/resilience/retry_budget.h"

namespace sluice {

// What happens when no attempt is left. kFallback: without one, the error.
enum class Exhaustion { kError, kFallback, kQueue };

struct RetryPolicy {
  int max_attempts = 3;  // 1..10, the first included, over the whole call
  BackoffPolicy backoff;
  // Empty: every kind whose traits allow a retry.
  std::set<FailureKind> retry_on;
  // HTTP statuses beside the kinds.
  std::set<int> retry_on_status;
  bool backoff_before_failover = false;
  Exhaustion on_exhaustion = Exhaustion::kFallback;
  bool transient = false;  // progress starts the count and the backoff anew
  RetryBudgetConfig budget;
  std::optional<AdaptiveRetryConfig> adaptive;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_RETRY_POLICY_H_
