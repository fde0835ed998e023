#include "server/command/table_breakers.h"

#include <algorithm>
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

void AddUpstream(const UpstreamConfig& upstream, TimePoint now, std::vector<BreakerView>& all) {
  if (auto figures = upstream.state->breaker_figures(now); figures.has_value() && upstream.overall_breaker.has_value()) {
    all.push_back({.name = {upstream.name, ""}, .figures = *std::move(figures), .config = *upstream.overall_breaker});
  }
  for (const EndpointConfig& endpoint : upstream.endpoints) {
    all.push_back({.name = {upstream.name, endpoint.name},
                   .figures = endpoint.state->breaker_figures(now),
                   .config = upstream.breaker,
                   .in_flight = endpoint.state->in_flight(),
                   .active = endpoint.active});
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

void TableBreakers::Reset(const BreakerName& name, TimePoint now) {
  const UpstreamPtr upstream = FindUpstream(tables_().get(), name.upstream);
  if (upstream == nullptr) return;
  if (name.endpoint.empty()) {
    upstream->state->ResetBreaker(now);
    return;
  }
  const EndpointConfig* endpoint = FindEndpoint(*upstream, name.endpoint);
  if (endpoint != nullptr) endpoint->state->ResetBreaker(now);
}

}  // namespace sluice
