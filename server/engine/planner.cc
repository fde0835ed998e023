#include "server/engine/planner.h"

#include <algorithm>
#include <cstdint>

namespace sluice {
namespace {

// Keeps the candidates with the smallest `key`.
template <typename T, typename Key>
void KeepLowest(std::vector<T>& candidates, Key key) {
  const auto lowest = std::min_element(candidates.begin(), candidates.end(),
                                       [&](const T& a, const T& b) { return key(a) < key(b); });
  const auto bound = key(*lowest);
  std::erase_if(candidates, [&](const T& candidate) { return key(candidate) != bound; });
}

// One of them, in proportion to its weight, which is never 0 here.
template <typename T, typename Weight>
const T& ByWeight(const std::vector<T>& candidates, Weight weight, Random& random) {
  uint64_t total = 0;
  for (const T& candidate : candidates) total += weight(candidate);
  uint64_t left = random.Below(total);
  for (const T& candidate : candidates) {
    if (left < weight(candidate)) return candidate;
    left -= weight(candidate);
  }
  return candidates.back();
}

}  // namespace

bool Planner::Usable(const TargetConfig& target) const {
  return target.weight > 0 && std::find(barred_.begin(), barred_.end(), target.upstream.get()) == barred_.end();
}

bool Planner::Usable(const TargetConfig& target, const EndpointConfig& endpoint) const {
  if (!endpoint.active || endpoint.weight == 0) return false;
  return std::none_of(barred_plans_.begin(), barred_plans_.end(), [&](const Plan& barred) {
    return barred.endpoint == &endpoint && barred.target->model == target.model;
  });
}

int Planner::TriesOf(const EndpointConfig& endpoint) const {
  for (const auto& [tried, times] : tries_) {
    if (tried == &endpoint) return times;
  }
  return 0;
}

template <typename Visitor>
void Planner::ForEachUsable(Visitor visit) const {
  for (const TargetConfig& target : route_.targets) {
    if (!Usable(target)) continue;
    for (const EndpointConfig& endpoint : target.upstream->endpoints) {
      if (Usable(target, endpoint)) visit(target, endpoint);
    }
  }
}

std::optional<Plan> Planner::Pick(TimePoint when, Random& random) const {
  std::vector<Candidate> candidates;
  ForEachUsable([&](const TargetConfig& target, const EndpointConfig& endpoint) {
    if (endpoint.state->cooling_until() > when) return;
    candidates.push_back({{&target, &endpoint}, TriesOf(endpoint)});
  });
  if (candidates.empty()) return std::nullopt;
  KeepLowest(candidates, [](const Candidate& c) { return c.tries; });
  KeepLowest(candidates, [](const Candidate& c) { return c.plan.target->priority; });

  // A target's share does not grow with the number of its endpoints.
  std::vector<const TargetConfig*> targets;
  for (const Candidate& candidate : candidates) {
    if (targets.empty() || targets.back() != candidate.plan.target) targets.push_back(candidate.plan.target);
  }
  const TargetConfig* target = ByWeight(targets, [](const TargetConfig* t) { return t->weight; }, random);
  std::erase_if(candidates, [&](const Candidate& c) { return c.plan.target != target; });
  KeepLowest(candidates, [](const Candidate& c) { return c.plan.endpoint->priority; });
  return ByWeight(candidates, [](const Candidate& c) { return c.plan.endpoint->weight; }, random).plan;
}

EndpointsLeft Planner::Left(TimePoint now) const {
  EndpointsLeft left;
  ForEachUsable([&](const TargetConfig&, const EndpointConfig& endpoint) {
    const TimePoint free = std::max(now, endpoint.state->cooling_until());
    left.soonest = std::min(left.soonest, free);
    if (free <= now && TriesOf(endpoint) == 0) left.untried = true;
  });
  return left;
}

void Planner::Tried(const EndpointConfig& endpoint) {
  for (auto& [tried, times] : tries_) {
    if (tried == &endpoint) {
      ++times;
      return;
    }
  }
  tries_.emplace_back(&endpoint, 1);
}

void Planner::Bar(const UpstreamConfig& upstream) { barred_.push_back(&upstream); }

void Planner::Bar(const Plan& plan) { barred_plans_.push_back(plan); }

}  // namespace sluice
