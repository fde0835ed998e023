// What a data plane learns about a route while it runs: retry budgets towards
// each upstream, the share of hedges, how fast and how well it answers, and who
// waits in its queue. Shared by every loop and by successive revisions.
#ifndef SLUICE_SERVER_ENGINE_ROUTE_STATE_H_
#define SLUICE_SERVER_ENGINE_ROUTE_STATE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/engine/route_queue.h"
#include "server/resilience/adaptive_retry.h"
#include "server/resilience/hedge_budget.h"
#include "server/resilience/latency_quantiles.h"
#include "server/resilience/retry_budget.h"
#include "server/resilience/time.h"

namespace sluice {

struct RoutePolicy {
  RetryBudgetConfig budget;
  double max_hedge_percent = 0;  // 0: no hedges
  bool hedges_at_p95 = false;
  std::optional<AdaptiveRetryConfig> adaptive;
  QueueLimits queue;
};

struct RouteBudgetFigures {
  std::string upstream;
  RetryBudgetFigures budget;
};

struct RouteFigures {
  std::vector<RouteBudgetFigures> budgets;
  uint64_t hedges = 0;
  uint64_t hedges_refused = 0;
  QueueFigures queue;
};

// Thread-safe.
class RouteState {
 public:
  RouteState();

  void Configure(const RoutePolicy& policy);

  void CallStarted();

  // A call has this upstream as its destination, waiting included: what the
  // share of retries is taken of. Use CallPresence.
  void CallAt(std::string_view upstream);
  void CallLeft(std::string_view upstream);

  enum class Charge { kAllowed, kNoTokens, kTooMany };
  // A repeat or hedge is scheduled. Use RetryCharge.
  Charge TryChargeRetry(std::string_view upstream);
  void ReleaseRetry(std::string_view upstream);

  bool TryHedge();
  void GiveHedgeBack();

  // `retryable`: how it failed, a retry could mend.
  void AttemptFailed(std::string_view upstream, bool retryable, TimePoint now);
  // With its first content, or whole without any. `credit`: what the budget was
  // given for it, to be taken back if it is cut after all.
  struct Success {
    TimePoint at;
    int64_t credit = 0;
  };
  Success AttemptSucceeded(std::string_view upstream, std::optional<Duration> time_to_first_token, TimePoint now);
  void TakeBack(std::string_view upstream, const Success& success);
  // Nobody waited for it any longer, so long after it began.
  void EndedInSilence(Duration after, TimePoint now);

  // What the policy's max_attempts comes to now.
  int MaxAttempts(int configured, double load, TimePoint now) const;
  std::optional<Duration> TimeToFirstTokenP95(TimePoint now) const;

  RouteQueue& queue() { return *queue_; }
  std::weak_ptr<RouteQueue> queue_ref() const { return queue_; }

  RouteFigures figures(TimePoint now) const;

 private:
  RetryBudget& BudgetOf(std::string_view upstream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // What adaptive retry looks at; only where the route asks for it.
  struct Adaptive {
    explicit Adaptive(const AdaptiveRetryConfig& c) : config(c), latency(c.window), outcomes(c.window) {}
    AdaptiveRetryConfig config;
    LatencyQuantiles latency;
    OutcomeWindow outcomes;
  };

  const std::shared_ptr<RouteQueue> queue_ = std::make_shared<RouteQueue>();
  mutable std::mutex mutex_;
  RetryBudgetConfig budget_config_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, RetryBudget, std::less<>> budgets_ ABSL_GUARDED_BY(mutex_);
  HedgeBudget hedges_ ABSL_GUARDED_BY(mutex_);
  std::optional<LatencyQuantiles> latency_ ABSL_GUARDED_BY(mutex_);  // for hedges at p95
  std::optional<Adaptive> adaptive_ ABSL_GUARDED_BY(mutex_);
};

// Counts a call at one upstream at a time, for as long as it lives.
class CallPresence {
 public:
  CallPresence() = default;
  CallPresence(const CallPresence&) = delete;
  CallPresence& operator=(const CallPresence&) = delete;
  ~CallPresence() { Leave(); }
  // Both outlive the presence.
  void MoveTo(RouteState& route, const std::string& upstream);
  void Leave();

 private:
  RouteState* route_ = nullptr;
  const std::string* upstream_ = nullptr;
};

// A retry that the budget allowed, from its scheduling to its end.
class RetryCharge {
 public:
  RetryCharge() = default;
  // Both outlive the charge.
  RetryCharge(RouteState& route, const std::string& upstream) : route_(&route), upstream_(&upstream) {}
  RetryCharge(RetryCharge&& other) noexcept { *this = std::move(other); }
  RetryCharge& operator=(RetryCharge&& other) noexcept {
    std::swap(route_, other.route_);
    std::swap(upstream_, other.upstream_);
    return *this;
  }
  ~RetryCharge() { Release(); }
  void Release();
  bool held() const { return route_ != nullptr; }
  bool IsFor(std::string_view upstream) const { return held() && *upstream_ == upstream; }

 private:
  RouteState* route_ = nullptr;
  const std::string* upstream_ = nullptr;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_ROUTE_STATE_H_
