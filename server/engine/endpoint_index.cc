#include "server/engine/endpoint_index.h"

#include <algorithm>
#include <map>
#include <utility>

namespace sluice {
namespace {

// A ring for 8 million points would take 128 MB: only if asked for.
constexpr uint32_t kMaxRing = 1 << 20;

std::unique_ptr<const HashRing> RingOf(const UpstreamConfig& upstream, const EndpointIndex::Level& level) {
  if (upstream.balance.kind != BalanceConfig::Kind::kRingHash) return nullptr;
  std::vector<HashRing::Member> members;
  members.reserve(level.members.size());
  for (const EndpointIndex::Member& member : level.members) {
    const EndpointConfig& endpoint = upstream.endpoints[member.endpoint];
    members.push_back({StableHash(endpoint.name), static_cast<double>(endpoint.weight)});
  }
  return std::make_unique<HashRing>(members, upstream.balance.min_ring_size,
                                    std::max(kMaxRing, upstream.balance.min_ring_size));
}

void Count(const EndpointStanding& standing, TimePoint when, PriorityHealth& health) {
  ++health.total;
  if (!standing.Healthy(when)) return;
  ++health.healthy;
  if (standing.Admits(when)) ++health.available;
}

}  // namespace

EndpointStanding StandingOf(const EndpointConfig& endpoint, TimePoint when) {
  EndpointStanding standing;
  standing.view = endpoint.state->View(when);
  standing.healthy_at = standing.view.healthy ? standing.view.ejected_until : absl::InfiniteFuture();
  standing.rested_at = absl::InfiniteFuture();
  for (const auto& cooldown : endpoint.cooldowns) standing.rested_at = std::min(standing.rested_at, cooldown->until());
  standing.admits_at = std::max(standing.view.admits_at, standing.rested_at);
  return standing;
}

std::shared_ptr<const EndpointIndex> EndpointIndex::Make(const UpstreamConfig& upstream) {
  return std::shared_ptr<const EndpointIndex>(new EndpointIndex(upstream));
}

EndpointIndex::EndpointIndex(const UpstreamConfig& upstream) {
  std::map<uint32_t, Level> levels;
  for (uint32_t i = 0; i < upstream.endpoints.size(); ++i) {
    const EndpointConfig& endpoint = upstream.endpoints[i];
    if (!endpoint.active || endpoint.weight == 0) continue;
    const bool far = upstream.balance.prefer_same_zone && !endpoint.same_zone;
    levels[endpoint.priority].members.push_back({i, static_cast<uint8_t>(far)});
    ++size_;
  }
  for (auto& [priority, level] : levels) {
    level.priority = priority;
    const auto far = std::count_if(level.members.begin(), level.members.end(), [](const Member& m) { return m.zone; });
    level.has_zones = far > 0 && far < static_cast<ptrdiff_t>(level.members.size());
    if (!level.has_zones) {
      for (Member& member : level.members) member.zone = 0;
    }
    level.ring = RingOf(upstream, level);
    levels_.push_back(std::move(level));
  }
}

PoolHealth EndpointIndex::Look(const UpstreamConfig& upstream, TimePoint when,
                               std::vector<EndpointStanding>& standings) const {
  PoolHealth health;
  health.at = when;
  health.levels.resize(levels_.size());
  standings.clear();
  standings.reserve(size_);
  absl::InlinedVector<PriorityHealth, 4> priorities;
  for (size_t l = 0; l < levels_.size(); ++l) {
    PriorityHealth all;
    std::array<PriorityHealth, 2> zones;
    for (const Member& member : levels_[l].members) {
      standings.push_back(StandingOf(upstream.endpoints[member.endpoint], when));
      Count(standings.back(), when, all);
      Count(standings.back(), when, zones[member.zone]);
    }
    health.any_available = health.any_available || all.available > 0;
    // No panic between zones: the level's own goes over both.
    if (levels_[l].has_zones) health.levels[l].zones = SpreadLoad(zones, 0);
    priorities.push_back(all);
  }
  health.load = SpreadLoad(priorities, upstream.balance.panic_percent);
  return health;
}

void EndpointIndex::FillEligible(const UpstreamConfig& upstream, TimePoint when,
                                 const std::vector<EndpointStanding>& standings, PoolHealth& health) const {
  size_t next = 0;
  for (size_t l = 0; l < levels_.size(); ++l) {
    const bool panic = health.load.panic[l];
    for (const Member& member : levels_[l].members) {
      const EndpointStanding& standing = standings[next++];
      const TimePoint free = panic ? standing.admits_at : std::max(standing.admits_at, standing.healthy_at);
      health.probing = health.probing || standing.view.probing;
      if (!standing.view.probing) health.known = std::min(health.known, free);
      if (free < health.soonest) {
        health.soonest = free;
        health.soonest_rests = free == standing.rested_at && free > standing.view.admits_at &&
                               (panic || free > standing.healthy_at);
      }
      if (free > when) continue;
      PoolHealth::Eligible& eligible = health.levels[l].eligible[panic ? 0 : member.zone];
      eligible.endpoints.push_back(member.endpoint);
      eligible.weights.Add(upstream.endpoints[member.endpoint].weight);
    }
  }
}

std::shared_ptr<const PoolHealth> EndpointIndex::Remembered(TimePoint when, Duration max_age, bool& fresh) const {
  std::lock_guard lock(mutex_);
  // A plan for later may have looked ahead of us.
  fresh = remembered_ != nullptr && absl::AbsDuration(when - remembered_->at) < max_age;
  return remembered_;
}

std::shared_ptr<const PoolHealth> EndpointIndex::Recent(const UpstreamConfig& upstream, TimePoint when,
                                                        Duration max_age) const {
  bool fresh = false;
  auto health = Remembered(when, max_age, fresh);
  if (fresh) return health;
  std::unique_lock looking(looking_, std::defer_lock);
  if (health == nullptr) {
    looking.lock();
    health = Remembered(when, max_age, fresh);
    if (fresh) return health;
  } else if (!looking.try_lock()) {
    return health;
  }
  std::vector<EndpointStanding> standings;
  auto looked = std::make_shared<PoolHealth>(Look(upstream, when, standings));
  FillEligible(upstream, when, standings, *looked);
  std::lock_guard lock(mutex_);
  remembered_ = looked;
  return looked;
}

}  // namespace sluice
