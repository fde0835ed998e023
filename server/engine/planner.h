// Where a call's next attempt goes: priorities with spill, health, breakers,
// cooldowns and limits, and the upstream's way of balancing. One per call, on
// its loop.
#ifndef SLUICE_SERVER_ENGINE_PLANNER_H_
#define SLUICE_SERVER_ENGINE_PLANNER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/engine/plan.h"
#include "server/engine/plan_memory.h"
#include "server/engine/route_table.h"
#include "server/engine/target_survey.h"
#include "server/resilience/random.h"
#include "server/resilience/retry_decision.h"

namespace sluice {

// What the call is, as far as its place depends on it.
struct PlanTraits {
  // Equal for calls that belong together; not set: no affinity.
  std::optional<uint64_t> affinity;
  uint64_t estimated_tokens = 0;
};

class Planner {
 public:
  // The route must outlive the planner.
  Planner(const RouteConfig& route, PlanTraits traits) : route_(&route), traits_(traits) {}

  // A place that can take an attempt at `when`: of the endpoints tried least in
  // this call the best target priority, in it a target by weight (or by the
  // affinity's hash), in it the endpoint that the upstream's balancing picks
  // among those of a priority that is healthy enough, with the next credential
  // that does not rest. None if nothing can take it.
  std::optional<Plan> Pick(TimePoint when, Random& random) const;

  // This call has tried it, the failure was not another credential's alone, and it
  // was not told when to come back.
  bool IsRepeat(const Plan& plan) const { return memory_.RepeatsOf(*plan.endpoint, plan.credential) > 0; }

  // What Pick could still give, for the retry decision. Where nothing is free,
  // an upstream that only lacks room shows as `crowded`.
  EndpointsLeft Left(TimePoint now) const;

  void Tried(const Plan& plan) { memory_.Tried(plan); }
  // The failure was the account's, not the endpoint's: with another credential
  // the endpoint counts as not tried.
  void BlameCredential(const Plan& plan) { memory_.BlameCredential(plan); }
  // The try was answered with a time to come back: who keeps to it repeats nothing.
  void Excuse(const Plan& plan) { memory_.Excuse(plan); }
  // Equal for calls of the route that may go to the same places.
  std::string Bars() const { return memory_.Bars(); }
  // The call goes there no more: the upstream cannot carry it.
  void Bar(const UpstreamConfig& upstream) { memory_.Bar(upstream); }
  // Nor with this credential at this upstream, which was refused or is used up.
  void BarCredential(const Plan& plan) { memory_.BarCredential(plan); }
  // Nor to this endpoint with this target's model, which it does not know.
  void Bar(const Plan& plan) { memory_.Bar(plan); }
  // The prompt is too long for an upstream with this context: only one that
  // declares a larger one will do.
  void RequireContextAbove(uint32_t tokens) { memory_.RequireContextAbove(tokens); }
  // Refused at the moment of going there (a half-open breaker's last permit, a
  // limit): left out until TakeBack.
  void SetAside(const EndpointConfig& endpoint) { memory_.SetAside(endpoint); }
  void SetAside(const UpstreamConfig& upstream) { memory_.SetAside(upstream); }
  void TakeBack() { memory_.TakeBack(); }
  // Starts anew: nothing counts as tried.
  void ForgetTries() { memory_.ForgetTries(); }

 private:
  using Surveys = std::vector<TargetSurvey>;

  // When the target's upstream may take an attempt, as far as that is not up to
  // its endpoints and its room, and the rate limit that it waits for, if that is
  // the reason.
  struct Opening {
    TimePoint at;
    std::string_view limit;
  };
  Opening OpensAt(const TargetConfig& target, TimePoint now) const;
  bool HasRoom(const TargetConfig& target) const;
  // The best that are left, of equal rank.
  Surveys Best(const SurveyContext& context, bool healthy_only) const;
  const TargetSurvey& ByWeight(const Surveys& surveys, Random& random) const;

  const RouteConfig* route_;
  PlanTraits traits_;
  PlanMemory memory_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_PLANNER_H_
