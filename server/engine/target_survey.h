// Where in one target's upstream an attempt of this call could go at one moment,
// and where it goes. Made for each plan, on the call's loop.
#ifndef SLUICE_SERVER_ENGINE_TARGET_SURVEY_H_
#define SLUICE_SERVER_ENGINE_TARGET_SURVEY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "server/engine/endpoint_index.h"
#include "server/engine/plan.h"
#include "server/engine/plan_memory.h"
#include "server/resilience/balancer.h"
#include "server/resilience/random.h"

namespace sluice {

// What the surveys of one plan have in common; outlives them.
struct SurveyContext {
  const PlanMemory& memory;
  std::optional<uint64_t> affinity;
  TimePoint when;
  Random& random;
};

class TargetSurvey {
 public:
  // Of a small pool every endpoint is looked at; of a large one a few, drawn as
  // its balancing draws them, and all that were well a moment ago only where
  // none of those will do.
  TargetSurvey(const SurveyContext& context, const TargetConfig& target);

  const TargetConfig& target() const { return *target_; }
  bool empty() const { return candidates_.empty(); }
  // How often the call has tried what it has tried least: among the healthy
  // ones (none: nothing if there is none), or among all that may be picked.
  std::optional<int> LeastTries(bool healthy_only) const;
  // Not for an empty one.
  Plan Pick() const;

  // When the first of those that the call may go to may be picked; in the past:
  // now. InfiniteFuture: never, as far as is known.
  struct Opening {
    TimePoint at = absl::InfiniteFuture();
    bool rests = false;  // until then it rests, as the upstream asked; else it is down
    // The first of which the time is known, and whether one's is not: a half-open
    // breaker that waits for its probes.
    TimePoint known = absl::InfiniteFuture();
    bool probing = false;
  };
  Opening Soonest() const;

 private:
  struct Candidate {
    uint32_t endpoint;  // its number in the upstream
    uint32_t level;
    uint8_t zone;
    bool healthy;
    int tries;
    CandidateLoad load;
  };
  using Candidates = absl::InlinedVector<Candidate, 8>;

  const UpstreamConfig& upstream() const { return *target_->upstream; }
  const PoolHealth& health() const { return shared_ ? *shared_ : own_; }
  const EndpointConfig& endpoint(const Candidate& candidate) const {
    return upstream().endpoints[candidate.endpoint];
  }
  std::optional<Candidate> Judge(uint32_t endpoint, uint32_t level, uint8_t zone,
                                 const EndpointStanding& standing) const;
  std::optional<Candidate> LookAt(uint32_t endpoint, uint32_t level, uint8_t zone) const;

  void SurveyAll();
  void SurveyLarge();
  bool DrawSome();
  void DrawByWeight(uint32_t level, uint8_t zone, const PoolHealth::Eligible& eligible);
  void DrawFromRing(uint32_t level, std::optional<uint8_t> zone);
  void WalkEligible();

  // The level, then its zone, that a plan among these goes to.
  template <typename Has>
  std::optional<uint32_t> LevelAmong(Has has) const;
  template <typename Has>
  uint8_t ZoneAmong(uint32_t level, Has has) const;
  double ChanceFor(uint64_t salt) const;
  uint64_t RingKey() const;
  size_t Balance(const Candidates& among, uint32_t level) const;

  const SurveyContext& context_;
  const TargetConfig* target_;
  std::shared_ptr<const EndpointIndex> index_;
  std::shared_ptr<const PoolHealth> shared_;  // of a large pool
  PoolHealth own_;                            // of a small one
  Candidates candidates_;
  bool drawn_ = false;  // candidates came as balancing draws them
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_TARGET_SURVEY_H_
