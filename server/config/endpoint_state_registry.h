// Keeps what was learned about an endpoint over revisions: a new revision that
// still has the endpoint gets the same EndpointState.
#ifndef SLUICE_SERVER_CONFIG_ENDPOINT_STATE_REGISTRY_H_
#define SLUICE_SERVER_CONFIG_ENDPOINT_STATE_REGISTRY_H_

#include <cstddef>
#include <memory>
#include <string>
#include <tuple>

#include "absl/container/flat_hash_map.h"
#include "server/engine/endpoint_state.h"

namespace sluice {

// What makes an endpoint the same one. Another credential is another account,
// with limits of its own; it is known by name, never by the secret.
struct EndpointIdentity {
  std::string upstream;
  std::string endpoint;
  std::string url;
  std::string credential;

  bool operator==(const EndpointIdentity&) const = default;
  template <typename H>
  friend H AbslHashValue(H h, const EndpointIdentity& id) {
    return H::combine(std::move(h), id.upstream, id.endpoint, id.url, id.credential);
  }
};

// Config worker only; the states themselves are thread-safe.
class EndpointStateRegistry {
 public:
  std::shared_ptr<EndpointState> Get(const EndpointIdentity& identity) {
    std::weak_ptr<EndpointState>& entry = states_[identity];
    auto state = entry.lock();
    if (state == nullptr) {
      state = std::make_shared<EndpointState>();
      entry = state;
    }
    return state;
  }

  // Forgets endpoints that no table and no call holds any more; after each
  // revision, so that names do not pile up.
  void Purge() {
    absl::erase_if(states_, [](const auto& entry) { return entry.second.expired(); });
  }
  size_t size() const { return states_.size(); }

 private:
  absl::flat_hash_map<EndpointIdentity, std::weak_ptr<EndpointState>> states_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_ENDPOINT_STATE_REGISTRY_H_
