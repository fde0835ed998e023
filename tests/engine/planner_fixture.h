// Routes in a line for tests of the planner, and what a plan made of them.
#ifndef SLUICE_TESTS_ENGINE_PLANNER_FIXTURE_H_
#define SLUICE_TESTS_ENGINE_PLANNER_FIXTURE_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/engine/endpoint_index.h"
#include "server/engine/planner.h"
#include "tests/resilience/seeded.h"

namespace sluice {

inline const TimePoint kNow = absl::FromUnixSeconds(1000);

class PlannerFixture : public SeededTest {
 protected:
  UpstreamConfig& Upstream(const std::string& name, uint32_t priority = 0, uint32_t weight = 1, size_t credentials = 1) {
    auto upstream = std::make_shared<UpstreamConfig>();
    upstream->name = name;
    upstream->state = std::make_shared<UpstreamState>();
    for (size_t i = 0; i < credentials; ++i) upstream->credentials.push_back({"env:KEY" + std::to_string(i), "secret"});
    TargetConfig target;
    target.upstream = upstream;
    target.priority = priority;
    target.weight = weight;
    route_.targets.push_back(target);
    return *upstream;
  }

  static EndpointConfig& Endpoint(UpstreamConfig& upstream, const std::string& name, uint32_t priority = 0,
                                  uint32_t weight = 1) {
    EndpointConfig endpoint;
    endpoint.name = name;
    endpoint.priority = priority;
    endpoint.weight = weight;
    endpoint.state = std::make_shared<EndpointState>();
    for (size_t i = 0; i < upstream.credentials.size(); ++i) endpoint.cooldowns.push_back(std::make_shared<Cooldown>());
    upstream.endpoints.push_back(endpoint);
    return upstream.endpoints.back();
  }
  // Named 0, 1, …
  static void Endpoints(UpstreamConfig& upstream, int count, uint32_t priority = 0) {
    for (int i = 0; i < count; ++i) Endpoint(upstream, std::to_string(upstream.endpoints.size()), priority);
  }
  // As the compiler does once the endpoints are there.
  static void Index(UpstreamConfig& upstream) { upstream.index = EndpointIndex::Make(upstream); }

  static void Rest(EndpointConfig& endpoint, Duration time) {
    for (const auto& cooldown : endpoint.cooldowns) cooldown->RestUntil(kNow + time);
  }
  static void Eject(EndpointConfig& endpoint) { endpoint.state->Eject(OutlierConfig{}, kNow); }  // for 30 s
  static void Trip(EndpointConfig& endpoint, Duration time) { endpoint.state->TripBreaker(kNow, time, "test"); }
  void Load(EndpointConfig& endpoint, int calls) {
    for (int i = 0; i < calls; ++i) endpoint.state->TryStart(kNow, random_);
  }
  void Answers(EndpointConfig& endpoint, Duration time_to_first_token) {
    CircuitBreaker::Permit none;
    endpoint.state->Answers(none, time_to_first_token, absl::Seconds(10), kNow, random_);
  }

  Planner NewPlanner(PlanTraits traits = {}) { return Planner(route_, traits); }

  static std::string Place(const std::optional<Plan>& plan) {
    return plan ? plan->upstream().name + "/" + plan->endpoint->name : "";
  }
  std::string Visit(Planner& planner) {
    const auto plan = planner.Pick(kNow, random_);
    if (plan) planner.Tried(*plan);
    return Place(plan);
  }
  // Where the first attempts of so many calls go.
  std::map<std::string, int> Draw(int times, TimePoint when = kNow) {
    std::map<std::string, int> counts;
    for (int i = 0; i < times; ++i) ++counts[Place(NewPlanner().Pick(when, random_))];
    return counts;
  }

  RouteConfig route_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_ENGINE_PLANNER_FIXTURE_H_
