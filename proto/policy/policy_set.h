// A whole set of policies, with the choices that its resources leave to each
// other: which retry policy, breaker or fallback is in force where. Used by the
// validator and by the data plane's compiler, so that both choose the same.
// Pure; refers to the resources that it was made of.
#ifndef SLUICE_PROTO_POLICY_POLICY_SET_H_
#define SLUICE_PROTO_POLICY_POLICY_SET_H_

#include <map>
#include <set>
#include <string>

#include "absl/types/span.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "sluice/v1/policy.pb.h"

namespace sluice {

// The policy of this name is taken where none is chosen.
inline constexpr char kDefaultPolicyName[] = "default";

// A policy and how it came to be chosen. Null where there is none: the
// documented defaults, or nothing.
template <typename T>
struct Chosen {
  const T* policy = nullptr;
  std::string name;         // empty: written in place
  bool by_default = false;  // nothing was chosen, and one named "default" exists

  const T& OrDefaults() const { return policy == nullptr ? T::default_instance() : *policy; }
};

class PolicySet {
 public:
  using ByName = std::map<std::string, const v1::Resource*>;

  // References need not resolve.
  explicit PolicySet(absl::Span<const v1::Resource* const> all);

  const ByName& All(v1::Resource::SpecCase kind) const;
  // Null if there is none.
  const v1::Resource* Find(v1::Resource::SpecCase kind, const std::string& name) const;

  Chosen<v1::RetryPolicy> RetryOf(const v1::Route& route) const;
  // Of each endpoint.
  Chosen<v1::CircuitBreaker> BreakerOf(const v1::Upstream& upstream) const;
  // Of the upstream as a whole.
  Chosen<v1::CircuitBreaker> OverallBreakerOf(const v1::Upstream& upstream) const;
  // A route that the default fallback leads to does not take it: it would lead
  // back to itself.
  Chosen<v1::Fallback> FallbackOf(const std::string& route_name, const v1::Route& route) const;
  // Whether the default fallback ends up at this route.
  bool DefaultFallbackLeadsTo(const std::string& route_name) const {
    return of_default_fallback_.count(route_name) != 0;
  }

  // Its own, or those of its list; nothing where the list does not exist.
  const google::protobuf::RepeatedPtrField<v1::Endpoint>& EndpointsOf(const v1::Upstream& upstream) const;

 private:
  Chosen<v1::Fallback> WrittenFallbackOf(const v1::Route& route) const;
  Chosen<v1::CircuitBreaker> BreakerOf(const v1::CircuitBreakerChoice& choice) const;
  void FollowDefaultFallback();

  std::map<v1::Resource::SpecCase, ByName> by_kind_;
  std::set<std::string> of_default_fallback_;
};

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_POLICY_SET_H_
