#include "server/resilience/circuit_breaker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using Cause = BreakerTrip::Cause;
using Outcome = CircuitBreaker::Outcome;
using Permit = CircuitBreaker::Permit;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr Duration kFast = Milliseconds(300);

class CircuitBreakerTest : public testing::Test {
 protected:
  CircuitBreakerTest() { Start({}); }

  void Start(const CircuitBreakerConfig& config) { breaker_ = CircuitBreaker(config, now_); }
  void Pass(Duration time) { now_ += time; }

  std::optional<Permit> Acquire() { return breaker_.TryAcquire(now_, random_); }
  void Record(const Permit& permit, Outcome outcome, std::optional<Duration> ttft = kFast,
              std::string_view name = "503") {
    breaker_.Record(permit, outcome, ttft, name, now_, random_);
  }
  // Admits and records `count` calls; false once one was refused.
  bool Calls(int count, Outcome outcome, std::optional<Duration> ttft = kFast, std::string_view name = "503") {
    for (int i = 0; i < count; ++i) {
      const std::optional<Permit> permit = Acquire();
      if (!permit) return false;
      Record(*permit, outcome, ttft, name);
    }
    return true;
  }
  void Fail(int count, std::string_view name = "503") { EXPECT_TRUE(Calls(count, Outcome::kFailure, kFast, name)); }
  void Succeed(int count) { EXPECT_TRUE(Calls(count, Outcome::kSuccess)); }

  BreakerFigures Figures() const { return breaker_.Figures(now_); }
  BreakerState State() const { return breaker_.state(now_); }
  // How long the open time under way lasts from its beginning.
  Duration OpenFor() const { return Figures().open_until - Figures().automatic_since; }
  void PassOpenTime() { now_ = Figures().open_until; }
  // From closed.
  void TripByFailures() {
    Fail(20);
    ASSERT_EQ(State(), BreakerState::kOpen);
  }
  void FailTheProbes() { Calls(3, Outcome::kFailure); }

  TimePoint now_ = absl::FromUnixSeconds(10'000);
  Random random_{1};
  CircuitBreaker breaker_{CircuitBreakerConfig{}, now_};
};

// --- Closed

TEST_F(CircuitBreakerTest, DefaultsAreThoseOfThePolicy) {
  const CircuitBreakerConfig config;
  EXPECT_EQ(config.failure_percent, 50);
  EXPECT_EQ(config.slow_percent, 100);
  EXPECT_EQ(config.slow_after, Seconds(60));
  EXPECT_FALSE(config.count_window);
  EXPECT_EQ(config.time_window, Seconds(60));
  EXPECT_EQ(config.min_calls, 20u);
  EXPECT_EQ(config.open, Seconds(10));
  EXPECT_EQ(config.max_open, Seconds(300));
  EXPECT_EQ(config.half_open_permits, 3u);
  EXPECT_EQ(config.max_half_open, Seconds(30));
}

TEST_F(CircuitBreakerTest, RowC6OpensUnderContinuedFailureAndRefuses) {
  Fail(20);
  EXPECT_EQ(State(), BreakerState::kOpen);
  EXPECT_FALSE(breaker_.Admits(now_));
  EXPECT_FALSE(Acquire());
  EXPECT_EQ(Figures().refused_total, 1u);
}

TEST_F(CircuitBreakerTest, RowD9RatesCountFromTheMinimumOfCallsOn) {
  Fail(19);
  EXPECT_EQ(State(), BreakerState::kClosed);
  Fail(1);
  EXPECT_EQ(State(), BreakerState::kOpen);
}

TEST_F(CircuitBreakerTest, OpensAtTheThresholdItself) {
  Succeed(10);
  Fail(9);
  EXPECT_EQ(State(), BreakerState::kClosed);  // 9 of 19
  Fail(1);
  EXPECT_EQ(State(), BreakerState::kOpen);  // 10 of 20: 50 % >= 50 %
}

TEST_F(CircuitBreakerTest, StaysClosedJustBelowTheThreshold) {
  Succeed(11);
  Fail(9);
  EXPECT_EQ(State(), BreakerState::kClosed);  // 9 of 20
  Succeed(1);
  Fail(1);
  EXPECT_EQ(State(), BreakerState::kClosed);  // 10 of 22
}

TEST_F(CircuitBreakerTest, ASuccessTooMayCompleteATrip) {
  Succeed(15);
  Pass(Seconds(30));
  Fail(14);
  Succeed(5);
  EXPECT_EQ(State(), BreakerState::kClosed);  // 14 of 34
  Pass(Seconds(30));                          // the first 15 left the window
  Succeed(1);
  EXPECT_EQ(State(), BreakerState::kOpen);  // 14 of 20
}

TEST_F(CircuitBreakerTest, ATimeWindowForgetsWithinASixtiethOfIt) {
  Fail(19);
  Pass(Seconds(59) - Milliseconds(1));
  EXPECT_EQ(Figures().counts.calls, 19u);
  Pass(Seconds(1) + Milliseconds(1));
  EXPECT_EQ(Figures().counts.calls, 0u);
  Fail(1);
  EXPECT_EQ(State(), BreakerState::kClosed);
}

TEST_F(CircuitBreakerTest, ACountWindowForgetsTheOldestCall) {
  Start({.count_window = true, .count = 10, .min_calls = 10});
  Fail(4);
  Succeed(6);
  EXPECT_EQ(Figures().counts, (CallCounts{.calls = 10, .failures = 4}));
  Succeed(3);
  EXPECT_EQ(Figures().counts, (CallCounts{.calls = 10, .failures = 1}));
  Fail(3);  // the last failure of old goes with the first of these
  EXPECT_EQ(Figures().counts, (CallCounts{.calls = 10, .failures = 3}));
}

TEST_F(CircuitBreakerTest, ACountWindowClampsTheMinimumToItsSize) {
  Start({.count_window = true, .count = 5, .min_calls = 20});
  Fail(4);
  EXPECT_EQ(State(), BreakerState::kClosed);
  Fail(1);
  EXPECT_EQ(State(), BreakerState::kOpen);
}

TEST_F(CircuitBreakerTest, ATimeWindowDoesNotClampTheMinimum) {
  Start({.time_window = Seconds(1), .min_calls = 50, .half_open_permits = 1});
  Fail(49);
  EXPECT_EQ(State(), BreakerState::kClosed);
  Fail(1);
  EXPECT_EQ(State(), BreakerState::kOpen);
}

// --- Slow calls

TEST_F(CircuitBreakerTest, SlowIsStrictlyLonger) {
  EXPECT_TRUE(Calls(20, Outcome::kSuccess, Seconds(60)));
  EXPECT_EQ(State(), BreakerState::kClosed);
  EXPECT_EQ(Figures().counts.slow, 0u);
  Start({});
  EXPECT_TRUE(Calls(20, Outcome::kSuccess, Seconds(60) + absl::Nanoseconds(1)));
  EXPECT_EQ(State(), BreakerState::kOpen);
  EXPECT_EQ(Figures().last_trip.cause, Cause::kSlow);
  EXPECT_EQ(Figures().last_trip.reason,
            "20 of 20 calls waited longer than 60 s for the first token in the last 60 s (100 % >= 100 %)");
}

TEST_F(CircuitBreakerTest, ACallWithoutAFirstTokenIsNotSlow) {
  EXPECT_TRUE(Calls(20, Outcome::kSuccess, std::nullopt));
  EXPECT_EQ(Figures().counts, (CallCounts{.calls = 20}));
}

TEST_F(CircuitBreakerTest, AFailedCallMayBeSlowToo) {
  Start({.failure_percent = 100, .slow_percent = 50, .slow_after = Seconds(2)});
  Succeed(10);
  EXPECT_TRUE(Calls(10, Outcome::kFailure, Seconds(3), "timeout"));
  EXPECT_EQ(State(), BreakerState::kOpen);
  EXPECT_EQ(Figures().last_trip.counts, (CallCounts{.calls = 20, .failures = 10, .slow = 10}));
  EXPECT_EQ(Figures().last_trip.cause, Cause::kSlow);
}

// --- What never counts

TEST_F(CircuitBreakerTest, RowA4ACallersErrorNeverCounts) {
  EXPECT_TRUE(Calls(1000, Outcome::kIgnored, Seconds(100), "400"));
  EXPECT_EQ(State(), BreakerState::kClosed);
  EXPECT_EQ(Figures().counts, CallCounts{});
}

TEST_F(CircuitBreakerTest, ResultsOfAnEarlierEpochNeverMoveTheState) {
  const Permit closed = *Acquire();
  TripByFailures();
  const BreakerFigures opened = Figures();
  Record(closed, Outcome::kFailure);
  EXPECT_EQ(Figures().counts, opened.counts);
  PassOpenTime();
  const Permit probe = *Acquire();
  for (int i = 0; i < 10; ++i) Record(closed, Outcome::kFailure);
  EXPECT_EQ(State(), BreakerState::kHalfOpen);
  EXPECT_EQ(Figures().counts, CallCounts{});
  Record(probe, Outcome::kSuccess);
  Succeed(2);
  ASSERT_EQ(State(), BreakerState::kClosed);
  for (int i = 0; i < 100; ++i) Record(closed, Outcome::kFailure);
  EXPECT_EQ(State(), BreakerState::kClosed);
  EXPECT_EQ(Figures().counts, CallCounts{});
}

TEST_F(CircuitBreakerTest, AProbeOfAnEarlierHalfOpenNeitherCountsNorGivesAPermitBack) {
  TripByFailures();
  PassOpenTime();
  const Permit late = *Acquire();
  Pass(Seconds(30));  // half-open is over: open again
  ASSERT_EQ(State(), BreakerState::kOpen);
  PassOpenTime();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Acquire());
  ASSERT_FALSE(Acquire());
  Record(late, Outcome::kIgnored);
  EXPECT_FALSE(Acquire());
  for (int i = 0; i < 3; ++i) Record(late, Outcome::kSuccess);
  EXPECT_EQ(State(), BreakerState::kHalfOpen);
}

// --- Open

TEST_F(CircuitBreakerTest, RowD9ProbesAfterItsOpenTimeAndNotBefore) {
  TripByFailures();
  const TimePoint until = Figures().open_until;
  EXPECT_EQ(breaker_.AdmitsAt(now_), until);
  now_ = until - absl::Nanoseconds(1);
  EXPECT_FALSE(breaker_.Admits(now_));
  now_ = until;
  EXPECT_TRUE(breaker_.Admits(now_));
  EXPECT_EQ(breaker_.AdmitsAt(now_), now_);
  EXPECT_EQ(State(), BreakerState::kOpen);  // until a call comes
  const std::optional<Permit> probe = Acquire();
  ASSERT_TRUE(probe);
  EXPECT_TRUE(probe->probe);
  EXPECT_EQ(State(), BreakerState::kHalfOpen);
}

TEST_F(CircuitBreakerTest, OpenTimeDoublesInARowUpToItsMaximum) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    random_ = Random(seed);
    Start({});
    TripByFailures();
    uint32_t in_row = 0;
    for (int seconds : {10, 20, 40, 80, 160, 300, 300, 300}) {
      EXPECT_EQ(Figures().opened_in_row, ++in_row);
      EXPECT_GE(OpenFor(), Seconds(seconds) * 0.8);
      EXPECT_LE(OpenFor(), Seconds(seconds) * 1.2);
      PassOpenTime();
      FailTheProbes();
      ASSERT_EQ(State(), BreakerState::kOpen);
    }
  }
}

TEST_F(CircuitBreakerTest, OpenTimesFillTheirJitter) {
  Duration least = absl::InfiniteDuration(), most;
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    random_ = Random(seed);
    Start({});
    TripByFailures();
    least = std::min(least, OpenFor());
    most = std::max(most, OpenFor());
  }
  EXPECT_LT(least, Seconds(8.1));
  EXPECT_GT(most, Seconds(11.9));
}

TEST_F(CircuitBreakerTest, AnOpenTimeBeyondCountingStaysAtItsMaximum) {
  TripByFailures();
  for (int i = 0; i < 200; ++i) {
    PassOpenTime();
    FailTheProbes();
  }
  EXPECT_EQ(Figures().opened_in_row, 201u);
  EXPECT_GE(OpenFor(), Seconds(240));
  EXPECT_LE(OpenFor(), Seconds(360));
}

TEST_F(CircuitBreakerTest, SuccessOfHalfOpenClosesAndResetsTheDoubling) {
  TripByFailures();
  PassOpenTime();
  FailTheProbes();
  PassOpenTime();
  Succeed(3);
  EXPECT_EQ(State(), BreakerState::kClosed);
  EXPECT_EQ(Figures().opened_in_row, 0u);
  EXPECT_EQ(Figures().opened_total, 2u);
  EXPECT_EQ(Figures().counts, CallCounts{});  // what was before is judged no more
  TripByFailures();
  EXPECT_LE(OpenFor(), Seconds(12));
}

// --- Half-open

TEST_F(CircuitBreakerTest, HalfOpenAdmitsAsManyAsItHasPermits) {
  TripByFailures();
  PassOpenTime();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Acquire());
  EXPECT_FALSE(breaker_.Admits(now_));
  EXPECT_FALSE(Acquire());
  EXPECT_EQ(Figures().permits_used, 3u);
  EXPECT_EQ(Figures().permits, 3u);
}

TEST_F(CircuitBreakerTest, AnAnswerDoesNotFreeAPermit) {
  TripByFailures();
  PassOpenTime();
  const Permit probe = *Acquire();
  Acquire();
  Acquire();
  Record(probe, Outcome::kSuccess);
  EXPECT_FALSE(Acquire());
}

TEST_F(CircuitBreakerTest, AnIgnoredProbeGivesItsPermitBack) {
  TripByFailures();
  PassOpenTime();
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(Calls(1, Outcome::kIgnored));
  EXPECT_EQ(State(), BreakerState::kHalfOpen);
  EXPECT_EQ(Figures().permits_used, 0u);
  Succeed(3);
  EXPECT_EQ(State(), BreakerState::kClosed);
}

TEST_F(CircuitBreakerTest, HalfOpenIsCountedOverItsPermits) {
  Start({.min_calls = 20, .half_open_permits = 4});
  TripByFailures();
  PassOpenTime();
  Succeed(3);
  EXPECT_EQ(State(), BreakerState::kHalfOpen);  // the minimum is clamped to 4, not below
  Fail(1);
  EXPECT_EQ(State(), BreakerState::kClosed);  // 1 of 4
  TripByFailures();
  PassOpenTime();
  Succeed(2);
  Fail(2);
  EXPECT_EQ(State(), BreakerState::kOpen);  // 2 of 4
  EXPECT_EQ(Figures().last_trip.cause, Cause::kProbesFailed);
  EXPECT_EQ(Figures().last_trip.reason, "2 of 4 probes failed (50 % >= 50 %)");
}

TEST_F(CircuitBreakerTest, AMinimumBelowThePermitsDecidesEarlier) {
  Start({.min_calls = 1, .half_open_permits = 5});
  Fail(1);
  PassOpenTime();
  Succeed(1);
  EXPECT_EQ(State(), BreakerState::kClosed);
}

TEST_F(CircuitBreakerTest, SlowProbesOpenAgain) {
  TripByFailures();
  PassOpenTime();
  Calls(3, Outcome::kSuccess, Seconds(61));
  EXPECT_EQ(State(), BreakerState::kOpen);
  EXPECT_EQ(Figures().last_trip.reason, "3 of 3 probes waited longer than 60 s for the first token (100 % >= 100 %)");
}

// resilience4j#544, #903, #935, #2028: stuck half-open.
TEST_F(CircuitBreakerTest, HalfOpenIsNeverStuckWhenProbesNeverEnd) {
  TripByFailures();
  PassOpenTime();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Acquire());
  const TimePoint began = now_;
  Pass(Seconds(30) - absl::Nanoseconds(1));
  EXPECT_EQ(State(), BreakerState::kHalfOpen);
  Pass(absl::Nanoseconds(1));
  EXPECT_EQ(State(), BreakerState::kOpen);
  EXPECT_EQ(Figures().automatic_since, began + Seconds(30));
  EXPECT_EQ(Figures().opened_in_row, 2u);  // unanswered probes are a bad sign
  EXPECT_EQ(Figures().last_trip.cause, Cause::kProbesLate);
  EXPECT_EQ(Figures().last_trip.reason, "half-open for 30 s: 0 of 3 probes were answered");
  EXPECT_GE(OpenFor(), Seconds(16));
  PassOpenTime();
  Succeed(3);
  EXPECT_EQ(State(), BreakerState::kClosed);
}

TEST_F(CircuitBreakerTest, TooFewCallsToProbeWithDoNotLengthenTheOpenTime) {
  TripByFailures();
  PassOpenTime();
  for (int i = 0; i < 20; ++i) {
    Succeed(1);  // a call a minute: half-open is over each time, and the open time after it
    EXPECT_EQ(State(), BreakerState::kHalfOpen);
    Pass(Seconds(60));
    EXPECT_EQ(Figures().opened_in_row, 1u);
  }
}

TEST_F(CircuitBreakerTest, AFailedProbeLengthensTheOpenTimeEvenIfTheOthersNeverCame) {
  TripByFailures();
  PassOpenTime();
  Fail(1);
  Pass(Seconds(30));
  EXPECT_EQ(State(), BreakerState::kOpen);
  EXPECT_EQ(Figures().opened_in_row, 2u);
}

TEST_F(CircuitBreakerTest, WhoAsksWhileProbesAreUnderWayIsToldAShortWhile) {
  TripByFailures();
  EXPECT_FALSE(breaker_.AwaitsProbes(now_)) << "its open time is known";
  PassOpenTime();
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(breaker_.AwaitsProbes(now_)) << i;
    Acquire();
  }
  EXPECT_TRUE(breaker_.AwaitsProbes(now_));
  EXPECT_EQ(breaker_.AdmitsAt(now_), now_ + Seconds(1));
  Pass(Seconds(29.5));  // nothing comes in between any more
  const TimePoint at = breaker_.AdmitsAt(now_);
  Pass(Seconds(0.5));
  EXPECT_EQ(at, Figures().open_until);
  EXPECT_FALSE(breaker_.Admits(at - absl::Nanoseconds(1)));
  EXPECT_TRUE(breaker_.Admits(at));
}

TEST_F(CircuitBreakerTest, AShortOpenTimeMakesTheWhileShorter) {
  Start({.open = Milliseconds(50), .max_open = Milliseconds(50)});
  TripByFailures();
  PassOpenTime();
  for (int i = 0; i < 3; ++i) Acquire();
  EXPECT_EQ(breaker_.AdmitsAt(now_), now_ + Milliseconds(50));
}

// --- Explain

TEST_F(CircuitBreakerTest, ExplainsATripWithItsNumbers) {
  Start({.min_calls = 52});
  Succeed(21);
  Fail(9, "timeout");
  Fail(22, "503");
  const BreakerTrip trip = Figures().last_trip;
  EXPECT_EQ(trip.reason, "31 of 52 calls failed in the last 60 s (59.6 % >= 50 %)");
  EXPECT_EQ(trip.cause, Cause::kFailures);
  EXPECT_EQ(trip.at, now_);
  EXPECT_EQ(trip.counts, (CallCounts{.calls = 52, .failures = 31}));
  EXPECT_THAT(trip.failures, ElementsAre(FailureCount{"503", 22}, FailureCount{"timeout", 9}));
  Pass(Seconds(3600));  // the window is empty, the reason stays
  EXPECT_EQ(Figures().counts.calls, 0u);
  EXPECT_EQ(Figures().last_trip.reason, trip.reason);
}

TEST_F(CircuitBreakerTest, ExplainsACountWindow) {
  Start({.failure_percent = 60, .count_window = true, .count = 10});
  Succeed(4);
  Fail(6);
  EXPECT_EQ(Figures().last_trip.reason, "6 of 10 last calls failed (60 % >= 60 %)");
}

TEST_F(CircuitBreakerTest, FiguresShowTheWindowWhileClosed) {
  Succeed(12);
  Fail(3);
  Fail(1, "reset");
  EXPECT_EQ(Figures().counts, (CallCounts{.calls = 16, .failures = 4}));
  EXPECT_EQ(Figures().failure_percent, 25);
  EXPECT_EQ(Figures().slow_percent, 0);
  EXPECT_THAT(Figures().failures, ElementsAre(FailureCount{"503", 3}, FailureCount{"reset", 1}));
  EXPECT_EQ(Figures().open_until, absl::InfinitePast());
  EXPECT_EQ(Figures().last_trip.cause, Cause::kNone);
}

// --- By an operator

TEST_F(CircuitBreakerTest, AnOperatorsTripOpensForItsTimeThenProbes) {
  EXPECT_TRUE(breaker_.Trip(now_, Seconds(90), "maintenance"));
  EXPECT_EQ(State(), BreakerState::kOpen);
  EXPECT_EQ(OpenFor(), Seconds(90));
  EXPECT_EQ(Figures().opened_in_row, 0u);
  EXPECT_EQ(Figures().last_trip.cause, Cause::kOperator);
  EXPECT_EQ(Figures().last_trip.reason, "maintenance");
  Pass(Seconds(90));
  Fail(3);  // the first time by itself: its open time begins small
  EXPECT_EQ(Figures().opened_in_row, 1u);
  EXPECT_LE(OpenFor(), Seconds(12));
}

TEST_F(CircuitBreakerTest, AnOperatorsTripMayLastUntilReset) {
  EXPECT_TRUE(breaker_.Trip(now_, absl::InfiniteDuration(), "until further notice"));
  Pass(absl::Hours(24 * 365));
  EXPECT_FALSE(Acquire());
  EXPECT_EQ(breaker_.AdmitsAt(now_), absl::InfiniteFuture());
  breaker_.Reset(now_);
  EXPECT_TRUE(Acquire());
}

TEST_F(CircuitBreakerTest, ResetClosesClearsAndForgetsTheRow) {
  TripByFailures();
  PassOpenTime();
  FailTheProbes();
  breaker_.Reset(now_);
  EXPECT_EQ(State(), BreakerState::kClosed);
  EXPECT_EQ(Figures().counts, CallCounts{});
  EXPECT_THAT(Figures().failures, IsEmpty());
  EXPECT_EQ(Figures().opened_in_row, 0u);
  EXPECT_EQ(Figures().since, now_);
  Fail(19);
  EXPECT_EQ(State(), BreakerState::kClosed);
}

TEST_F(CircuitBreakerTest, ResultsFromBeforeAResetCountNoMore) {
  std::vector<Permit> held;
  for (int i = 0; i < 50; ++i) held.push_back(*Acquire());
  breaker_.Reset(now_);
  for (const Permit& permit : held) Record(permit, Outcome::kFailure);
  EXPECT_EQ(Figures().counts, CallCounts{});
}

}  // namespace
}  // namespace sluice
