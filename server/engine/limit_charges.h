// The rate limits of routes and tenants that one call has passed: all of a
// route's or none, settled by the real usage when the call is over. Loop thread.
#ifndef SLUICE_SERVER_ENGINE_LIMIT_CHARGES_H_
#define SLUICE_SERVER_ENGINE_LIMIT_CHARGES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/engine/call_observer.h"
#include "server/engine/route_table.h"

namespace sluice {

class LimitCharges {
 public:
  // Nothing: the call has passed every limit of the route that is the route's or
  // the tenant's, once, however often it is asked. Else which one asks it to
  // wait for longest, and whether one of the tenant's refuses; nothing is taken
  // then. The routes must outlive the charges.
  std::optional<LimitRefusal> Pass(const RouteConfig& route, std::string_view tenant, uint64_t tokens,
                                   TimePoint now);
  // Pass would take nothing from this route's limits any more.
  bool HasPassed(const RouteConfig& route) const;
  // The call is over. `used`: tokens of all its attempts, where known; of a call
  // that made no attempt give everything back.
  void Settle(std::optional<uint64_t> used, TimePoint now);
  void GiveBack(TimePoint now);

 private:
  struct Charge {
    RateLimitState* state;
    std::string key;
    uint64_t tokens;
  };

  std::vector<const RouteConfig*> passed_;
  std::vector<Charge> charges_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_LIMIT_CHARGES_H_
