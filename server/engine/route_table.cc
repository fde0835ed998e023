#include "server/engine/route_table.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/string_view.h"

namespace sluice {
namespace {

// More metadata conditions, then a tenant, then an exact model, then the name.
bool MoreSpecific(const RouteConfig& a, const RouteConfig& b) {
  const auto rank = [](const RouteConfig& route) {
    return std::make_tuple(-static_cast<int>(route.metadata.size()), route.tenant.empty(), route.model == "*",
                           std::string_view(route.name));
  };
  return rank(a) < rank(b);
}

bool ConditionsHold(const RouteConfig& route, std::string_view tenant, MetadataLookup metadata) {
  if (!route.tenant.empty() && route.tenant != tenant) return false;
  return std::all_of(route.metadata.begin(), route.metadata.end(),
                     [&](const auto& condition) { return metadata(condition.first) == condition.second; });
}

void ConfigureUpstream(const UpstreamConfig& upstream, TimePoint now) {
  upstream.state->Configure({upstream.overall_breaker, upstream.limits, upstream.throttle, upstream.dialect}, now);
  for (const EndpointConfig& endpoint : upstream.endpoints) {
    endpoint.state->Configure(upstream.breaker, endpoint.active, now);
  }
}

void ConfigureRoute(const RouteConfig& route, TimePoint now) {
  for (const RateLimitUse& use : route.rate_limits) use.state->Configure(use.config, use.max_keys, now);
  RoutePolicy policy;
  policy.budget = route.retry.budget;
  if (route.hedge) policy.max_hedge_percent = route.hedge->max_percent;
  policy.hedges_at_p95 = route.hedge && !route.hedge->delay;
  policy.adaptive = route.retry.adaptive;
  const QueueConfig waiting = route.waiting();
  policy.queue = {waiting.max_length, waiting.window, waiting.max_bytes};
  route.state->Configure(policy);
  // Who waits for times only need not hear of room.
  if (!route.queue) return;
  for (const TargetConfig& target : route.targets) target.upstream->state->AddWaiter(route.state->queue_ref());
}

}  // namespace

RouteTable::RouteTable(std::string epoch, uint64_t revision, std::vector<std::shared_ptr<const RouteConfig>> routes,
                       std::vector<std::shared_ptr<const UpstreamConfig>> upstreams)
    : epoch_(std::move(epoch)), revision_(revision), routes_(std::move(routes)), upstreams_(std::move(upstreams)) {
  std::sort(routes_.begin(), routes_.end(), [](const auto& a, const auto& b) { return MoreSpecific(*a, *b); });
  for (const auto& route : routes_) by_model_[route->model].push_back(&route);
}

std::shared_ptr<const RouteConfig> RouteTable::Match(std::string_view model, std::string_view tenant,
                                                     MetadataLookup metadata) const {
  std::shared_ptr<const RouteConfig> best;
  for (std::string_view key : {model, std::string_view("*")}) {
    const auto found = by_model_.find(absl::string_view(key.data(), key.size()));
    if (found == by_model_.end()) continue;
    for (const auto* route : found->second) {
      if (best && !MoreSpecific(**route, *best)) break;
      if (!ConditionsHold(**route, tenant, metadata)) continue;
      best = *route;
      break;
    }
  }
  return best;
}

std::shared_ptr<const RouteConfig> RouteTable::Find(std::string_view route) const {
  const auto found = std::find_if(routes_.begin(), routes_.end(), [&](const auto& r) { return r->name == route; });
  return found == routes_.end() ? nullptr : *found;
}

void RouteTable::ConfigureStates(TimePoint now) const {
  for (const auto& upstream : upstreams_) ConfigureUpstream(*upstream, now);
  for (const auto& route : routes_) {
    for (const RouteConfig* each = route.get(); each != nullptr;
         each = each->fallback ? each->fallback->route.get() : nullptr) {
      ConfigureRoute(*each, now);
    }
  }
}

}  // namespace sluice
