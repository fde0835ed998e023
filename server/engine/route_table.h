// The policies in the form that calls use: compiled once per revision, then
// immutable. A call keeps the table it started with; what changes while calls
// run (cooldowns, breakers, budgets) is in the states, which survive revisions.
#ifndef SLUICE_SERVER_ENGINE_ROUTE_TABLE_H_
#define SLUICE_SERVER_ENGINE_ROUTE_TABLE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "server/codec/wire_format.h"
#include "server/engine/cooldown.h"
#include "server/engine/endpoint_state.h"
#include "server/engine/rate_limit_state.h"
#include "server/engine/route_state.h"
#include "server/engine/upstream_state.h"
#include "server/resilience/circuit_breaker.h"
#include "server/resilience/concurrency_limit.h"
#include "server/resilience/outlier.h"
#include "server/resilience/retry_policy.h"
#include "server/upstream/http_transport.h"

namespace sluice {

namespace v1 {
class Model;
}

// A secret of this data plane, known by the policy's name for it.
struct CredentialConfig {
  std::string name;    // "env:OPENAI_API_KEY"; empty: none is sent
  std::string secret;  // never logged
};

struct EndpointConfig {
  std::string name;  // within its upstream: "api.openai.com:443"
  std::shared_ptr<const HttpEndpoint> http;
  uint32_t weight = 1;
  uint32_t priority = 0;
  bool active = true;  // draining and disabled endpoints take no new calls
  bool same_zone = false;  // stands in the data plane's own zone
  std::shared_ptr<EndpointState> state;
  // One for each of the upstream's credentials, in their order.
  std::vector<std::shared_ptr<Cooldown>> cooldowns;
};

struct SlowStartConfig {
  Duration window = absl::ZeroDuration();
  double min_percent = 10;
};

struct BalanceConfig {
  enum class Kind { kWeighted, kLeastRequest, kPeakEwma, kRingHash };
  Kind kind = Kind::kWeighted;
  uint32_t choices = 2;                 // kLeastRequest
  Duration decay = absl::Seconds(10);   // kPeakEwma
  uint32_t min_ring_size = 1024;        // kRingHash
  double panic_percent = 50;            // 0: never
  std::optional<SlowStartConfig> slow_start;
  bool prefer_same_zone = false;
};

struct HealthCheckConfig {
  std::string path = "/models";
  Duration interval = absl::Seconds(10);
  Duration timeout = absl::Seconds(2);
  int unhealthy_after = 3;
  int healthy_after = 2;
};

class EndpointIndex;

struct UpstreamConfig {
  std::string name;
  const WireFormat* format = nullptr;
  Dialect dialect;
  // At least one, if only the empty one.
  std::vector<CredentialConfig> credentials;
  std::vector<std::pair<std::string, std::string>> headers;
  // Whom its endpoints' certificates are trusted by, and the file that says so;
  // null: the system's.
  std::string ca_file;
  std::shared_ptr<const Authorities> authorities;
  std::vector<EndpointConfig> endpoints;
  BalanceConfig balance;
  CircuitBreakerConfig breaker;  // of each endpoint
  std::optional<CircuitBreakerConfig> overall_breaker;
  std::optional<ConcurrencyConfig> limits;
  std::optional<OutlierConfig> outlier;
  std::optional<HealthCheckConfig> health_check;
  std::optional<ClientThrottleConfig> throttle;
  uint32_t context_tokens = 0;  // 0: not known
  std::shared_ptr<UpstreamState> state;
  // What balancing wants to have at hand; made once the endpoints are there.
  std::shared_ptr<const EndpointIndex> index;
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
  Duration end_grace = absl::Seconds(2);
};

struct StreamBounds {
  size_t max_pending_bytes = 256 << 10;
  size_t max_event_bytes = 1 << 20;
  size_t max_response_bytes = 4 << 20;
  // Of callers that do not say; zero: off.
  Duration coalesce = absl::ZeroDuration();
};

struct HedgeConfig {
  std::optional<Duration> delay;  // not set: the route's p95
  double max_percent = 2;
  int max_hedges = 1;
};

enum class AfterCut { kFail, kRestart };

struct QueueConfig {
  size_t max_length = 1000;  // 0: no call waits
  Duration max_wait = absl::Seconds(5);
  Duration window = absl::ZeroDuration();  // zero: as soon as there is room
  uint64_t max_bytes = 64 << 20;
};

struct AffinityConfig {
  std::string metadata_key;  // or, where empty:
  uint32_t prompt_prefix_bytes = 0;
};

// A RateLimit that a route names; one state, whoever names it.
struct RateLimitUse {
  enum class Scope { kRoute, kTenant, kUpstream };
  std::string name;
  Scope scope = Scope::kRoute;
  RateLimitConfig config;
  size_t max_keys = 10000;  // tenants remembered
  std::shared_ptr<RateLimitState> state;
};

struct RouteConfig;

// Exactly one of route and static_answer.
struct FallbackConfig {
  std::string name;  // empty: written in the route
  std::set<FailureKind> causes;  // empty: all but a caller's own error
  // Another route, or one made of the failed route's policies and the
  // fallback's target. Without a cycle: the validator sees to it.
  std::shared_ptr<const RouteConfig> route;
  std::string static_answer;
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
  std::optional<HedgeConfig> hedge;
  AfterCut after_cut = AfterCut::kFail;
  int max_restarts = 3;
  // As it is written. Not set: calls wait by the defaults of QueueConfig, and for
  // times that are known only.
  std::optional<QueueConfig> queue;
  std::optional<AffinityConfig> affinity;
  std::vector<RateLimitUse> rate_limits;
  std::shared_ptr<const FallbackConfig> fallback;  // may be null
  std::shared_ptr<RouteState> state;
  // What ListModels tells of it but its name; null: nothing.
  std::shared_ptr<const v1::Model> offer;

  QueueConfig waiting() const { return queue.value_or(QueueConfig{}); }
};

// The value of a caller's metadata key; empty if absent.
using MetadataLookup = absl::FunctionRef<std::string_view(std::string_view key)>;

class RouteTable {
 public:
  RouteTable(std::string epoch, uint64_t revision, std::vector<std::shared_ptr<const RouteConfig>> routes,
             std::vector<std::shared_ptr<const UpstreamConfig>> upstreams = {});
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
  // All of them by name, also those that no route names.
  const std::vector<std::shared_ptr<const UpstreamConfig>>& upstreams() const { return upstreams_; }
  // Hands this table's thresholds and limits to the states, which keep what
  // they have learned. Once, when the table is put in force.
  void ConfigureStates(TimePoint now) const;
  const std::string& epoch() const { return epoch_; }
  uint64_t revision() const { return revision_; }

 private:
  std::string epoch_;
  uint64_t revision_;
  std::vector<std::shared_ptr<const RouteConfig>> routes_;
  std::vector<std::shared_ptr<const UpstreamConfig>> upstreams_;
  // By exact model, so that a table of many routes costs a call no more.
  absl::flat_hash_map<std::string, std::vector<const std::shared_ptr<const RouteConfig>*>> by_model_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_ROUTE_TABLE_H_
