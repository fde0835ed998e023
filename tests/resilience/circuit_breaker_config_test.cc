// What a config change does to a breaker that is at work, and the modes that an
// operator may set.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/resilience/circuit_breaker.h"

namespace sluice {
namespace {

using absl::Seconds;
using Outcome = CircuitBreaker::Outcome;
using Permit = CircuitBreaker::Permit;

class CircuitBreakerConfigTest : public testing::Test {
 protected:
  void Configure() { breaker_.Configure(config_, now_); }
  void SetMode(BreakerMode mode) {
    config_.mode = mode;
    Configure();
  }
  std::optional<Permit> Acquire() { return breaker_.TryAcquire(now_, random_); }
  void Record(const Permit& permit, Outcome outcome) {
    breaker_.Record(permit, outcome, Seconds(1), "503", now_, random_);
  }
  void Calls(int count, Outcome outcome) {
    for (int i = 0; i < count; ++i) Record(Acquire().value(), outcome);
  }
  void Fail(int count) { Calls(count, Outcome::kFailure); }
  void Succeed(int count) { Calls(count, Outcome::kSuccess); }
  BreakerFigures Figures() const { return breaker_.Figures(now_); }
  BreakerState State() const { return breaker_.state(now_); }
  void PassOpenTime() { now_ = Figures().open_until; }

  TimePoint now_ = absl::FromUnixSeconds(10'000);
  Random random_{1};
  CircuitBreakerConfig config_;
  CircuitBreaker breaker_{config_, now_};
};

// --- Config change

TEST_F(CircuitBreakerConfigTest, NewThresholdsKeepStateAndCounters) {
  Succeed(14);
  Fail(6);
  config_.failure_percent = 30;
  config_.min_calls = 10;
  Configure();
  EXPECT_EQ(State(), BreakerState::kClosed);
  EXPECT_EQ(Figures().counts, (CallCounts{.calls = 20, .failures = 6}));
  Fail(1);  // judged at the next completion: 7 of 21
  EXPECT_EQ(State(), BreakerState::kOpen);
}

TEST_F(CircuitBreakerConfigTest, NewThresholdsDoNotCloseWhatIsOpenNorMoveItsEnd) {
  Fail(20);
  const TimePoint until = Figures().open_until;
  config_.failure_percent = 100;
  config_.min_calls = 1000;
  config_.open = Seconds(1);
  Configure();
  EXPECT_EQ(State(), BreakerState::kOpen);
  EXPECT_EQ(Figures().open_until, until);
}

TEST_F(CircuitBreakerConfigTest, ANewWindowResetsTheCounters) {
  Fail(19);
  config_.time_window = Seconds(120);
  Configure();
  EXPECT_EQ(Figures().counts, CallCounts{});
  Fail(19);
  config_.count_window = true;
  Configure();
  EXPECT_EQ(Figures().counts, CallCounts{});
  Fail(10);
  config_.count = 50;
  Configure();
  EXPECT_EQ(Figures().counts, CallCounts{});
  EXPECT_EQ(State(), BreakerState::kClosed);
}

TEST_F(CircuitBreakerConfigTest, TheSizeOfAWindowThatIsNotInUseResetsNothing) {
  Fail(7);
  config_.count = 7;
  Configure();
  EXPECT_EQ(Figures().counts.calls, 7u);
}

TEST_F(CircuitBreakerConfigTest, ANewWindowNeverClosesOpen) {
  Fail(20);
  config_.time_window = Seconds(5);
  Configure();
  EXPECT_EQ(State(), BreakerState::kOpen);
  EXPECT_EQ(Figures().counts, CallCounts{});
  EXPECT_EQ(Figures().last_trip.counts.failures, 20u);
  EXPECT_FALSE(Acquire());
}

TEST_F(CircuitBreakerConfigTest, ResultsUnderWayCountInTheNewWindow) {
  const Permit permit = *Acquire();
  config_.time_window = Seconds(10);
  Configure();
  Record(permit, Outcome::kFailure);
  EXPECT_EQ(Figures().counts.failures, 1u);
}

TEST_F(CircuitBreakerConfigTest, FewerPermitsSettleHalfOpenByTheAnswersThatAreHere) {
  config_.half_open_permits = 5;
  Configure();
  Fail(20);
  PassOpenTime();
  Succeed(2);
  ASSERT_EQ(State(), BreakerState::kHalfOpen);
  config_.half_open_permits = 3;
  Configure();
  EXPECT_EQ(State(), BreakerState::kHalfOpen);
  config_.half_open_permits = 2;
  Configure();
  EXPECT_EQ(State(), BreakerState::kClosed);
}

TEST_F(CircuitBreakerConfigTest, FewerPermitsThanFailedProbesOpenAgain) {
  config_.half_open_permits = 5;
  Configure();
  Fail(20);
  PassOpenTime();
  Fail(2);
  config_.half_open_permits = 1;
  Configure();
  EXPECT_EQ(State(), BreakerState::kOpen);
  EXPECT_EQ(Figures().opened_in_row, 2u);
}

TEST_F(CircuitBreakerConfigTest, MorePermitsAdmitMoreProbes) {
  Fail(20);
  PassOpenTime();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Acquire());
  ASSERT_FALSE(Acquire());
  config_.half_open_permits = 4;
  Configure();
  EXPECT_TRUE(Acquire());
  EXPECT_FALSE(Acquire());
}

TEST_F(CircuitBreakerConfigTest, AShorterHalfOpenEndsNowAndNotInThePast) {
  Fail(20);
  PassOpenTime();
  ASSERT_TRUE(Acquire());
  now_ += Seconds(20);
  config_.max_half_open = Seconds(5);
  Configure();
  EXPECT_EQ(State(), BreakerState::kOpen);
  EXPECT_EQ(Figures().since, now_);
}

TEST_F(CircuitBreakerConfigTest, AShorterWindowForgetsSooner) {
  config_.time_window = Seconds(6);
  Configure();
  Fail(19);
  now_ += Seconds(6);
  EXPECT_EQ(Figures().counts.calls, 0u);
}

// --- Modes

TEST_F(CircuitBreakerConfigTest, DisabledAdmitsAllAndRecordsNothing) {
  SetMode(BreakerMode::kDisabled);
  Fail(1000);
  EXPECT_EQ(State(), BreakerState::kDisabled);
  EXPECT_EQ(Figures().counts, CallCounts{});
  EXPECT_EQ(breaker_.AdmitsAt(now_), now_);
  SetMode(BreakerMode::kAutomatic);
  EXPECT_EQ(State(), BreakerState::kClosed);
}

TEST_F(CircuitBreakerConfigTest, CallsAdmittedWhileDisabledNeverCount) {
  SetMode(BreakerMode::kDisabled);
  const Permit permit = *Acquire();
  SetMode(BreakerMode::kAutomatic);
  for (int i = 0; i < 100; ++i) Record(permit, Outcome::kFailure);
  EXPECT_EQ(Figures().counts, CallCounts{});
}

TEST_F(CircuitBreakerConfigTest, DisabledLetsCallsThroughAnOpenBreaker) {
  Fail(20);
  SetMode(BreakerMode::kDisabled);
  EXPECT_TRUE(breaker_.Admits(now_));
  EXPECT_TRUE(Acquire());
  EXPECT_EQ(Figures().automatic, BreakerState::kOpen);
  SetMode(BreakerMode::kAutomatic);  // nothing was learnt meanwhile
  EXPECT_EQ(State(), BreakerState::kOpen);
  EXPECT_FALSE(Acquire());
}

TEST_F(CircuitBreakerConfigTest, ForcedOpenAdmitsNothing) {
  SetMode(BreakerMode::kForcedOpen);
  EXPECT_EQ(State(), BreakerState::kForcedOpen);
  EXPECT_FALSE(breaker_.Admits(now_));
  EXPECT_FALSE(Acquire());
  EXPECT_EQ(breaker_.AdmitsAt(now_), absl::InfiniteFuture());
  now_ += absl::Hours(100);
  EXPECT_FALSE(Acquire());
  EXPECT_EQ(Figures().since, now_ - absl::Hours(100));
  EXPECT_EQ(Figures().refused_total, 2u);
  SetMode(BreakerMode::kAutomatic);
  EXPECT_TRUE(Acquire());
}

TEST_F(CircuitBreakerConfigTest, WhatEndsWhileForcedOpenIsNotRecorded) {
  Fail(19);
  const Permit permit = *Acquire();
  SetMode(BreakerMode::kForcedOpen);
  Record(permit, Outcome::kFailure);
  EXPECT_EQ(Figures().counts.calls, 19u);
  EXPECT_EQ(Figures().automatic, BreakerState::kClosed);
}

TEST_F(CircuitBreakerConfigTest, AProbeThatEndsWhileDisabledGivesItsPermitBack) {
  Fail(20);
  PassOpenTime();
  const Permit probe = *Acquire();
  ASSERT_TRUE(Acquire() && Acquire());
  SetMode(BreakerMode::kDisabled);
  Record(probe, Outcome::kFailure);
  SetMode(BreakerMode::kAutomatic);
  EXPECT_EQ(State(), BreakerState::kHalfOpen);
  EXPECT_TRUE(Acquire());
}

TEST_F(CircuitBreakerConfigTest, ObserveOnlyAdmitsAllAndTellsWhatItWouldDo) {
  SetMode(BreakerMode::kObserveOnly);
  Fail(20);
  EXPECT_EQ(State(), BreakerState::kObserveOnly);
  EXPECT_EQ(Figures().automatic, BreakerState::kOpen);
  EXPECT_EQ(Figures().last_trip.reason, "20 of 20 calls failed in the last 60 s (100 % >= 50 %)");
  EXPECT_TRUE(breaker_.Admits(now_));
  EXPECT_EQ(breaker_.AdmitsAt(now_), now_);
  Fail(7);  // would have been refused
  EXPECT_EQ(Figures().refused_total, 7u);
  EXPECT_EQ(Figures().counts.calls, 20u);
}

TEST_F(CircuitBreakerConfigTest, ObserveOnlyWouldProbeAndClose) {
  SetMode(BreakerMode::kObserveOnly);
  Fail(20);
  PassOpenTime();
  ASSERT_TRUE(Acquire()->probe);
  EXPECT_EQ(Figures().automatic, BreakerState::kHalfOpen);
  for (int i = 0; i < 2; ++i) Record(*Acquire(), Outcome::kSuccess);
  const Permit more = *Acquire();
  EXPECT_FALSE(more.probe);  // beyond the permits
  Record(more, Outcome::kFailure);
  EXPECT_EQ(Figures().automatic, BreakerState::kHalfOpen);
}

TEST_F(CircuitBreakerConfigTest, FromObserveOnlyToAutomaticTheVerdictTakesEffect) {
  SetMode(BreakerMode::kObserveOnly);
  Fail(20);
  SetMode(BreakerMode::kAutomatic);
  EXPECT_EQ(State(), BreakerState::kOpen);
  EXPECT_FALSE(Acquire());
}

TEST_F(CircuitBreakerConfigTest, AnOperatorsTripSaysWhetherTheModeLetsItAct) {
  EXPECT_TRUE(breaker_.Trip(now_, Seconds(60), "x"));
  SetMode(BreakerMode::kForcedOpen);
  EXPECT_TRUE(breaker_.Trip(now_, Seconds(60), "x"));
  SetMode(BreakerMode::kObserveOnly);
  EXPECT_FALSE(breaker_.Trip(now_, Seconds(60), "x"));
  SetMode(BreakerMode::kDisabled);
  EXPECT_FALSE(breaker_.Trip(now_, Seconds(60), "x"));
  SetMode(BreakerMode::kAutomatic);
  EXPECT_FALSE(Acquire());  // still lasting
}

TEST_F(CircuitBreakerConfigTest, ATripThatTheModeRefusedLeavesNoTrace) {
  for (const BreakerMode mode : {BreakerMode::kDisabled, BreakerMode::kObserveOnly}) {
    SetMode(mode);
    EXPECT_FALSE(breaker_.Trip(now_, absl::InfiniteDuration(), "x"));
    SetMode(BreakerMode::kAutomatic);
    EXPECT_TRUE(Acquire());
  }
}

TEST_F(CircuitBreakerConfigTest, ResetKeepsThePolicysMode) {
  SetMode(BreakerMode::kForcedOpen);
  breaker_.Reset(now_);
  EXPECT_FALSE(Acquire());
}

}  // namespace
}  // namespace sluice
