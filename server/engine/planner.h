// Where a call's next attempt goes. The seam for breakers, balancers and
// limits: they take part by what they say of an endpoint here. One per call, on
// its loop.
#ifndef SLUICE_SERVER_ENGINE_PLANNER_H_
#define SLUICE_SERVER_ENGINE_PLANNER_H_

#include <optional>
#include <utility>
#include <vector>

#include "server/engine/route_table.h"
#include "server/resilience/random.h"
#include "server/resilience/retry_decision.h"

namespace sluice {

// One place to go; parts of the route, which outlives it.
struct Plan {
  const TargetConfig* target = nullptr;
  const EndpointConfig* endpoint = nullptr;
};

class Planner {
 public:
  // The route must outlive the planner.
  explicit Planner(const RouteConfig& route) : route_(route) {}

  // An endpoint that is not cooling at `when`: of those tried least in this
  // call the best target priority, in it a target by weight, in it the best
  // endpoint priority, in it an endpoint by weight. None if all are cooling or
  // barred.
  std::optional<Plan> Pick(TimePoint when, Random& random) const;

  // What Pick could still give, for the retry decision.
  EndpointsLeft Left(TimePoint now) const;

  void Tried(const EndpointConfig& endpoint);
  // This call goes there no more: its credential or quota was refused.
  void Bar(const UpstreamConfig& upstream);
  // Nor to this endpoint with this target's model, which it does not know.
  void Bar(const Plan& plan);

 private:
  struct Candidate {
    Plan plan;
    int tries = 0;
  };

  bool Usable(const TargetConfig& target) const;
  bool Usable(const TargetConfig& target, const EndpointConfig& endpoint) const;
  int TriesOf(const EndpointConfig& endpoint) const;
  template <typename Visitor>
  void ForEachUsable(Visitor visit) const;

  const RouteConfig& route_;
  // A handful at most: attempts are bounded.
  std::vector<std::pair<const EndpointConfig*, int>> tries_;
  std::vector<const UpstreamConfig*> barred_;
  std::vector<Plan> barred_plans_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_PLANNER_H_
