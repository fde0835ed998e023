// What a route says about retries, compiled from sluice.v1.RetryPolicy.
#ifndef SLUICE_SERVER_RESILIENCE_RETRY_POLICY_H_
#define SLUICE_SERVER_RESILIENCE_RETRY_POLICY_H_

#include <set>

#include "server/resilience/backoff.h"
#include "server/resilience/failure.h"

namespace sluice {

struct RetryPolicy {
  int max_attempts = 3;  // 1..10, the first included, over the whole call
  BackoffPolicy backoff;
  // Empty: every kind whose traits allow a retry.
  std::set<FailureKind> retry_on;
  // HTTP statuses beside the kinds.
  std::set<int> retry_on_status;
  bool backoff_before_failover = false;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_RETRY_POLICY_H_
