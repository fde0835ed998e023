// The circuit breakers of a data plane as an operator meets them: by name, all
// of the policies in force. What the commands need of the engine, and no more.
#ifndef SLUICE_SERVER_COMMAND_BREAKER_REGISTRY_H_
#define SLUICE_SERVER_COMMAND_BREAKER_REGISTRY_H_

#include <optional>
#include <string>
#include <vector>

#include "server/resilience/circuit_breaker.h"
#include "server/resilience/time.h"

namespace sluice {

struct BreakerName {
  std::string upstream;
  std::string endpoint;  // empty: the upstream's as a whole

  bool operator==(const BreakerName&) const = default;
  // "openai/primary", "openai".
  std::string ToString() const { return endpoint.empty() ? upstream : upstream + "/" + endpoint; }
};

// Something beside its own breaker that keeps calls from an endpoint.
struct EndpointHold {
  // The worst first; the same order as in the metric sluice_endpoint_state.
  enum class Cause { kInactive, kUnhealthy, kEjected, kUpstreamOpen, kCooling };
  Cause cause;
  TimePoint until = absl::InfiniteFuture();  // when it ends by itself
  // kCooling: credentials that rest; where others do not, calls go on.
  int resting = 0;
  int credentials = 0;
};

struct BreakerView {
  BreakerName name;
  BreakerFigures figures;
  CircuitBreakerConfig config;
  // Of an endpoint: attempts under way, and why it may get none, the worst
  // first.
  int in_flight = 0;
  std::vector<EndpointHold> holds = {};
};

// Thread-safe.
class BreakerRegistry {
 public:
  virtual ~BreakerRegistry() = default;
  // In order of upstream and endpoint, an upstream's own before its endpoints';
  // that only where it has one.
  virtual std::vector<BreakerView> List(TimePoint now) const = 0;
  // False: it is gone, or its mode keeps it from holding calls back.
  virtual bool Trip(const BreakerName& name, TimePoint now, Duration lasting, const std::string& reason) = 0;
  // Closes the breaker and ends what is cooling there. Tells the rest that it
  // ended: `until` when the last of the credentials would have rested.
  virtual std::optional<EndpointHold> Reset(const BreakerName& name, TimePoint now) = 0;
  // What waits for this upstream looks again.
  virtual void WakeWaiters(const std::string& upstream) = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_COMMAND_BREAKER_REGISTRY_H_
