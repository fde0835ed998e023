#include "server/telemetry/engine_figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace sluice {
namespace {

const TimePoint kNow = absl::UnixEpoch() + absl::Hours(1);

EndpointConfig Endpoint(std::string name) {
  EndpointConfig endpoint;
  endpoint.name = std::move(name);
  endpoint.state = std::make_shared<EndpointState>();
  endpoint.state->Configure({}, /*active=*/true, kNow);
  endpoint.cooldowns = {std::make_shared<Cooldown>(), std::make_shared<Cooldown>()};
  return endpoint;
}

std::shared_ptr<UpstreamConfig> Upstream(std::string name, std::vector<EndpointConfig> endpoints) {
  auto upstream = std::make_shared<UpstreamConfig>();
  upstream->name = std::move(name);
  upstream->endpoints = std::move(endpoints);
  upstream->state = std::make_shared<UpstreamState>();
  return upstream;
}

std::shared_ptr<RouteConfig> Route(std::string name) {
  auto route = std::make_shared<RouteConfig>();
  route->name = std::move(name);
  route->model = route->name;
  route->state = std::make_shared<RouteState>();
  return route;
}

ResilienceFigures Figures(std::vector<std::shared_ptr<const UpstreamConfig>> upstreams,
                          std::vector<std::shared_ptr<const RouteConfig>> routes = {}) {
  const RouteTable table("epoch", 1, std::move(routes), std::move(upstreams));
  return FiguresOf(table, kNow);
}

EndpointCondition ConditionOf(const EndpointConfig& endpoint) {
  return Figures({Upstream("openai", {endpoint})}).endpoints.at(0).condition;
}

TEST(EngineFiguresTest, AnEndpointTellsWhyItTakesNothing) {
  EndpointConfig endpoint = Endpoint("a");
  EXPECT_EQ(ConditionOf(endpoint), EndpointCondition::kAvailable);
  endpoint.cooldowns[0]->RestUntil(kNow + absl::Seconds(1));
  EXPECT_EQ(ConditionOf(endpoint), EndpointCondition::kAvailable) << "the other credential does not rest";
  endpoint.cooldowns[1]->RestUntil(kNow + absl::Seconds(1));
  EXPECT_EQ(ConditionOf(endpoint), EndpointCondition::kCooling);
  endpoint.state->TripBreaker(kNow, absl::Seconds(10), "");
  EXPECT_EQ(ConditionOf(endpoint), EndpointCondition::kBreakerOpen);
  endpoint.state->Eject({}, kNow);
  EXPECT_EQ(ConditionOf(endpoint), EndpointCondition::kEjected);
  endpoint.state->SetHealthy(false, kNow);
  EXPECT_EQ(ConditionOf(endpoint), EndpointCondition::kUnhealthy);
  endpoint.active = false;
  EXPECT_EQ(ConditionOf(endpoint), EndpointCondition::kInactive);
}

TEST(EngineFiguresTest, ARestThatIsOverCountsNoMore) {
  EndpointConfig endpoint = Endpoint("a");
  for (const auto& cooldown : endpoint.cooldowns) cooldown->RestUntil(kNow);
  EXPECT_EQ(ConditionOf(endpoint), EndpointCondition::kAvailable);
}

TEST(EngineFiguresTest, BreakersOfEndpointsAndOfTheUpstreamShowTheirWindow) {
  const auto upstream = Upstream("openai", {Endpoint("a"), Endpoint("b")});
  Random random(1);
  EndpointState& state = *upstream->endpoints[0].state;
  for (int i = 0; i < 4; ++i) {
    AttemptResult result;
    result.outcome = i == 0 ? CircuitBreaker::Outcome::kFailure : CircuitBreaker::Outcome::kSuccess;
    const auto permit = state.TryStart(kNow, random);
    ASSERT_TRUE(permit);
    state.Ended(*permit, result, nullptr, kNow, random);
  }
  ASSERT_TRUE(state.TryStart(kNow, random));
  UpstreamPolicy policy;
  policy.breaker.emplace();
  upstream->state->Configure(policy, kNow);
  upstream->state->TripBreaker(kNow, absl::Seconds(10), "");
  const ResilienceFigures figures = Figures({upstream});
  ASSERT_EQ(figures.breakers.size(), 3u);
  EXPECT_EQ(figures.breakers[0].endpoint, "a");
  EXPECT_EQ(figures.breakers[0].calls, 4u);
  EXPECT_DOUBLE_EQ(figures.breakers[0].failure_ratio, 0.25);
  EXPECT_EQ(figures.breakers[0].state, BreakerState::kClosed);
  EXPECT_EQ(figures.breakers[2].upstream, "openai");
  EXPECT_EQ(figures.breakers[2].endpoint, "");
  EXPECT_EQ(figures.breakers[2].state, BreakerState::kOpen);
  EXPECT_EQ(figures.endpoints[0].in_flight, 1);
  EXPECT_EQ(figures.endpoints[1].in_flight, 0);
}

TEST(EngineFiguresTest, AnUpstreamShowsWhatIsUnderWayAndItsLimit) {
  const auto upstream = Upstream("openai", {});
  UpstreamPolicy policy;
  policy.limits.emplace().max_requests = 2;
  upstream->state->Configure(policy, kNow);
  Random random(1);
  ASSERT_EQ(upstream->state->TryStart(100, kNow, random).refusal, UpstreamState::Refusal::kNone);
  ASSERT_EQ(upstream->state->TryStart(50, kNow, random).refusal, UpstreamState::Refusal::kNone);
  upstream->state->Connected();
  const ResilienceFigures figures = Figures({upstream, Upstream("local", {})});
  ASSERT_EQ(figures.upstreams.size(), 2u);
  EXPECT_EQ(figures.upstreams[0].upstream, "openai");
  EXPECT_EQ(figures.upstreams[0].in_flight, 2);
  EXPECT_EQ(figures.upstreams[0].pending, 1);
  EXPECT_EQ(figures.upstreams[0].tokens, 150u);
  EXPECT_EQ(figures.upstreams[0].limit, 2u);
  EXPECT_EQ(figures.upstreams[1].limit, 0u);
  EXPECT_TRUE(figures.breakers.empty());
}

TEST(EngineFiguresTest, RowB6ARouteShowsItsBudgetAtEachUpstream) {
  const auto route = Route("chat");
  route->state->Configure({});
  const std::string openai = "openai";
  CallPresence presence;
  presence.MoveTo(*route->state, openai);
  ASSERT_EQ(route->state->TryChargeRetry(openai), RouteState::Charge::kAllowed);
  route->state->AttemptFailed(openai, true, kNow);
  const ResilienceFigures figures = Figures({}, {route});
  ASSERT_EQ(figures.budgets.size(), 1u);
  EXPECT_EQ(figures.budgets[0].route, "chat");
  EXPECT_EQ(figures.budgets[0].upstream, "openai");
  EXPECT_DOUBLE_EQ(figures.budgets[0].tokens, 9);
  EXPECT_DOUBLE_EQ(figures.budgets[0].max_tokens, 10);
  EXPECT_EQ(figures.budgets[0].retries, 1u);
  EXPECT_EQ(figures.budgets[0].limit, 3u);
}

// Every route's calls may wait, if only for times that are known.
TEST(EngineFiguresTest, RowD14ARouteWhoseCallsNeverWaitHasNoQueueToShow) {
  const auto by_default = Route("chat");
  const auto never = Route("batch");
  never->queue = QueueConfig{.max_length = 0};
  const ResilienceFigures figures = Figures({}, {by_default, never});
  ASSERT_EQ(figures.queues.size(), 1u);
  EXPECT_EQ(figures.queues[0].route, "chat");
  EXPECT_EQ(figures.queues[0].length, 0u);
}

TEST(EngineFiguresTest, RowD14AQueueShowsItsLengthAndOldest) {
  const auto route = Route("chat");
  QueueBound bound;
  for (const int age : {3, 1}) {
    route->state->queue().Enter({"acme", "all"}, kNow - absl::Seconds(age), absl::InfiniteFuture(), [] {}, &bound);
  }
  const ResilienceFigures figures = Figures({}, {route});
  ASSERT_EQ(figures.queues.size(), 1u);
  EXPECT_EQ(figures.queues[0].route, "chat");
  EXPECT_EQ(figures.queues[0].length, 2u);
  EXPECT_EQ(figures.queues[0].oldest, absl::Seconds(3));
}

TEST(EngineFiguresTest, ALimitThatTwoRoutesNameIsShownOnce) {
  RateLimitConfig config;
  config.requests = 1;
  RateLimitUse use;
  use.name = "per-minute";
  use.state = std::make_shared<RateLimitState>(config, 100);
  use.state->Configure(config, 100, kNow);
  use.state->TryTake("acme", 1, kNow);
  use.state->TryTake("acme", 1, kNow);
  const auto chat = Route("chat");
  const auto batch = Route("batch");
  chat->rate_limits = {use};
  batch->rate_limits = {use};
  const ResilienceFigures figures = Figures({}, {chat, batch});
  ASSERT_EQ(figures.rate_limits.size(), 1u);
  EXPECT_EQ(figures.rate_limits[0].limit, "per-minute");
  EXPECT_EQ(figures.rate_limits[0].refused, 1u);
  EXPECT_EQ(figures.rate_limits[0].keys, 1u);
}

}  // namespace
}  // namespace sluice
