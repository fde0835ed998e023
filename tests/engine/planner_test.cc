#include "server/engine/planner.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace sluice {
namespace {

const TimePoint kNow = absl::FromUnixSeconds(1000);

class PlannerTest : public testing::Test {
 protected:
  UpstreamConfig& Upstream(const std::string& name, uint32_t priority, uint32_t weight = 1) {
    auto upstream = std::make_shared<UpstreamConfig>();
    upstream->name = name;
    TargetConfig target;
    target.upstream = upstream;
    target.priority = priority;
    target.weight = weight;
    route_.targets.push_back(target);
    return *upstream;
  }

  static EndpointState& Endpoint(UpstreamConfig& upstream, const std::string& name, uint32_t priority = 0,
                                 uint32_t weight = 1, bool active = true) {
    EndpointConfig endpoint;
    endpoint.name = name;
    endpoint.priority = priority;
    endpoint.weight = weight;
    endpoint.active = active;
    endpoint.state = std::make_shared<EndpointState>();
    upstream.endpoints.push_back(endpoint);
    return *endpoint.state;
  }

  std::string Visit(Planner& planner) {
    const auto plan = planner.Pick(kNow, random_);
    if (!plan) return "";
    planner.Tried(*plan->endpoint);
    return plan->target->upstream->name + "/" + plan->endpoint->name;
  }

  std::map<std::string, int> Draw(int times) {
    std::map<std::string, int> counts;
    for (int i = 0; i < times; ++i) {
      Planner planner(route_);
      ++counts[Visit(planner)];
    }
    return counts;
  }

  RouteConfig route_;
  Random random_{5};
};

TEST_F(PlannerTest, RowA1GoesThroughEndpointsThenTargetsByPriority) {
  UpstreamConfig& b = Upstream("b", 0);
  Endpoint(b, "backup", 1);
  Endpoint(b, "primary", 0);
  Endpoint(Upstream("c", 1), "only");
  Planner planner(route_);
  EXPECT_EQ(Visit(planner), "b/primary");
  EXPECT_EQ(Visit(planner), "b/backup");
  EXPECT_EQ(Visit(planner), "c/only");
  // Already tried ones come last, and again from the best.
  EXPECT_EQ(Visit(planner), "b/primary");
}

TEST_F(PlannerTest, RowD12SplitsTargetsByWeightWhateverTheirEndpoints) {
  UpstreamConfig& a = Upstream("a", 0, 80);
  Endpoint(a, "x");
  UpstreamConfig& b = Upstream("b", 0, 20);
  for (const char* name : {"1", "2", "3", "4"}) Endpoint(b, name);
  const auto counts = Draw(10'000);
  EXPECT_NEAR(counts.at("a/x"), 8000, 200);
}

TEST_F(PlannerTest, SplitsEndpointsByWeight) {
  UpstreamConfig& a = Upstream("a", 0);
  Endpoint(a, "heavy", 0, 3);
  Endpoint(a, "light", 0, 1);
  EXPECT_NEAR(Draw(10'000).at("a/heavy"), 7500, 200);
}

TEST_F(PlannerTest, DrainingEndpointsAndZeroWeightsTakeNoCalls) {
  UpstreamConfig& a = Upstream("a", 0);
  Endpoint(a, "draining", 0, 1, false);
  Endpoint(a, "zero", 0, 0);
  Endpoint(Upstream("dark", 0, 0), "x");
  Planner planner(route_);
  EXPECT_EQ(Visit(planner), "");
  EXPECT_EQ(planner.Left(kNow).soonest, absl::InfiniteFuture());
}

TEST_F(PlannerTest, ACoolingEndpointIsPassedOver) {
  UpstreamConfig& a = Upstream("a", 0);
  Endpoint(a, "primary").CoolDownUntil(kNow + absl::Seconds(8));
  Endpoint(a, "backup", 1).CoolDownUntil(kNow);
  Planner planner(route_);
  EXPECT_EQ(Visit(planner), "a/backup");
  EXPECT_FALSE(planner.Left(kNow).untried);
  EXPECT_TRUE(planner.Left(kNow + absl::Seconds(8)).untried);
}

TEST_F(PlannerTest, TellsWhenTheFirstOfAllIsFree) {
  UpstreamConfig& a = Upstream("a", 0);
  Endpoint(a, "x").CoolDownUntil(kNow + absl::Seconds(8));
  Endpoint(a, "y").CoolDownUntil(kNow + absl::Seconds(5));
  Planner planner(route_);
  EXPECT_EQ(Visit(planner), "");
  EXPECT_EQ(planner.Left(kNow).soonest, kNow + absl::Seconds(5));
}

TEST_F(PlannerTest, ABarredUpstreamIsNotVisitedAgain) {
  UpstreamConfig& a = Upstream("a", 0);
  Endpoint(a, "x");
  Endpoint(a, "y");
  Endpoint(Upstream("b", 1), "z");
  Planner planner(route_);
  planner.Bar(a);
  EXPECT_EQ(Visit(planner), "b/z");
  EXPECT_EQ(Visit(planner), "b/z");
}

TEST_F(PlannerTest, ABarredPlaceIsNotVisitedAgainWithTheSameModel) {
  UpstreamConfig& a = Upstream("a", 0);
  Endpoint(a, "x");
  Endpoint(a, "y", 1);
  route_.targets.push_back(route_.targets[0]);
  route_.targets[1].model = "other";
  route_.targets[1].priority = 1;
  Planner planner(route_);
  planner.Bar({&route_.targets[0], &a.endpoints[0]});
  EXPECT_EQ(Visit(planner), "a/y");
  // With its other model x is still a place to go.
  const auto plan = planner.Pick(kNow, random_);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->endpoint->name, "x");
  EXPECT_EQ(plan->target->model, "other");
}

TEST(EndpointStateTest, ALongerCooldownIsNotShortened) {
  EndpointState state;
  EXPECT_EQ(state.cooling_until(), absl::InfinitePast());
  state.CoolDownUntil(kNow + absl::Seconds(8));
  state.CoolDownUntil(kNow + absl::Seconds(2));
  EXPECT_EQ(state.cooling_until(), kNow + absl::Seconds(8));
}

}  // namespace
}  // namespace sluice
