#include "server/engine/planner.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/container/inlined_vector.h"
#include "server/resilience/hash_ring.h"

namespace sluice {
namespace {

constexpr uint64_t kTargetSalt = 100;
constexpr std::string_view kConcurrency = "concurrency";

using Targets = absl::InlinedVector<const TargetConfig*, 8>;

// Those that the call may go to, from the best priority on.
Targets TargetsOf(const RouteConfig& route, const PlanMemory& memory) {
  Targets targets;
  for (const TargetConfig& target : route.targets) {
    if (!memory.RulesOut(target)) targets.push_back(&target);
  }
  std::stable_sort(targets.begin(), targets.end(),
                   [](const TargetConfig* a, const TargetConfig* b) { return a->priority < b->priority; });
  return targets;
}

// The target with the highest of these has its share of all keys, and a change
// of one weight moves no key between two others (weighted rendezvous hashing).
double Attraction(const TargetConfig& target, uint64_t affinity) {
  const uint64_t name = MixHash(StableHash(target.upstream->name), StableHash(target.model));
  const double chance = std::max(UnitOf(MixHash(MixHash(affinity, kTargetSalt), name)), 0x1.0p-53);
  return std::log(chance) / target.weight;
}

}  // namespace

Planner::Opening Planner::OpensAt(const TargetConfig& target, TimePoint now) const {
  Opening opening{target.upstream->state->admits_at(now), ""};
  for (const RateLimitUse& limit : route_->rate_limits) {
    if (limit.scope != RateLimitUse::Scope::kUpstream) continue;
    const TimePoint free = limit.state->FreeAt(target.upstream->name, traits_.estimated_tokens, now);
    if (free > now && free > opening.at) opening = {free, limit.name};
  }
  return opening;
}

bool Planner::HasRoom(const TargetConfig& target) const {
  return target.upstream->state->HasRoom(traits_.estimated_tokens);
}

Planner::Surveys Planner::Best(const SurveyContext& context, bool healthy_only) const {
  Surveys best;
  int least = std::numeric_limits<int>::max();
  const Targets targets = TargetsOf(*route_, memory_);
  for (const TargetConfig* target : targets) {
    if (!best.empty() && best.front().target().priority != target->priority && least == 0) break;  // none is better
    if (OpensAt(*target, context.when).at > context.when || !HasRoom(*target)) continue;
    TargetSurvey survey(context, *target);
    const auto tries = survey.LeastTries(healthy_only);
    if (!tries || *tries > least) continue;
    const bool better = *tries < least;
    if (!better && best.front().target().priority != target->priority) continue;
    if (better) best.clear();
    least = *tries;
    best.push_back(std::move(survey));
  }
  return best;
}

const TargetSurvey& Planner::ByWeight(const Surveys& surveys, Random& random) const {
  if (surveys.size() == 1) return surveys.front();
  if (traits_.affinity) {
    return *std::max_element(surveys.begin(), surveys.end(), [&](const TargetSurvey& a, const TargetSurvey& b) {
      return Attraction(a.target(), *traits_.affinity) < Attraction(b.target(), *traits_.affinity);
    });
  }
  absl::InlinedVector<CandidateLoad, 8> weights;
  for (const TargetSurvey& survey : surveys) {
    weights.push_back({static_cast<double>(survey.target().weight), 0, absl::ZeroDuration()});
  }
  return surveys[PickWeighted(weights, random)];
}

std::optional<Plan> Planner::Pick(TimePoint when, Random& random) const {
  const SurveyContext context{memory_, traits_.affinity, when, random};
  // What panic would add counts only where nothing healthy is left at all: it is
  // for endpoints of one upstream, not for one upstream before another.
  for (const bool healthy_only : {true, false}) {
    const Surveys best = Best(context, healthy_only);
    if (!best.empty()) return ByWeight(best, random).Pick();
  }
  return std::nullopt;
}

EndpointsLeft Planner::Left(TimePoint now) const {
  EndpointsLeft left;
  // Chance only says at which endpoints of a large pool to look first.
  Random random(static_cast<uint64_t>(absl::ToUnixNanos(now)));
  const SurveyContext context{memory_, traits_.affinity, now, random};
  std::optional<int> healthy, any;  // least tries
  const auto lower = [](std::optional<int>& least, std::optional<int> tries) {
    if (tries && (!least || *tries < *least)) least = tries;
  };
  for (const TargetConfig* target : TargetsOf(*route_, memory_)) {
    const TargetSurvey survey(context, *target);
    const Opening upstream = OpensAt(*target, now);
    const TargetSurvey::Opening endpoint = survey.Soonest();
    const TimePoint free = std::max({now, upstream.at, endpoint.at});
    if (free <= now && !HasRoom(*target)) {
      left.crowded = true;
      left.upstream = target->upstream->name;
      left.limit = kConcurrency;
      continue;
    }
    const bool upstream_probes = target->upstream->state->probing(now);
    left.probing = left.probing || endpoint.probing || upstream_probes;
    // A limit that is free by the time that is known does not stand in the way.
    if (!upstream_probes && (upstream.limit.empty() || endpoint.known >= upstream.at)) {
      const TimePoint known = std::max(upstream.at, endpoint.known);
      if (known > now) left.known = std::min(left.known, known);
    }
    if (free < left.soonest) {
      left.soonest = free;
      const bool limited = !upstream.limit.empty() && upstream.at >= endpoint.at;
      left.hold = limited ? EndpointsLeft::Hold::kLimit
                          : endpoint.rests && endpoint.at >= upstream.at ? EndpointsLeft::Hold::kRest
                                                                         : EndpointsLeft::Hold::kDown;
      if (limited) {
        left.upstream = target->upstream->name;
        left.limit = upstream.limit;
      }
    }
    if (free > now) continue;
    lower(healthy, survey.LeastTries(true));
    lower(any, survey.LeastTries(false));
  }
  left.untried = healthy ? *healthy == 0 : any && *any == 0;
  return left;
}

}  // namespace sluice
