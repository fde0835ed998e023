// An upstream's endpoints as balancing wants to find them: by priority and zone,
// with their weights summed and their hash ring; and, for a pool so large that a
// call must not look at all of it, what it was like a moment ago. Made once per
// revision by the policy compiler; used by every loop.
#ifndef SLUICE_SERVER_ENGINE_ENDPOINT_INDEX_H_
#define SLUICE_SERVER_ENGINE_ENDPOINT_INDEX_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "server/engine/route_table.h"
#include "server/resilience/balancer.h"
#include "server/resilience/hash_ring.h"
#include "server/resilience/priority_load.h"
#include "server/resilience/time.h"

namespace sluice {

// One endpoint at one moment, as every call sees it.
struct EndpointStanding {
  EndpointView view;
  TimePoint rested_at;   // the first of its cooldowns that ends
  TimePoint admits_at;   // its breaker lets attempts pass, and it has rested
  TimePoint healthy_at;  // ejection; InfiniteFuture while its health checks fail

  bool Admits(TimePoint when) const { return admits_at <= when; }
  bool Healthy(TimePoint when) const { return healthy_at <= when; }
  bool Available(TimePoint when) const { return Admits(when) && Healthy(when); }
};
EndpointStanding StandingOf(const EndpointConfig& endpoint, TimePoint when);

// A whole pool at one moment.
struct PoolHealth {
  // Endpoints (by number in the upstream) that may be picked: available ones,
  // or in panic all that admit.
  struct Eligible {
    std::vector<uint32_t> endpoints;
    WeightedIndex weights;
  };
  struct Level {
    PriorityLoad zones;  // where the level has two
    std::array<Eligible, 2> eligible;  // by zone; in panic all in the first. Large pools only
  };

  TimePoint at;
  bool any_available = false;
  PriorityLoad load;
  absl::InlinedVector<Level, 1> levels;
  // When the first endpoint may be picked; in the past: now. Until then it rests
  // as the upstream asked, or it is down.
  TimePoint soonest = absl::InfiniteFuture();
  bool soonest_rests = false;
  // The first for which that time is known, and whether any other's is not.
  TimePoint known = absl::InfiniteFuture();
  bool probing = false;
};

class EndpointIndex {
 public:
  // With more endpoints a call looks at some of them only.
  static constexpr size_t kLargePool = 64;
  // How old what is known of a large pool may be: shares of priorities follow
  // an outage that late, while each endpoint is looked at before it is picked.
  static constexpr Duration kUsualAge = absl::Seconds(1);
  // … and where what it said did not hold: a pool in trouble costs no more than
  // twenty looks a second.
  static constexpr Duration kLeastAge = absl::Milliseconds(50);

  // After the endpoints are complete, of which those that take no calls are left
  // out.
  static std::shared_ptr<const EndpointIndex> Make(const UpstreamConfig& upstream);

  struct Member {
    uint32_t endpoint;  // its number in the upstream
    uint8_t zone;       // 0: same zone, or zones do not matter; 1: another
  };
  struct Level {
    uint32_t priority;
    std::vector<Member> members;
    bool has_zones = false;
    std::unique_ptr<const HashRing> ring;  // of members; null without kRingHash
  };

  // From the best priority on.
  const std::vector<Level>& levels() const { return levels_; }
  size_t size() const { return size_; }
  bool large() const { return size_ > kLargePool; }

  // Looks at each endpoint; their standings go to `standings`, level by level.
  PoolHealth Look(const UpstreamConfig& upstream, TimePoint when, std::vector<EndpointStanding>& standings) const;

  // Of a large pool: no older than `max_age`, unless another thread is just
  // looking.
  std::shared_ptr<const PoolHealth> Recent(const UpstreamConfig& upstream, TimePoint when, Duration max_age) const;

 private:
  explicit EndpointIndex(const UpstreamConfig& upstream);

  void FillEligible(const UpstreamConfig& upstream, TimePoint when, const std::vector<EndpointStanding>& standings,
                    PoolHealth& health) const;
  std::shared_ptr<const PoolHealth> Remembered(TimePoint when, Duration max_age, bool& fresh) const;

  std::vector<Level> levels_;
  size_t size_ = 0;

  mutable std::mutex looking_;  // held by the one who looks
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const PoolHealth> remembered_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_ENDPOINT_INDEX_H_
