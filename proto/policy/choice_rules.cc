#include "proto/policy/choice_rules.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"

#include "proto/policy/defaults.h"

namespace sluice {
namespace {

// " (retrypolicy/x)": where a value stands that the route does not show.
std::string Holder(const Chosen<v1::RetryPolicy>& chosen) {
  return chosen.name.empty() ? "" : absl::StrCat(" (retrypolicy/", chosen.name, ")");
}

// One route and what it takes.
class RouteChoices {
 public:
  RouteChoices(const PolicySet& set, const v1::Resource& resource, Violations& out)
      : route_(resource.route()), chosen_(set.RetryOf(route_)), retry_(chosen_.OrDefaults()),
        fallback_(set.FallbackOf(resource.meta().name(), route_)),
        of_default_fallback_(set.DefaultFallbackLeadsTo(resource.meta().name())), out_(out) {
    FillDefaults(retry_);
    FillDefaults(*retry_.mutable_budget());
  }

  void Check() {
    if (route_.has_hedge()) CheckHedge();
    CheckAfterCut();
    CheckExhaustion();
    CheckFallback();
  }

 private:
  void CheckHedge() {
    if (retry_.max_attempts() <= 1) {
      out_.Add("hedge", "CONFLICT",
               absl::StrCat("has no attempt to spend, for max_attempts is 1", Holder(chosen_),
                            " and hedges count as attempts; raise it to 2 or more, or leave hedge out"));
    }
    if (retry_.budget().retry_percent() == 0 && retry_.budget().min_retries() == 0) {
      out_.Add("hedge", "CONFLICT",
               absl::StrCat("has no budget to spend, for budget.retry_percent and budget.min_retries are both 0",
                            Holder(chosen_), "; raise one of them, or leave hedge out"));
    }
  }

  void CheckAfterCut() {
    if (route_.after_cut() != v1::AFTER_CUT_RESTART || retry_.max_attempts() > 1 || retry_.transient()) return;
    out_.Add("after_cut", "CONFLICT",
             absl::StrCat("RESTART needs another attempt, and max_attempts is 1", Holder(chosen_),
                          "; raise it to 2 or more, or set transient: true there"),
             "FAIL");
  }

  // A policy that the route does not name is not written for this route alone:
  // the FALLBACK that it says holds for those that have one.
  void CheckExhaustion() {
    const v1::Exhaustion written = chosen_.OrDefaults().on_exhaustion();
    const bool in_place = route_.retry().has_inline_();
    if (written == v1::EXHAUSTION_QUEUE && !route_.has_queue()) {
      out_.Add(in_place ? "retry.on_exhaustion" : "queue", "CONFLICT",
               in_place ? "QUEUE needs a queue, and this route has none; set queue"
                        : absl::StrCat("is missing: on_exhaustion is QUEUE", Holder(chosen_),
                                       "; set queue, or take another retry policy"));
    } else if (written == v1::EXHAUSTION_QUEUE && route_.queue().has_max_length() && route_.queue().max_length() == 0) {
      out_.Add(in_place ? "retry.on_exhaustion" : "queue.max_length", "CONFLICT",
               absl::StrCat(in_place ? "" : "0 lets no call wait, and on_exhaustion is ", "QUEUE", Holder(chosen_),
                            in_place ? " needs a queue in which calls may wait, and this one's max_length is 0" : "",
                            "; raise max_length, or ", in_place ? "set another on_exhaustion" : "take another retry policy"));
    }
    if (written == v1::EXHAUSTION_FALLBACK && fallback_.policy == nullptr && !chosen_.by_default &&
        !of_default_fallback_ && !route_.has_fallback()) {
      out_.Add(in_place ? "retry.on_exhaustion" : "fallback", "CONFLICT",
               in_place ? "FALLBACK needs a fallback, and this route has none and there is none named \"default\"; "
                          "set fallback"
                        : absl::StrCat("is missing: on_exhaustion is FALLBACK", Holder(chosen_),
                                       " and there is no fallback named \"default\"; set fallback"));
    }
    if (written == v1::EXHAUSTION_ERROR && in_place && route_.has_fallback()) {
      out_.Add("retry.on_exhaustion", "CONFLICT",
               "ERROR excludes the fallback of this route, which would never answer; leave one of them out",
               "FALLBACK");
    }
  }

  // The default fallback is made for many routes; one that it cannot help is no
  // mistake.
  void CheckFallback() {
    if (fallback_.policy == nullptr || fallback_.by_default || !fallback_.policy->has_target()) return;
    const v1::Target& target = fallback_.policy->target();
    const bool all = !route_.targets().empty() &&
                     std::all_of(route_.targets().begin(), route_.targets().end(), [&](const v1::Target& own) {
                       return own.upstream() == target.upstream() && own.model() == target.model();
                     });
    if (!all) return;
    out_.Add(fallback_.name.empty() ? "fallback.target" : "fallback", "CONFLICT",
             "asks once more what the route itself asks, and nothing else; use another upstream or model");
  }

  const v1::Route& route_;
  const Chosen<v1::RetryPolicy> chosen_;
  v1::RetryPolicy retry_;
  const Chosen<v1::Fallback> fallback_;
  const bool of_default_fallback_;
  Violations& out_;
};

// Upstream → whether a route that calls it has an affinity; absent: no route
// calls it.
std::map<std::string, bool> AffinityByUpstream(const PolicySet& set) {
  std::map<std::string, bool> out;
  for (const auto& [name, resource] : set.All(v1::Resource::kRoute)) {
    const v1::Route& route = resource->route();
    const auto note = [&, affinity = route.has_affinity()](const std::string& upstream) {
      bool& any = out[upstream];
      any = any || affinity;
    };
    for (const v1::Target& target : route.targets()) note(target.upstream());
    const Chosen<v1::Fallback> fallback = set.FallbackOf(name, route);
    if (fallback.policy != nullptr && fallback.policy->has_target()) note(fallback.policy->target().upstream());
  }
  return out;
}

}  // namespace

void CheckChoices(const PolicySet& set, absl::Span<const v1::Resource* const> all, Violations& out) {
  const std::map<std::string, bool> affinity = AffinityByUpstream(set);
  for (const v1::Resource* resource : all) {
    if (resource->has_route()) {
      out.Enter("Route", resource->meta().name());
      RouteChoices(set, *resource, out).Check();
    }
    if (!resource->has_upstream() || !resource->upstream().balance().has_ring_hash()) continue;
    const auto used = affinity.find(resource->meta().name());
    if (used == affinity.end() || used->second) continue;
    out.Enter("Upstream", resource->meta().name());
    out.Add("balance.ring_hash", "CONFLICT",
            "has nothing to hash: no route that calls this upstream has an affinity; give one to a route, or balance "
            "otherwise");
  }
}

}  // namespace sluice
