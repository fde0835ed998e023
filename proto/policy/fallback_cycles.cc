#include "proto/policy/fallback_cycles.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

#include "proto/policy/kinds.h"

namespace sluice {
namespace {

// A route and the fallback that leads on from it.
struct Step {
  std::string route;
  std::string fallback;  // empty: written in the route
};

class CycleSearch {
 public:
  CycleSearch(const PolicySet& set, Violations& out) : set_(set), out_(out) {}

  // Every route leads on to one other at most, so each is looked at once.
  void Run() {
    for (const auto& [name, route] : set_.All(v1::Resource::kRoute)) Follow(name);
  }

 private:
  void Follow(const std::string& first) {
    std::vector<Step> way;
    std::string at = first;
    while (fallbacks_.emplace(at, 0).second) {
      const v1::Resource* route = set_.Find(v1::Resource::kRoute, at);
      if (route == nullptr) break;
      const Chosen<v1::Fallback> fallback = set_.FallbackOf(at, route->route());
      if (fallback.policy == nullptr || !fallback.policy->has_route()) break;
      way.push_back({at, fallback.name});
      at = fallback.policy->route();
    }
    // Met again: on this way, or on an earlier one, which told of its circle.
    const auto begin = std::find_if(way.begin(), way.end(), [&](const Step& step) { return step.route == at; });
    if (begin != way.end()) return Report({begin, way.end()});
    Count(way, fallbacks_[at]);
  }

  // `behind`: fallbacks that follow the last of the way.
  void Count(const std::vector<Step>& way, std::size_t behind) {
    for (auto step = way.rbegin(); step != way.rend(); ++step) {
      fallbacks_[step->route] = ++behind;
      // Once a way: those before it are longer still.
      if (behind != kMaxFallbacksInARow + 1) continue;
      out_.Enter("Route", step->route);
      out_.Add("fallback", "OUT_OF_RANGE",
               absl::StrCat("leads through ", behind, " routes one after the other; at most ", kMaxFallbacksInARow));
    }
  }

  void Report(std::vector<Step> circle) {
    const auto by_name = [](const Step& a, const Step& b) { return a.route < b.route; };
    std::rotate(circle.begin(), std::min_element(circle.begin(), circle.end(), by_name), circle.end());
    std::string text;
    for (const Step& step : circle) {
      absl::StrAppend(&text, ResourceId("Route", step.route), " → ");
      if (!step.fallback.empty()) absl::StrAppend(&text, ResourceId("Fallback", step.fallback), " → ");
    }
    absl::StrAppend(&text, ResourceId("Route", circle[0].route));
    out_.Enter("Route", circle[0].route);
    out_.Add("fallback", "CONFLICT", absl::StrCat("goes round in a circle: ", text, "; let one of them end elsewhere"));
  }

  const PolicySet& set_;
  Violations& out_;
  std::map<std::string, std::size_t> fallbacks_;  // of each route that was seen, in a row
};

}  // namespace

void CheckFallbackCycles(const PolicySet& set, Violations& out) { CycleSearch(set, out).Run(); }

}  // namespace sluice
