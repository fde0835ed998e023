// The circuit breakers of a data plane as an operator meets them: by name, all
// of the policies in force. What the commands need of the engine, and no more.
#ifndef SLUICE_SERVER_COMMAND_BREAKER_REGISTRY_H_
#define SLUICE_SERVER_COMMAND_BREAKER_REGISTRY_H_

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

struct BreakerView {
  BreakerName name;
  BreakerFigures figures;
  CircuitBreakerConfig config;
  // Of an endpoint: attempts under way, and whether its policy gives it new
  // calls.
  int in_flight = 0;
  bool active = true;
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
  virtual void Reset(const BreakerName& name, TimePoint now) = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_COMMAND_BREAKER_REGISTRY_H_
