#include "server/telemetry/policy_names.h"

#include "server/upstream/connect_error.h"

namespace sluice {
namespace {

// As the transport names its pools.
std::string OriginOf(const HttpEndpoint& endpoint) {
  return (endpoint.tls ? "https://" : "http://") + HostAndPort(endpoint.host, endpoint.port);
}

bool Holds(const absl::flat_hash_set<std::string>& names, std::string_view name) {
  return names.contains(absl::string_view(name.data(), name.size()));
}

// A fallback's route may have a fallback in turn.
void AddRoute(const RouteConfig& route, absl::flat_hash_set<const RouteConfig*>& seen, PolicyNames& out) {
  if (!seen.insert(&route).second) return;
  out.routes.insert(route.name);
  if (route.model != "*") out.models.insert(route.model);
  for (const TargetConfig& target : route.targets) out.answering_models.insert(target.model);
  if (route.fallback == nullptr) return;
  // As the engine names it.
  out.fallbacks.insert(route.fallback->name.empty() ? route.name : route.fallback->name);
  if (route.fallback->route != nullptr) AddRoute(*route.fallback->route, seen, out);
}

void AddUpstream(const UpstreamConfig& upstream, PolicyNames& out) {
  out.upstreams.insert(upstream.name);
  for (const EndpointConfig& endpoint : upstream.endpoints) {
    out.endpoints.emplace(upstream.name, endpoint.name);
    if (endpoint.http != nullptr) out.origins.insert(OriginOf(*endpoint.http));
  }
}

}  // namespace

PolicyNames NamesOf(const RouteTable& table) {
  PolicyNames out;
  absl::flat_hash_set<const RouteConfig*> seen;
  for (const auto& route : table.routes()) AddRoute(*route, seen, out);
  for (const auto& upstream : table.upstreams()) AddUpstream(*upstream, out);
  return out;
}

bool PolicyNames::Has(std::string_view label, std::string_view value) const {
  if (label == "route") return Holds(routes, value);
  if (label == "upstream") return Holds(upstreams, value);
  if (label == "fallback") return Holds(fallbacks, value);
  if (label == "gen_ai_request_model") return Holds(models, value);
  if (label == "gen_ai_response_model") return Holds(answering_models, value) || Holds(models, value);
  return true;
}

bool PolicyNames::InForce(const LabelViews& labels) const {
  std::string_view upstream;
  std::string_view endpoint;
  for (const auto& [label, value] : labels) {
    if (value.empty() || value == "other") continue;
    if (label == "upstream") upstream = value;
    if (label == "endpoint") endpoint = value;
    if (!Has(label, value)) return false;
  }
  if (endpoint.empty()) return true;
  // Connections belong to a host, whichever upstreams share it.
  if (upstream.empty()) return Holds(origins, endpoint);
  return endpoints.contains(std::pair<std::string, std::string>(upstream, endpoint));
}

}  // namespace sluice
