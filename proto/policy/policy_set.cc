#include "proto/policy/policy_set.h"

namespace sluice {

PolicySet::PolicySet(absl::Span<const v1::Resource* const> all) {
  // The first of a name counts; that there are two is a violation elsewhere.
  for (const v1::Resource* resource : all) by_kind_[resource->spec_case()].emplace(resource->meta().name(), resource);
  FollowDefaultFallback();
}

const PolicySet::ByName& PolicySet::All(v1::Resource::SpecCase kind) const {
  static const auto& kNone = *new ByName;
  const auto it = by_kind_.find(kind);
  return it == by_kind_.end() ? kNone : it->second;
}

const v1::Resource* PolicySet::Find(v1::Resource::SpecCase kind, const std::string& name) const {
  const ByName& resources = All(kind);
  const auto it = resources.find(name);
  return it == resources.end() ? nullptr : it->second;
}

Chosen<v1::RetryPolicy> PolicySet::RetryOf(const v1::Route& route) const {
  if (route.retry().has_inline_()) return {&route.retry().inline_(), "", false};
  const bool named = !route.retry().name().empty();
  const std::string name = named ? route.retry().name() : kDefaultPolicyName;
  const v1::Resource* found = Find(v1::Resource::kRetryPolicy, name);
  return found == nullptr ? Chosen<v1::RetryPolicy>() : Chosen<v1::RetryPolicy>{&found->retry_policy(), name, !named};
}

Chosen<v1::CircuitBreaker> PolicySet::BreakerOf(const v1::CircuitBreakerChoice& choice) const {
  if (choice.has_inline_()) return {&choice.inline_(), "", false};
  const v1::Resource* found = Find(v1::Resource::kCircuitBreaker, choice.name());
  if (found == nullptr) return {};
  return {&found->circuit_breaker(), choice.name(), false};
}

Chosen<v1::CircuitBreaker> PolicySet::BreakerOf(const v1::Upstream& upstream) const {
  if (upstream.circuit_breaker().kind_case() != v1::CircuitBreakerChoice::KIND_NOT_SET) {
    return BreakerOf(upstream.circuit_breaker());
  }
  const v1::Resource* found = Find(v1::Resource::kCircuitBreaker, kDefaultPolicyName);
  if (found == nullptr) return {};
  return {&found->circuit_breaker(), kDefaultPolicyName, true};
}

Chosen<v1::CircuitBreaker> PolicySet::OverallBreakerOf(const v1::Upstream& upstream) const {
  return BreakerOf(upstream.overall_circuit_breaker());
}

Chosen<v1::Fallback> PolicySet::WrittenFallbackOf(const v1::Route& route) const {
  if (route.fallback().has_inline_()) return {&route.fallback().inline_(), "", false};
  const v1::Resource* found = Find(v1::Resource::kFallback, route.fallback().name());
  if (found == nullptr) return {};
  return {&found->fallback(), route.fallback().name(), false};
}

Chosen<v1::Fallback> PolicySet::FallbackOf(const std::string& route_name, const v1::Route& route) const {
  if (route.fallback().kind_case() != v1::FallbackChoice::KIND_NOT_SET) return WrittenFallbackOf(route);
  const v1::Resource* found = Find(v1::Resource::kFallback, kDefaultPolicyName);
  if (found == nullptr || DefaultFallbackLeadsTo(route_name)) return {};
  return {&found->fallback(), kDefaultPolicyName, true};
}

void PolicySet::FollowDefaultFallback() {
  const v1::Resource* found = Find(v1::Resource::kFallback, kDefaultPolicyName);
  const v1::Fallback* fallback = found == nullptr ? nullptr : &found->fallback();
  while (fallback != nullptr && of_default_fallback_.insert(fallback->route()).second) {
    const v1::Resource* route = Find(v1::Resource::kRoute, fallback->route());
    fallback = route == nullptr ? nullptr : WrittenFallbackOf(route->route()).policy;
  }
  of_default_fallback_.erase("");  // ends at a target or at a static answer
}

const google::protobuf::RepeatedPtrField<v1::Endpoint>& PolicySet::EndpointsOf(const v1::Upstream& upstream) const {
  if (upstream.endpoint_list().empty()) return upstream.endpoints();
  const v1::Resource* list = Find(v1::Resource::kEndpointList, upstream.endpoint_list());
  return list == nullptr ? v1::EndpointList::default_instance().endpoints() : list->endpoint_list().endpoints();
}

}  // namespace sluice
