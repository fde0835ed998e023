// What a call takes and holds against others is given back where it came to
// nothing, and held against nobody else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/engine/limit_charges.h"
#include "server/engine/ticket.h"
#include "tests/support/call_harness.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using testing::ElementsAre;
using testing::IsEmpty;

class GivenBackTest : public testing::Test {
 protected:
  RetryBudgetFigures BudgetOf(const std::string& upstream) {
    for (const auto& [name, budget] : h.route.state->figures(h.loop.Now()).budgets) {
      if (name == upstream) return budget;
    }
    return {};
  }
  void Static(std::string text) {
    auto fallback = std::make_shared<FallbackConfig>();
    fallback->static_answer = std::move(text);
    h.route.fallback = fallback;
  }

  CallHarness h;
};

// Both fail once; the repeat is scheduled for a, which is full when it is due.
TEST_F(GivenBackTest, ARepeatThatGoesElsewhereIsChargedThereAlone) {
  h.route.retry.max_attempts = 3;
  h.Add("a/1");
  h.Add("b/1");
  h.On("a/1", {Script::Status(500)});
  h.On("b/1", {Script::Status(500), Script().Connect().Head(200).Body("text x\n", Seconds(1)).Body("done\n").End()});
  h.upstream("a").limits = ConcurrencyConfig{.max_requests = 1};
  h.Start();
  h.loop.RunFor(Milliseconds(50));
  ASSERT_THAT(h.Places(), ElementsAre("a/1", "b/1"));
  ASSERT_EQ(BudgetOf("a").retries, 1u);
  const auto other = h.upstream("a").state->TryStart(0, h.loop.Now(), h.random);
  ASSERT_EQ(other.refusal, UpstreamState::Refusal::kNone);
  h.loop.RunFor(Milliseconds(200));
  ASSERT_THAT(h.Places(), ElementsAre("a/1", "b/1", "b/1"));
  EXPECT_EQ(BudgetOf("a").retries, 0u);
  EXPECT_EQ(BudgetOf("b").retries, 1u);
  h.upstream("a").state->Withdrawn(other.permit, 0, false, h.loop.Now(), h.random);
  EXPECT_EQ(h.Run().outcome, CallOutcome::kComplete);
  EXPECT_THAT(h.Violations(), IsEmpty());
}

// Of those that are still the route's own: a share of calls that went elsewhere
// would allow retries that nobody's calls stand behind.
TEST_F(GivenBackTest, ACallThatFellBackCountsInItsOldRoutesBudgetNoMore) {
  h.Add("a/1");
  auto other = std::make_shared<RouteConfig>(h.route);
  h.Add("b/1");
  other->targets = {h.route.targets.back()};
  h.route.targets.pop_back();
  other->state = std::make_shared<RouteState>();
  auto fallback = std::make_shared<FallbackConfig>();
  fallback->route = other;
  h.route.fallback = fallback;
  h.route.retry.max_attempts = 1;
  h.On("a/1", {Script::Status(500)});
  h.On("b/1", {Script::Answer("y")});
  h.PutInForce();
  h.Start();
  EXPECT_EQ(BudgetOf("a").calls, 1u);
  // Between the route's last attempt and the fallback's first the call waits.
  h.endpoint("b/1").cooldowns[0]->RestUntil(h.loop.Now() + Seconds(2));
  h.loop.RunFor(Seconds(1));
  EXPECT_EQ(other->state->figures(h.loop.Now()).queue.length, 1u);
  EXPECT_EQ(BudgetOf("a").calls, 0u);
  EXPECT_EQ(h.Run().outcome, CallOutcome::kFallback);
}

TEST_F(GivenBackTest, WhatWasCollectedInPartDoesNotStandBeforeAFallbacksAnswer) {
  h.streaming = h.sink.shows = false;
  h.route.timeouts.overall = Seconds(1);
  h.Add("a/1");
  h.On("a/1", {Script().Connect().Head(200).Body("text half an answer\n")});
  Static("away");
  EXPECT_EQ(h.Run().outcome, CallOutcome::kFallback);
  EXPECT_EQ(h.sink.text, "away");
  EXPECT_EQ(h.sink.discards, 1);
}

TEST_F(GivenBackTest, OneEndpointsRestIsNotAnothers) {
  h.Add("a/1");
  h.Add("a/2", 1);
  h.On("a/1", {Script::Status(429, "", {{"retry-after", "60"}})});
  h.On("a/2", {Script::Answer("y")});
  EXPECT_EQ(h.Run().outcome, CallOutcome::kComplete);
  EXPECT_THAT(h.Places(), ElementsAre("a/1", "a/2"));
  EXPECT_GT(h.endpoint("a/1").cooldowns[0]->until(), h.loop.Now());
  EXPECT_EQ(h.endpoint("a/2").cooldowns[0]->until(), absl::InfinitePast());
}

TEST_F(GivenBackTest, TheBoundOfAnAnswerCountsThatAnswerOnly) {
  h.streaming = h.sink.shows = false;
  h.route.stream.max_response_bytes = 10;
  h.Add("a/1");
  h.On("a/1", {Script().Connect().Head(200).Body("text 1234567\n").Fail(HttpFailure::kReset),
               Script::Answer("1234567")});
  EXPECT_EQ(h.Run().outcome, CallOutcome::kComplete);
  EXPECT_EQ(h.sink.text, "1234567");
}

TEST_F(GivenBackTest, ARefusedCallTakesNothingOfTheOtherLimits) {
  const RateLimitConfig three{.requests = 3, .per = absl::Minutes(1)};
  const RateLimitConfig one{.requests = 1, .per = absl::Minutes(1)};
  h.Limit("all", three);
  h.Limit("each", one, RateLimitUse::Scope::kTenant);
  const TimePoint now = h.loop.Now();
  LimitCharges passed;
  ASSERT_FALSE(passed.Pass(h.route, "greedy", 1, now).has_value());
  for (int i = 0; i < 5; ++i) {
    LimitCharges refused;
    ASSERT_TRUE(refused.Pass(h.route, "greedy", 1, now).has_value());
  }
  for (const char* tenant : {"anna", "ben"}) {
    LimitCharges others;
    EXPECT_FALSE(others.Pass(h.route, tenant, 1, now).has_value()) << tenant;
  }
}

// What keeps an attempt from an upstream whose rate limit it has passed already.
struct Obstacle {
  const char* name;
  Ticket::Refusal refusal;
};

class TicketTest : public GivenBackTest, public testing::WithParamInterface<Obstacle> {};

TEST_P(TicketTest, ARefusedAttemptTakesNothingOfTheUpstreamsRateLimit) {
  h.Add("a/1");
  h.upstream("a").breaker = {};
  h.upstream("a").overall_breaker.emplace();
  h.upstream("a").limits = ConcurrencyConfig{.max_requests = 1};
  RateLimitUse& use = h.Limit("each", {.requests = 1, .per = absl::Minutes(1)}, RateLimitUse::Scope::kUpstream);
  h.PutInForce();
  const TimePoint now = h.loop.Now();
  UpstreamState& upstream = *h.upstream("a").state;
  switch (GetParam().refusal) {
    case Ticket::Refusal::kEndpoint:
      h.endpoint("a/1").state->TripBreaker(now, Seconds(10), "");
      break;
    case Ticket::Refusal::kUpstream:
      upstream.TripBreaker(now, Seconds(10), "");
      break;
    default:
      upstream.TryStart(1, now, h.random);
  }
  Ticket ticket;
  std::string limit;
  const Plan plan{&h.route.targets[0], &h.endpoint("a/1"), 0};
  EXPECT_EQ(Ticket::Take(h.route, plan, 1, now, h.random, &ticket, &limit), GetParam().refusal);
  EXPECT_FALSE(ticket.valid());
  EXPECT_LE(use.state->FreeAt("a", 1, now), now);
}

INSTANTIATE_TEST_SUITE_P(Obstacles, TicketTest,
                         testing::Values(Obstacle{"EndpointsBreaker", Ticket::Refusal::kEndpoint},
                                         Obstacle{"UpstreamsBreaker", Ticket::Refusal::kUpstream},
                                         Obstacle{"Concurrency", Ticket::Refusal::kConcurrency}),
                         [](const auto& info) { return info.param.name; });

// Half of the calls answer at once, half do not at all: too few fail to open the
// breaker, but too many are slow.
TEST_F(GivenBackTest, AnAttemptThatTimedOutCountsAsSlow) {
  h.route.retry.max_attempts = 1;
  h.route.timeouts.first_content = Seconds(2);
  h.Add("a/1");
  CircuitBreakerConfig& breaker = h.upstream("a").breaker;
  breaker = {};
  breaker.failure_percent = 100;
  breaker.slow_percent = 50;
  breaker.slow_after = Seconds(1);
  breaker.min_calls = 4;
  h.On("a/1", {Script::Answer("x"), Script().Connect().Head(200), Script::Answer("x"), Script().Connect().Head(200)});
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(h.endpoint("a/1").state->breaker_figures(h.loop.Now()).state, BreakerState::kClosed) << i;
    h.call.reset();
    h.sink = FakeSink();
    h.Start();
    h.Run();
  }
  const BreakerFigures figures = h.endpoint("a/1").state->breaker_figures(h.loop.Now());
  EXPECT_EQ(figures.state, BreakerState::kOpen);
  EXPECT_EQ(figures.last_trip.cause, BreakerTrip::Cause::kSlow);
  EXPECT_EQ(figures.last_trip.counts.slow, 2u);
}

}  // namespace
}  // namespace sluice
