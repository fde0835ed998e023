// The policies in the form that calls use: compiled once per revision, then
// immutable. A call keeps the table it started with; what changes while calls
// run (cooldowns, figures) is in EndpointState, which survives revisions.
#ifndef SLUICE_SERVER_ENGINE_ROUTE_TABLE_H_
#define SLUICE_SERVER_ENGINE_ROUTE_TABLE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "server/codec/wire_format.h"
#include "server/engine/endpoint_state.h"
#include "server/resilience/retry_policy.h"
#include "server/upstream/http_transport.h"

namespace sluice {

struct EndpointConfig {
  std::string name;  // within its upstream: "api.openai.com:443"
  std::shared_ptr<const HttpEndpoint> http;
  uint32_t weight = 1;
  uint32_t priority = 0;
  bool active = true;  // draining and disabled endpoints take no new calls
  std::shared_ptr<EndpointState> state;
};

struct UpstreamConfig {
  std::string name;
  const WireFormat* format = nullptr;
  // Resolved on this data plane. Never logged.
  std::string secret;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<EndpointConfig> endpoints;
};

struct TargetConfig {
  std::shared_ptr<const UpstreamConfig> upstream;
  std::string model;  // at the upstream; empty: the caller's
  uint32_t weight = 1;
  uint32_t priority = 0;
};

struct RouteTimeouts {
  Duration connect = absl::Seconds(2);
  Duration first_content = absl::Seconds(30);
  Duration idle = absl::Seconds(60);
  Duration unary_total = absl::Seconds(60);
  Duration overall = absl::Minutes(10);
};

struct StreamBounds {
  size_t max_pending_bytes = 256 << 10;
  size_t max_event_bytes = 1 << 20;
  size_t max_response_bytes = 4 << 20;
};

struct RouteConfig {
  std::string name;
  std::string model;  // "*": every model
  std::map<std::string, std::string> metadata;
  std::string tenant;
  std::vector<TargetConfig> targets;
  RouteTimeouts timeouts;
  RetryPolicy retry;
  StreamBounds stream;
};

// The value of a caller's metadata key; empty if absent.
using MetadataLookup = absl::FunctionRef<std::string_view(std::string_view key)>;

class RouteTable {
 public:
  RouteTable(std::string epoch, uint64_t revision, std::vector<std::shared_ptr<const RouteConfig>> routes);
  // The index points into the table.
  RouteTable(const RouteTable&) = delete;
  RouteTable& operator=(const RouteTable&) = delete;

  // The most specific route that matches (policy.proto, Route), or null.
  std::shared_ptr<const RouteConfig> Match(std::string_view model, std::string_view tenant,
                                           MetadataLookup metadata) const;
  // By name (metadata `sluice-route`), or null.
  std::shared_ptr<const RouteConfig> Find(std::string_view route) const;

  // Ordered from the most to the least specific.
  const std::vector<std::shared_ptr<const RouteConfig>>& routes() const { return routes_; }
  const std::string& epoch() const { return epoch_; }
  uint64_t revision() const { return revision_; }

 private:
  std::string epoch_;
  uint64_t revision_;
  std::vector<std::shared_ptr<const RouteConfig>> routes_;
  // By exact model, so that a table of many routes costs a call no more.
  absl::flat_hash_map<std::string, std::vector<const std::shared_ptr<const RouteConfig>*>> by_model_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_ROUTE_TABLE_H_
