// Attempts that go on without a caller: half open, for the upstream as a whole, and
// beside a hedge.
#include <gmock/gmock.h>

#include "tests/engine/impatient_fixture.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using testing::ElementsAre;
using testing::IsEmpty;

using VerifyingTest = VerifyingFixture;

// --- half open --------------------------------------------------------------

class HalfOpenVerifyingTest : public VerifyingTest {
 protected:
  void HalfOpen() {
    a().breaker.half_open_permits = 2;
    h.PutInForce();
    endpoint().TripBreaker(h.loop.Now(), Seconds(1), "by hand");
    h.loop.RunFor(Seconds(1));
  }
};

TEST_F(HalfOpenVerifyingTest, TheFirstAttemptWhoseCallerLeavesGoesOnWithItsPermit) {
  HalfOpen();
  Call(kPatience);
  EXPECT_EQ(running(), 1u);
  EXPECT_EQ(Breaker().permits_used, 1u);
  // The other permit is given back.
  Call(kPatience);
  EXPECT_EQ(running(), 1u);
  EXPECT_EQ(Breaker().permits_used, 1u);
}

TEST_F(HalfOpenVerifyingTest, ImpatientCallersAloneCloseItWhereItIsWell) {
  HalfOpen();
  h.On("a/1", {Steady(Seconds(1))});
  Call(kPatience);
  h.loop.RunFor(Seconds(1));
  EXPECT_EQ(Breaker().state, BreakerState::kHalfOpen);
  Call(kPatience);
  h.loop.RunFor(Seconds(1));
  EXPECT_EQ(Breaker().state, BreakerState::kClosed);
}

TEST_F(HalfOpenVerifyingTest, ImpatientCallersAloneOpenItWhereItIsSilent) {
  a().breaker.max_half_open = Seconds(30);
  HalfOpen();
  Call(kPatience);
  h.loop.RunFor(Seconds(5));
  Call(kPatience);
  h.loop.RunFor(Seconds(5));
  EXPECT_EQ(Breaker().state, BreakerState::kOpen);
  EXPECT_EQ(Breaker().last_trip.cause, BreakerTrip::Cause::kProbesFailed);
}

TEST_F(HalfOpenVerifyingTest, TheUpstreamsOwnBreakerHasItsProbeVerifiedToo) {
  a().breaker.mode = BreakerMode::kDisabled;
  a().overall_breaker = CircuitBreakerConfig{.half_open_permits = 1};
  h.PutInForce();
  a().state->TripBreaker(h.loop.Now(), Seconds(1), "by hand");
  h.loop.RunFor(Seconds(1));
  h.On("a/1", {Steady(Seconds(1))});
  Call(kPatience);
  EXPECT_EQ(running(), 1u);
  h.loop.RunFor(Seconds(1));
  EXPECT_EQ(a().state->breaker_figures(h.loop.Now())->state, BreakerState::kClosed);
}

TEST_F(VerifyingTest, TheUpstreamsOwnBreakerOpensWhereNobodyIsHeard) {
  a().breaker.mode = BreakerMode::kDisabled;
  a().overall_breaker = CircuitBreakerConfig{};
  Calls(6, kPatience);
  h.loop.RunFor(Seconds(6));
  EXPECT_THAT(h.observer.changes, ElementsAre("a/ 0>1"));
}

// --- hedges -----------------------------------------------------------------

// Beside a fast endpoint nobody would ever wait for a silent one.
TEST_F(VerifyingTest, WhatAHedgeIsFasterThanIsLeftToo) {
  h.Add("b/1");
  h.On("b/1", {Steady()});
  h.route.retry.max_attempts = 2;
  h.route.hedge = HedgeConfig{.delay = Milliseconds(50), .max_percent = 100};
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(Call().outcome, CallOutcome::kComplete);
    EXPECT_EQ(h.Attempts(), "a/1 abandoned; b/1 ok");
  }
  EXPECT_THAT(h.observer.verifying, testing::Contains("a/1 goes on"));
  h.loop.RunUntilIdle();
  EXPECT_EQ(Breaker().state, BreakerState::kOpen);
}

TEST_F(VerifyingTest, BothAttemptsOfACallMayGoOn) {
  h.Add("b/1");
  h.On("b/1", {Silent()});
  h.upstream("b").breaker = CircuitBreakerConfig{};
  h.route.retry.max_attempts = 2;
  h.route.hedge = HedgeConfig{.delay = Milliseconds(50), .max_percent = 100};
  Calls(6, kPatience);
  EXPECT_THAT(h.observer.verifying, testing::UnorderedElementsAre("a/1 goes on", "b/1 goes on"));
  EXPECT_EQ(h.transport.live, 2);
  h.loop.RunUntilIdle();
  EXPECT_THAT(h.observer.changes, testing::UnorderedElementsAre("a/1 0>1", "b/1 0>1"));
}

// The request is at fault, not the endpoint that it was sent to as well.
TEST_F(VerifyingTest, WhatIsEndedForAWrongRequestIsNotLeft) {
  h.Add("b/1");
  h.On("b/1", {Script::Status(400, "caller no")});
  h.route.retry.max_attempts = 2;
  h.route.hedge = HedgeConfig{.delay = Milliseconds(50), .max_percent = 100};
  Calls(12, absl::InfiniteDuration());
  EXPECT_EQ(h.Attempts(), "a/1 abandoned; b/1 failed caller");
  EXPECT_THAT(h.observer.verifying, IsEmpty());
}

}  // namespace
}  // namespace sluice
