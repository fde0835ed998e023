#include "server/command/table_breakers.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

namespace sluice {
namespace {

using UpstreamPtr = std::shared_ptr<const UpstreamConfig>;

UpstreamPtr FindUpstream(const RouteTable* table, const std::string& name) {
  if (table == nullptr) return nullptr;
  for (const UpstreamPtr& upstream : table->upstreams()) {
    if (upstream->name == name) return upstream;
  }
  return nullptr;
}

const EndpointConfig* FindEndpoint(const UpstreamConfig& upstream, const std::string& name) {
  for (const EndpointConfig& endpoint : upstream.endpoints) {
    if (endpoint.name == name) return &endpoint;
  }
  return nullptr;
}

// Nothing where no credential rests.
std::optional<EndpointHold> CoolingOf(const EndpointConfig& endpoint, TimePoint now) {
  EndpointHold hold{.cause = EndpointHold::Cause::kCooling, .credentials = static_cast<int>(endpoint.cooldowns.size())};
  for (const auto& cooldown : endpoint.cooldowns) {
    const TimePoint until = cooldown->until();
    if (until <= now) continue;
    ++hold.resting;
    hold.until = std::min(hold.until, until);
  }
  return hold.resting > 0 ? std::optional(hold) : std::nullopt;
}

// Of the upstream as a whole; nothing where its breaker lets the next call
// through.
std::optional<EndpointHold> OpenUpstream(const BreakerFigures& breaker, TimePoint now) {
  if (breaker.state == BreakerState::kForcedOpen) return EndpointHold{EndpointHold::Cause::kUpstreamOpen};
  if (breaker.state != BreakerState::kOpen || breaker.open_until <= now) return std::nullopt;
  return EndpointHold{EndpointHold::Cause::kUpstreamOpen, breaker.open_until};
}

std::vector<EndpointHold> HoldsOf(const EndpointConfig& endpoint, const std::optional<EndpointHold>& of_upstream,
                                  TimePoint now) {
  using Cause = EndpointHold::Cause;
  std::vector<EndpointHold> holds;
  const EndpointView view = endpoint.state->View(now);
  if (!endpoint.active || endpoint.weight == 0) holds.push_back({Cause::kInactive});
  if (!view.healthy) holds.push_back({Cause::kUnhealthy});
  if (view.ejected_until > now) holds.push_back({Cause::kEjected, view.ejected_until});
  if (of_upstream) holds.push_back(*of_upstream);
  if (const auto cooling = CoolingOf(endpoint, now)) holds.push_back(*cooling);
  return holds;
}

void AddUpstream(const UpstreamConfig& upstream, TimePoint now, std::vector<BreakerView>& all) {
  std::optional<EndpointHold> held;
  if (auto figures = upstream.state->breaker_figures(now); figures.has_value() && upstream.overall_breaker.has_value()) {
    held = OpenUpstream(*figures, now);
    all.push_back({.name = {upstream.name, ""}, .figures = *std::move(figures), .config = *upstream.overall_breaker});
  }
  for (const EndpointConfig& endpoint : upstream.endpoints) {
    all.push_back({.name = {upstream.name, endpoint.name},
                   .figures = endpoint.state->breaker_figures(now),
                   .config = upstream.breaker,
                   .in_flight = endpoint.state->in_flight(),
                   .holds = HoldsOf(endpoint, held, now)});
  }
}

}  // namespace

std::vector<BreakerView> TableBreakers::List(TimePoint now) const {
  std::vector<BreakerView> all;
  const std::shared_ptr<const RouteTable> table = tables_();
  if (table == nullptr) return all;
  for (const UpstreamPtr& upstream : table->upstreams()) AddUpstream(*upstream, now, all);
  std::stable_sort(all.begin(), all.end(), [](const BreakerView& a, const BreakerView& b) {
    return std::tie(a.name.upstream, a.name.endpoint) < std::tie(b.name.upstream, b.name.endpoint);
  });
  return all;
}

bool TableBreakers::Trip(const BreakerName& name, TimePoint now, Duration lasting, const std::string& reason) {
  const UpstreamPtr upstream = FindUpstream(tables_().get(), name.upstream);
  if (upstream == nullptr) return false;
  if (name.endpoint.empty()) return upstream->state->TripBreaker(now, lasting, reason);
  const EndpointConfig* endpoint = FindEndpoint(*upstream, name.endpoint);
  return endpoint != nullptr && endpoint->state->TripBreaker(now, lasting, reason);
}

std::optional<EndpointHold> TableBreakers::Reset(const BreakerName& name, TimePoint now) {
  const UpstreamPtr upstream = FindUpstream(tables_().get(), name.upstream);
  if (upstream == nullptr) return std::nullopt;
  if (name.endpoint.empty()) {
    upstream->state->ResetBreaker(now);
    return std::nullopt;
  }
  const EndpointConfig* endpoint = FindEndpoint(*upstream, name.endpoint);
  if (endpoint == nullptr) return std::nullopt;
  endpoint->state->ResetBreaker(now);
  std::optional<EndpointHold> ended = CoolingOf(*endpoint, now);
  for (const auto& cooldown : endpoint->cooldowns) {
    if (ended && cooldown->until() > ended->until) ended->until = cooldown->until();
    cooldown->Lift();
  }
  return ended;
}

void TableBreakers::WakeWaiters(const std::string& upstream) {
  const std::shared_ptr<const RouteTable> table = tables_();
  if (table == nullptr) return;
  const auto goes_there = [&](const TargetConfig& target) { return target.upstream->name == upstream; };
  for (const auto& route : table->routes()) {
    for (const RouteConfig* each = route.get(); each != nullptr;
         each = each->fallback ? each->fallback->route.get() : nullptr) {
      if (std::any_of(each->targets.begin(), each->targets.end(), goes_there)) each->state->queue().PokeAll();
    }
  }
}

}  // namespace sluice
