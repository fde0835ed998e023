// Policies by chance: a few routes over shared upstreams, with every mechanism
// on or off. What exists is decided once; the figures change with each revision,
// and endpoints come and go.
#ifndef SLUICE_TESTS_SIM_RANDOM_POLICIES_H_
#define SLUICE_TESTS_SIM_RANDOM_POLICIES_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/codec/wire_format.h"
#include "server/engine/route_table.h"
#include "tests/sim/dice.h"

namespace sluice {

class RandomPolicies {
 public:
  RandomPolicies(uint64_t seed, const WireFormat& format);

  // Another revision; its states are those of the ones before.
  std::shared_ptr<const RouteTable> Next();
  // "u0/1", all that any revision may name.
  const std::vector<std::string>& places() const { return places_; }
  int revision() const { return revision_; }

 private:
  struct RouteTraits {
    bool queue, never_waits, hedge, p95, restart, at_exhaustion_queue, backoff_first, adaptive;
    int window_ms;
    int fallback;  // 0 none, 1 static, 2 target, 3 the next route
    std::vector<int> limits;
  };
  struct UpstreamTraits {
    int endpoints, credentials;
    bool overall_breaker, limits, adaptive_limit, outlier, throttle;
    BreakerMode mode;
    BalanceConfig::Kind balance;
  };

  UpstreamTraits MakeUpstreamTraits();
  RouteTraits MakeRouteTraits(int limits);
  CircuitBreakerConfig MakeBreaker(BreakerMode mode);
  std::shared_ptr<const UpstreamConfig> MakeUpstream(int number);
  EndpointConfig MakeEndpoint(const std::string& upstream, int number, int credentials);
  ConcurrencyConfig MakeLimits(bool adaptive);
  RateLimitUse MakeRateLimit(int number);
  RetryPolicy MakeRetry(const RouteTraits& traits);
  std::shared_ptr<const RouteConfig> MakeRoute(int number, std::shared_ptr<const RouteConfig> next);
  std::shared_ptr<const FallbackConfig> MakeFallback(const RouteConfig& route, int kind,
                                                     std::shared_ptr<const RouteConfig> next);
  TargetConfig MakeTarget(int upstream);
  // The one of this name, made at its first use: it survives revisions.
  template <typename State>
  std::shared_ptr<State> Kept(std::map<std::string, std::shared_ptr<State>>& states, const std::string& name);

  Dice dice_;
  const WireFormat& format_;
  int revision_ = 0;
  std::vector<UpstreamTraits> upstream_traits_;
  std::vector<RouteTraits> route_traits_;
  std::vector<RateLimitUse> rate_limits_;  // of this revision
  std::vector<std::string> places_;
  std::vector<std::shared_ptr<const UpstreamConfig>> upstreams_;  // of this revision
  std::map<std::string, std::shared_ptr<UpstreamState>> upstream_states_;
  std::map<std::string, std::shared_ptr<EndpointState>> endpoint_states_;
  std::map<std::string, std::shared_ptr<Cooldown>> cooldowns_;
  std::map<std::string, std::shared_ptr<RouteState>> route_states_;
  std::map<std::string, std::shared_ptr<RateLimitState>> limit_states_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_SIM_RANDOM_POLICIES_H_
