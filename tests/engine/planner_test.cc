#include "server/engine/planner.h"

#include <set>

#include "tests/engine/planner_fixture.h"

namespace sluice {
namespace {

using absl::Seconds;

class PlannerTest : public PlannerFixture {};

TEST_F(PlannerTest, RowA1GoesThroughEndpointsThenTargetsByPriority) {
  UpstreamConfig& b = Upstream("b", 0);
  Endpoint(b, "backup", 1);
  Endpoint(b, "primary", 0);
  Endpoint(Upstream("c", 1), "only");
  Planner planner = NewPlanner();
  EXPECT_EQ(Visit(planner), "b/primary");
  EXPECT_EQ(Visit(planner), "b/backup");
  EXPECT_EQ(Visit(planner), "c/only");
  // Already tried ones come last, and again from the best.
  EXPECT_EQ(Visit(planner), "b/primary");
}

TEST_F(PlannerTest, RowD12SplitsTargetsByWeightWhateverTheirEndpoints) {
  UpstreamConfig& a = Upstream("a", 0, 80);
  Endpoint(a, "x");
  Endpoints(Upstream("b", 0, 20), 4);
  ExpectShare(Draw(10'000).at("a/x"), 10'000, 0.8, "a");
}

TEST_F(PlannerTest, DrainingEndpointsAndZeroWeightsTakeNoCalls) {
  UpstreamConfig& a = Upstream("a");
  Endpoint(a, "draining").active = false;
  Endpoint(a, "zero", 0, 0);
  Endpoint(Upstream("dark", 0, 0), "x");
  Planner planner = NewPlanner();
  EXPECT_EQ(Visit(planner), "");
  EXPECT_EQ(planner.Left(kNow).soonest, absl::InfiniteFuture());
  EXPECT_FALSE(planner.Left(kNow).untried);
}

TEST_F(PlannerTest, ACoolingEndpointIsPassedOver) {
  UpstreamConfig& a = Upstream("a");
  Rest(Endpoint(a, "primary"), Seconds(8));
  Endpoint(a, "backup", 1);
  Planner planner = NewPlanner();
  EXPECT_EQ(Visit(planner), "a/backup");
  EXPECT_FALSE(planner.Left(kNow).untried);
  EXPECT_TRUE(planner.Left(kNow + Seconds(8)).untried);
  EXPECT_EQ(Place(planner.Pick(kNow + Seconds(8), random_)), "a/primary");
}

TEST_F(PlannerTest, TellsWhenTheFirstOfAllIsFree) {
  UpstreamConfig& a = Upstream("a");
  a.endpoints.reserve(4);
  Rest(Endpoint(a, "cooling"), Seconds(8));
  Eject(Endpoint(a, "ejected"));
  Trip(Endpoint(a, "open"), Seconds(5));
  Planner planner = NewPlanner();
  EXPECT_EQ(Visit(planner), "");
  EXPECT_EQ(planner.Left(kNow).soonest, kNow + Seconds(5));
  Rest(a.endpoints[2], Seconds(60));
  EXPECT_EQ(planner.Left(kNow).soonest, kNow + Seconds(8));
  Rest(a.endpoints[0], Seconds(60));
  EXPECT_EQ(planner.Left(kNow).soonest, kNow + Seconds(30));
}

TEST_F(PlannerTest, ABarredUpstreamIsNotVisitedAgain) {
  UpstreamConfig& a = Upstream("a");
  Endpoints(a, 2);
  Endpoint(Upstream("b", 1), "z");
  Planner planner = NewPlanner();
  planner.Bar(a);
  planner.TakeBack();
  EXPECT_EQ(Visit(planner), "b/z");
  EXPECT_EQ(Visit(planner), "b/z");
}

TEST_F(PlannerTest, ABarredPlaceIsNotVisitedAgainWithTheSameModel) {
  UpstreamConfig& a = Upstream("a");
  Endpoint(a, "x");
  Endpoint(a, "y", 1);
  route_.targets.push_back(route_.targets[0]);
  route_.targets[1].model = "other";
  route_.targets[1].priority = 1;
  Planner planner = NewPlanner();
  planner.Bar({&route_.targets[0], &a.endpoints[0]});
  EXPECT_EQ(Visit(planner), "a/y");
  // With its other model x is still a place to go.
  const auto plan = planner.Pick(kNow, random_);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->endpoint->name, "x");
  EXPECT_EQ(plan->target->model, "other");
}

TEST_F(PlannerTest, WhatIsSetAsideIsLeftOutUntilItIsTakenBack) {
  UpstreamConfig& a = Upstream("a");
  Endpoint(a, "x");
  Endpoint(a, "y", 1);
  Endpoint(Upstream("b", 1), "z");
  Planner planner = NewPlanner();
  planner.SetAside(a.endpoints[0]);
  EXPECT_EQ(Place(planner.Pick(kNow, random_)), "a/y");
  planner.SetAside(a);
  EXPECT_EQ(Place(planner.Pick(kNow, random_)), "b/z");
  planner.SetAside(*route_.targets[1].upstream);
  EXPECT_EQ(planner.Left(kNow).soonest, absl::InfiniteFuture());
  planner.TakeBack();
  EXPECT_EQ(Place(planner.Pick(kNow, random_)), "a/x");
}

TEST_F(PlannerTest, StartsAnewWhereItsTriesAreForgotten) {
  UpstreamConfig& a = Upstream("a");
  Endpoint(a, "x");
  Endpoint(a, "y", 1);
  Planner planner = NewPlanner();
  EXPECT_EQ(Visit(planner), "a/x");
  planner.ForgetTries();
  EXPECT_TRUE(planner.Left(kNow).untried);
  EXPECT_EQ(Visit(planner), "a/x");
}

TEST_F(PlannerTest, ALongPromptGoesOnlyWhereALargerContextIsDeclared) {
  UpstreamConfig& a = Upstream("small");
  a.context_tokens = 8000;
  Endpoint(a, "x");
  Endpoint(Upstream("unknown", 1), "x");
  UpstreamConfig& c = Upstream("large", 2);
  c.context_tokens = 8001;
  Endpoint(c, "x");
  Planner planner = NewPlanner();
  EXPECT_EQ(Visit(planner), "small/x");
  planner.RequireContextAbove(8000);
  EXPECT_EQ(Visit(planner), "large/x");
  planner.RequireContextAbove(100);
  EXPECT_EQ(Visit(planner), "large/x");
}

// --- credentials --------------------------------------------------------------

TEST_F(PlannerTest, CredentialsTakeTurns) {
  UpstreamConfig& a = Upstream("a", 0, 1, 3);
  Endpoint(a, "x");
  std::vector<int> counts(3, 0);
  for (int i = 0; i < 30; ++i) ++counts.at(NewPlanner().Pick(kNow, random_)->credential);
  EXPECT_EQ(counts, std::vector<int>(3, 10));
}

TEST_F(PlannerTest, ARestingCredentialIsPassedOverAtThatEndpointOnly) {
  UpstreamConfig& a = Upstream("a", 0, 1, 2);
  Endpoint(a, "x");
  Endpoint(a, "y", 1);
  a.endpoints[0].cooldowns[1]->RestUntil(kNow + Seconds(5));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(NewPlanner().Pick(kNow, random_)->credential, 0u);
  Planner planner = NewPlanner();
  planner.SetAside(a.endpoints[0]);
  std::set<size_t> used;
  for (int i = 0; i < 10; ++i) used.insert(planner.Pick(kNow, random_)->credential);
  EXPECT_EQ(used.size(), 2u);
}

TEST_F(PlannerTest, ABarredCredentialIsUsedAtNoEndpointOfItsUpstream) {
  UpstreamConfig& a = Upstream("a", 0, 1, 2);
  Endpoints(a, 3);
  Endpoint(Upstream("b", 1, 1, 2), "z");
  Planner planner = NewPlanner();
  planner.BarCredential({&route_.targets[0], &a.endpoints[0], 0});
  for (int i = 0; i < 6; ++i) EXPECT_EQ(planner.Pick(kNow, random_)->credential, 1u);
  planner.BarCredential({&route_.targets[0], &a.endpoints[0], 1});
  EXPECT_EQ(Visit(planner), "b/z");
}

TEST_F(PlannerTest, WithAnotherCredentialABlamedEndpointCountsAsNotTried) {
  UpstreamConfig& a = Upstream("a", 0, 1, 2);
  Endpoint(a, "x");
  Endpoint(a, "y", 1);
  Planner planner = NewPlanner();
  const Plan first = *planner.Pick(kNow, random_);
  EXPECT_FALSE(planner.IsRepeat(first));
  planner.Tried(first);
  EXPECT_TRUE(planner.IsRepeat(first));
  planner.BlameCredential(first);
  const Plan second = *planner.Pick(kNow, random_);
  EXPECT_EQ(second.endpoint, first.endpoint);
  EXPECT_NE(second.credential, first.credential);
  EXPECT_FALSE(planner.IsRepeat(second));
  planner.Tried(second);
  // With either credential it is a repeat now.
  EXPECT_TRUE(planner.IsRepeat(first));
  EXPECT_EQ(Visit(planner), "a/y");
}

TEST_F(PlannerTest, ABlamedCredentialThatIsTheOnlyOneIsARepeat) {
  UpstreamConfig& a = Upstream("a");
  Endpoint(a, "x");
  Endpoint(a, "y", 1);
  Planner planner = NewPlanner();
  const Plan first = *planner.Pick(kNow, random_);
  planner.Tried(first);
  planner.BlameCredential(first);
  EXPECT_TRUE(planner.IsRepeat(first));
  EXPECT_EQ(Visit(planner), "a/y");
  EXPECT_FALSE(planner.Left(kNow).untried);
}

TEST_F(PlannerTest, AnEndpointIsFreeWithTheFirstOfItsCredentials) {
  UpstreamConfig& a = Upstream("a", 0, 1, 3);
  EndpointConfig& x = Endpoint(a, "x");
  for (size_t i = 0; i < 3; ++i) x.cooldowns[i]->RestUntil(kNow + Seconds(3 + i));
  Planner planner = NewPlanner();
  EXPECT_EQ(planner.Left(kNow).soonest, kNow + Seconds(3));
  planner.BarCredential({&route_.targets[0], &x, 0});
  EXPECT_EQ(planner.Left(kNow).soonest, kNow + Seconds(4));
}

// --- what concerns a whole upstream -------------------------------------------

TEST_F(PlannerTest, RowB1AnUpstreamWhoseOwnBreakerIsOpenIsPassedOver) {
  UpstreamConfig& a = Upstream("a");
  Endpoint(a, "x");
  Endpoint(Upstream("b", 1), "y");
  a.state->Configure({.breaker = CircuitBreakerConfig{}}, kNow);
  a.state->TripBreaker(kNow, Seconds(20), "test");
  Planner planner = NewPlanner();
  planner.Bar(*route_.targets[1].upstream);
  EXPECT_EQ(Place(planner.Pick(kNow, random_)), "");
  EXPECT_EQ(planner.Left(kNow).soonest, kNow + Seconds(20));
  EXPECT_EQ(Place(planner.Pick(kNow + Seconds(20), random_)), "a/x");
  EXPECT_EQ(Draw(10).at("b/y"), 10);
}

TEST_F(PlannerTest, AnUpstreamWithoutRoomIsCrowdedNotGone) {
  UpstreamConfig& a = Upstream("a");
  Endpoint(a, "x");
  ConcurrencyConfig limits;
  limits.max_requests = 1;
  a.state->Configure({.limits = limits}, kNow);
  EXPECT_FALSE(NewPlanner().Left(kNow).crowded);
  const auto start = a.state->TryStart(0, kNow, random_);
  ASSERT_EQ(start.refusal, UpstreamState::Refusal::kNone);
  Planner planner = NewPlanner();
  EXPECT_EQ(Visit(planner), "");
  EXPECT_TRUE(planner.Left(kNow).crowded);
  EXPECT_EQ(planner.Left(kNow).soonest, absl::InfiniteFuture());
  // Elsewhere there may be room.
  Endpoint(Upstream("b", 1), "y");
  EXPECT_EQ(Visit(planner), "b/y");
  a.state->Withdrawn(start.permit, 0, false, kNow, random_);
  EXPECT_EQ(Visit(planner), "a/x");
}

TEST_F(PlannerTest, AnUpstreamWithoutRoomThatIsDownIsNotCrowded) {
  UpstreamConfig& a = Upstream("a");
  Rest(Endpoint(a, "x"), Seconds(9));
  ConcurrencyConfig limits;
  limits.max_requests = 1;
  a.state->Configure({.limits = limits}, kNow);
  a.state->TryStart(0, kNow, random_);
  EXPECT_FALSE(NewPlanner().Left(kNow).crowded);
  EXPECT_EQ(NewPlanner().Left(kNow).soonest, kNow + Seconds(9));
}

TEST_F(PlannerTest, AnUpstreamWhoseRateLimitIsUsedUpIsPassedOver) {
  UpstreamConfig& a = Upstream("a");
  Endpoint(a, "x");
  const auto limit = std::make_shared<RateLimitState>(RateLimitConfig{.requests = 1, .per = Seconds(10)}, 10);
  route_.rate_limits.push_back({.name = "rl", .scope = RateLimitUse::Scope::kUpstream, .state = limit});
  // A limit of another scope is not the planner's.
  const auto other = std::make_shared<RateLimitState>(RateLimitConfig{.requests = 1, .per = absl::Hours(1)}, 10);
  route_.rate_limits.push_back({.name = "other", .scope = RateLimitUse::Scope::kRoute, .state = other});
  EXPECT_FALSE(other->TryTake("a", 0, kNow));
  EXPECT_EQ(Place(NewPlanner().Pick(kNow, random_)), "a/x");
  EXPECT_FALSE(limit->TryTake("a", 0, kNow));
  EXPECT_EQ(Place(NewPlanner().Pick(kNow, random_)), "");
  EXPECT_EQ(NewPlanner().Left(kNow).soonest, kNow + Seconds(10));
  EXPECT_EQ(Place(NewPlanner().Pick(kNow + Seconds(10), random_)), "a/x");
}

// --- affinity -------------------------------------------------------------------

TEST_F(PlannerTest, AffinityPicksTheSameTargetInProportionToTheWeights) {
  Endpoint(Upstream("a", 0, 70), "x");
  Endpoint(Upstream("b", 0, 20), "x");
  Endpoint(Upstream("c", 0, 10), "x");
  std::map<std::string, int> counts;
  constexpr int kSessions = 20'000;
  for (int i = 0; i < kSessions; ++i) {
    const uint64_t session = random_.Next();
    const std::string first = Place(NewPlanner({.affinity = session}).Pick(kNow, random_));
    ++counts[first];
    ASSERT_EQ(Place(NewPlanner({.affinity = session}).Pick(kNow, random_)), first);
  }
  ExpectShare(counts["a/x"], kSessions, 0.7, "a");
  ExpectShare(counts["b/x"], kSessions, 0.2, "b");
  ExpectShare(counts["c/x"], kSessions, 0.1, "c");
}

TEST_F(PlannerTest, WhenATargetIsOutOnlyItsOwnSessionsMove) {
  UpstreamConfig& a = Upstream("a", 0, 70);
  Endpoint(a, "x");
  Endpoint(Upstream("b", 0, 20), "x");
  Endpoint(Upstream("c", 0, 10), "x");
  std::map<uint64_t, std::string> before;
  for (uint64_t session = 0; session < 2000; ++session) {
    before[session] = Place(NewPlanner({.affinity = session}).Pick(kNow, random_));
  }
  Rest(a.endpoints[0], Seconds(1));
  for (const auto& [session, place] : before) {
    const std::string now = Place(NewPlanner({.affinity = session}).Pick(kNow, random_));
    EXPECT_EQ(now == place, place != "a/x") << session;
  }
}

TEST(CooldownTest, ALongerRestIsNotShortened) {
  Cooldown cooldown;
  EXPECT_EQ(cooldown.until(), absl::InfinitePast());
  cooldown.RestUntil(kNow + Seconds(8));
  cooldown.RestUntil(kNow + Seconds(2));
  EXPECT_EQ(cooldown.until(), kNow + Seconds(8));
}

}  // namespace
}  // namespace sluice
