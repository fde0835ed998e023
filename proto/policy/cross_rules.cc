#include "proto/policy/cross_rules.h"

#include <map>
#include <set>

#include "absl/strings/str_cat.h"

#include "proto/policy/choice_rules.h"
#include "proto/policy/fallback_cycles.h"
#include "proto/policy/kinds.h"
#include "proto/policy/policy_set.h"
#include "proto/policy/retry_rules.h"
#include "proto/policy/route_rules.h"
#include "proto/policy/upstream_rules.h"
#include "proto/policy/wording.h"

namespace sluice {
namespace {

using google::protobuf::DynamicCastToGenerated;

template <typename T>
bool CheckIf(const google::protobuf::Message& message, const std::string& path, Violations& out) {
  const T* typed = DynamicCastToGenerated<T>(&message);
  if (typed != nullptr) Check(*typed, path, out);
  return typed != nullptr;
}

template <typename... T>
void CheckFirstOf(const google::protobuf::Message& message, const std::string& path,
                  Violations& out) {
  (CheckIf<T>(message, path, out) || ...);
}

// Equal for two routes that match exactly the same calls.
std::string MatchKey(const v1::Match& match) {
  std::map<std::string, std::string> sorted(match.metadata().begin(), match.metadata().end());
  std::string key = absl::StrCat(EscapedQuoted(match.model()), EscapedQuoted(match.tenant()));
  for (const auto& [name, value] : sorted) {
    absl::StrAppend(&key, EscapedQuoted(name), EscapedQuoted(value));
  }
  return key;
}

void CheckNamesAndMatches(absl::Span<const v1::Resource* const> all, Violations& out) {
  std::set<std::string> ids;
  std::map<std::string, std::string> matches;
  for (const v1::Resource* resource : all) {
    out.Enter(std::string(KindOf(*resource)), resource->meta().name());
    if (!ids.insert(ResourceId(*resource)).second) {
      out.Add("name", "DUPLICATE", absl::StrCat(ResourceId(*resource), " is there twice"));
      continue;
    }
    if (!resource->has_route() || resource->route().match().model().empty()) continue;
    const auto [place, added] =
        matches.emplace(MatchKey(resource->route().match()), ResourceId(*resource));
    if (!added) {
      out.Add("match", "DUPLICATE",
              absl::StrCat("is the same as that of ", place->second,
                           "; one of the two would never take a call"));
    }
  }
}

}  // namespace

void CheckTogether(const google::protobuf::Message& message, const std::string& path,
                   Violations& out) {
  CheckFirstOf<v1::ExponentialBackoff, v1::ReactorBackoff, v1::RetryPolicy, v1::Match, v1::Target,
               v1::Timeouts, v1::Hedge, v1::Queue, v1::Route, v1::RateLimit, v1::Fallback,
               v1::Upstream, v1::EndpointList, v1::ConnectionPool, v1::ConcurrencyLimits,
               v1::HealthCheck, v1::OutlierDetection, v1::CircuitBreaker>(message, path, out);
}

void CheckAcross(absl::Span<const v1::Resource* const> all, Violations& out) {
  CheckNamesAndMatches(all, out);
  const PolicySet set(all);
  CheckChoices(set, all, out);
  CheckFallbackCycles(set, out);
}

}  // namespace sluice
