// Gauges of where a data plane stands: breakers, endpoints, budgets, queues,
// limits, remembered calls. Asked for at each scrape; thread-safe if the
// callback is.
#ifndef SLUICE_SERVER_TELEMETRY_RESILIENCE_COLLECTOR_H_
#define SLUICE_SERVER_TELEMETRY_RESILIENCE_COLLECTOR_H_

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/resilience/circuit_breaker.h"
#include "server/resilience/time.h"

namespace sluice {

struct BreakerSample {
  std::string upstream;
  std::string endpoint;  // empty: the upstream's as a whole
  BreakerState state = BreakerState::kClosed;
  uint64_t calls = 0;        // in the window
  double failure_ratio = 0;  // of them, 0–1
  uint64_t refused = 0;      // attempts, ever
};

// Whether an endpoint can be given an attempt; where several hold, the first.
enum class EndpointCondition {
  kInactive,     // draining or disabled by policy
  kUnhealthy,    // by its health checks
  kEjected,      // failed too often in a row
  kBreakerOpen,  // its breaker lets nothing through
  kCooling,      // rests with every credential, as it asked to
  kAvailable,
};

struct EndpointSample {
  std::string upstream;
  std::string endpoint;
  EndpointCondition condition = EndpointCondition::kAvailable;
  int in_flight = 0;
};

struct UpstreamSample {
  std::string upstream;
  int in_flight = 0;
  int pending = 0;  // of them, not connected yet
  uint64_t tokens = 0;
  uint32_t limit = 0;      // on in_flight; 0: none
  uint64_t throttled = 0;  // attempts, ever
};

struct BudgetSample {
  std::string route;
  std::string upstream;
  double tokens = 0;
  double max_tokens = 0;
  uint64_t retries = 0;  // scheduled or under way
  uint64_t limit = 0;    // of them
};

struct QueueSample {
  std::string route;
  size_t length = 0;
  Duration oldest;
};

struct RateLimitSample {
  std::string limit;
  uint64_t refused = 0;  // ever
  size_t keys = 0;       // routes, tenants, upstreams with a bucket of their own
  uint64_t evicted = 0;  // keys forgotten for want of room, ever
};

struct IdempotencySample {
  size_t entries = 0;
  size_t bytes = 0;
  uint64_t joined = 0;     // calls that joined a running one
  uint64_t replayed = 0;   // calls answered from a finished one
  uint64_t conflicts = 0;  // calls refused: the key belongs to another request
  uint64_t not_kept = 0;   // calls refused: the answer was too large to be kept
  uint64_t evicted = 0;    // entries forgotten before their time
};

// What the data plane as a whole refuses, to serve what it has taken.
struct LoadSample {
  size_t request_bytes = 0;  // of the requests of all calls under way
  uint64_t shed_by_calls = 0;
  uint64_t shed_by_memory = 0;
  uint64_t shed_by_lag = 0;
};

struct ResilienceFigures {
  std::vector<BreakerSample> breakers;
  std::vector<EndpointSample> endpoints;
  std::vector<UpstreamSample> upstreams;
  std::vector<BudgetSample> budgets;
  std::vector<QueueSample> queues;
  std::vector<RateLimitSample> rate_limits;
  std::optional<IdempotencySample> idempotency;
  std::optional<LoadSample> load;
};

class ResilienceCollector : public prometheus::Collectable {
 public:
  // At most `max_items` of each sort are told apart, the first ones; counts of
  // endpoints by upstream take in all.
  explicit ResilienceCollector(std::function<ResilienceFigures()> figures, size_t max_items = 500)
      : figures_(std::move(figures)), max_items_(max_items) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  std::function<ResilienceFigures()> figures_;
  size_t max_items_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_TELEMETRY_RESILIENCE_COLLECTOR_H_
