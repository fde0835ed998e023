// Keeps what was learned (breakers, cooldowns, budgets, buckets) over
// revisions: a new revision that still has a thing gets the same state of it.
#ifndef SLUICE_SERVER_CONFIG_STATE_REGISTRY_H_
#define SLUICE_SERVER_CONFIG_STATE_REGISTRY_H_

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "server/engine/cooldown.h"
#include "server/engine/endpoint_state.h"
#include "server/engine/rate_limit_state.h"
#include "server/engine/route_state.h"
#include "server/engine/upstream_state.h"

namespace sluice {

// What makes an endpoint the same one.
struct EndpointIdentity {
  std::string upstream;
  std::string endpoint;
  std::string url;

  bool operator==(const EndpointIdentity&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const EndpointIdentity& id) {
    return H::combine(std::move(h), id.upstream, id.endpoint, id.url);
  }
};

// Another credential is another account, with limits of its own, and so may
// another secret of the same name be: what the old one was refused for, also by
// calls that still run with it, is none of the new one's.
struct CooldownIdentity {
  EndpointIdentity endpoint;
  std::string credential;  // by name
  size_t secret_hash;      // never the secret

  bool operator==(const CooldownIdentity&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const CooldownIdentity& id) {
    return H::combine(std::move(h), id.endpoint, id.credential, id.secret_hash);
  }
};

// States of one type. Config worker only; the states themselves are
// thread-safe.
template <typename Identity, typename State>
class KeptStates {
 public:
  // `arguments` make the state where there is none yet.
  template <typename... Arguments>
  std::shared_ptr<State> Get(const Identity& identity, Arguments&&... arguments) {
    std::weak_ptr<State>& entry = states_[identity];
    auto state = entry.lock();
    if (state == nullptr) {
      state = std::make_shared<State>(std::forward<Arguments>(arguments)...);
      entry = state;
    }
    return state;
  }

  // Forgets those that no table and no call holds any more.
  void Purge() {
    absl::erase_if(states_, [](const auto& entry) { return entry.second.expired(); });
  }
  size_t size() const { return states_.size(); }

 private:
  absl::flat_hash_map<Identity, std::weak_ptr<State>> states_;
};

struct StateRegistry {
  KeptStates<EndpointIdentity, EndpointState> endpoints;
  KeptStates<CooldownIdentity, Cooldown> cooldowns;
  KeptStates<std::string, UpstreamState> upstreams;     // by name
  KeptStates<std::string, RouteState> routes;           // by name; see FallbackStateKey
  KeptStates<std::string, RateLimitState> rate_limits;  // by name

  // After each revision, so that names do not pile up.
  void Purge() {
    endpoints.Purge();
    cooldowns.Purge();
    upstreams.Purge();
    routes.Purge();
    rate_limits.Purge();
  }
  size_t size() const {
    return endpoints.size() + cooldowns.size() + upstreams.size() + routes.size() + rate_limits.size();
  }
};

// The budgets of a route's fallback to a target are not those of the route.
// No name of a route has a '/'.
inline std::string FallbackStateKey(const std::string& route) { return route + "/fallback"; }

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_STATE_REGISTRY_H_
