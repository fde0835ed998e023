// First content, cuts after it, and attempts that go on when their callers left.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "server/resilience/circuit_breaker.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using Outcome = CircuitBreaker::Outcome;
using Permit = CircuitBreaker::Permit;
using testing::HasSubstr;

class AnswerTest : public testing::Test {
 protected:
  void Start(const CircuitBreakerConfig& config) { breaker_ = CircuitBreaker(config, now_); }
  Permit Acquire() { return *breaker_.TryAcquire(now_, random_); }
  Permit Answering(Duration first = Milliseconds(300)) {
    Permit permit = Acquire();
    breaker_.Answer(permit, first, now_, random_);
    return permit;
  }
  void End(const Permit& permit, Outcome outcome) {
    breaker_.Record(permit, outcome, std::nullopt, "reset", now_, random_);
  }
  void Fail(int count) {
    for (int i = 0; i < count; ++i) End(Acquire(), Outcome::kFailure);
  }
  bool Leave(Permit& permit) {
    const bool goes_on = breaker_.TryVerify(permit, now_);
    if (!goes_on) End(permit, Outcome::kIgnored);
    return goes_on;
  }
  // Calls whose callers leave in silence.
  void Leave(int count) {
    for (int i = 0; i < count; ++i) {
      Permit permit = Acquire();
      ASSERT_FALSE(Leave(permit));
    }
  }
  void HalfOpen() {
    breaker_.Trip(now_, Seconds(1), "by hand");
    now_ += Seconds(1);
  }
  CallCounts Counts() const { return breaker_.Figures(now_).counts; }
  BreakerState State() const { return breaker_.state(now_); }

  TimePoint now_ = absl::FromUnixSeconds(10'000);
  Random random_{1};
  CircuitBreaker breaker_{CircuitBreakerConfig{}, now_};
};

TEST_F(AnswerTest, ContentCountsWhenItComes) {
  const Permit permit = Answering();
  EXPECT_EQ(Counts(), (CallCounts{.calls = 1, .answering = 1}));
  End(permit, Outcome::kSuccess);
  EXPECT_EQ(Counts(), (CallCounts{.calls = 1}));
}

TEST_F(AnswerTest, WhatIsIgnoredAfterContentLeavesTheSuccess) {
  End(Answering(), Outcome::kIgnored);
  EXPECT_EQ(Counts(), (CallCounts{.calls = 1}));
}

TEST_F(AnswerTest, ACutReplacesTheSuccess) {
  End(Answering(), Outcome::kFailure);
  EXPECT_EQ(Counts(), (CallCounts{.calls = 1, .failures = 1, .cut = 1}));
}

TEST_F(AnswerTest, ASlowAnswerThatIsCutIsStillSlowOnce) {
  End(Answering(Seconds(61)), Outcome::kFailure);
  EXPECT_EQ(Counts(), (CallCounts{.calls = 1, .failures = 1, .slow = 1, .cut = 1}));
}

TEST_F(AnswerTest, ACutOfWhatHasLeftTheWindowIsACallOfItsOwn) {
  const Permit old = Answering();
  now_ += Seconds(70);
  EXPECT_EQ(Counts(), CallCounts{});
  End(old, Outcome::kFailure);
  EXPECT_EQ(Counts(), (CallCounts{.calls = 1, .failures = 1, .cut = 1}));
}

TEST_F(AnswerTest, ACutIsOfItsOwnMoment) {
  const Permit old = Answering();
  now_ += Seconds(50);
  End(old, Outcome::kFailure);
  now_ += Seconds(50);
  EXPECT_EQ(Counts().failures, 1u);
}

TEST_F(AnswerTest, AnotherWindowMeanwhileKnowsNothingOfTheAnswer) {
  const Permit whole = Answering(), cut = Answering();
  CircuitBreakerConfig config;
  config.count_window = true;
  breaker_.Configure(config, now_);
  Answering();
  End(whole, Outcome::kSuccess);
  EXPECT_EQ(Counts(), (CallCounts{.calls = 1, .answering = 1}));
  End(cut, Outcome::kFailure);
  EXPECT_EQ(Counts(), (CallCounts{.calls = 2, .failures = 1, .answering = 1}));
}

// Failures before content are few among many answers that run.
TEST_F(AnswerTest, RunningAnswersStandAgainstFailuresBeforeContent) {
  for (int i = 0; i < 40; ++i) Answering();
  Fail(25);
  EXPECT_EQ(State(), BreakerState::kClosed);
}

// … also where one of them is cut then.
TEST_F(AnswerTest, OneCutDoesNotMakeThemMany) {
  const Permit cut = Answering();
  for (int i = 0; i < 40; ++i) Answering();
  Fail(25);
  End(cut, Outcome::kFailure);
  EXPECT_EQ(State(), BreakerState::kClosed);
}

TEST_F(AnswerTest, CutsAreJudgedAmongTheAnswersThatAreOver) {
  Start({.failure_percent = 100});
  std::optional<Permit> running[20];
  for (auto& permit : running) permit = Answering();
  for (int i = 0; i < 19; ++i) {
    End(Answering(), Outcome::kFailure);
    ASSERT_EQ(State(), BreakerState::kClosed) << i;
  }
  End(Answering(), Outcome::kFailure);
  EXPECT_EQ(State(), BreakerState::kOpen);
  EXPECT_EQ(breaker_.Figures(now_).last_trip.reason, "20 of 20 answers were cut in the last 60 s (100 % >= 100 %)");
}

TEST_F(AnswerTest, AnswersThatEndWellStandAgainstCuts) {
  Start({.failure_percent = 60});
  for (int i = 0; i < 20; ++i) {
    End(Answering(), Outcome::kFailure);
    End(Answering(), Outcome::kIgnored);  // its caller left
  }
  EXPECT_EQ(State(), BreakerState::kClosed);
}

TEST_F(AnswerTest, AProbesCutBeforeTheVerdictIsAFailedProbe) {
  Start({.failure_percent = 30});
  HalfOpen();
  const Permit cut = Answering();
  Answering();
  End(cut, Outcome::kFailure);
  Answering();
  EXPECT_EQ(State(), BreakerState::kOpen);
}

TEST_F(AnswerTest, AProbesPermitIsNotGivenBackAfterContent) {
  HalfOpen();
  End(Answering(), Outcome::kIgnored);
  EXPECT_EQ(breaker_.Figures(now_).permits_used, 1u);
}

TEST_F(AnswerTest, ACutOfAnEarlierTimeMovesNothing) {
  const Permit old = Answering();
  breaker_.Reset(now_);
  End(old, Outcome::kFailure);
  EXPECT_EQ(Counts(), CallCounts{});
}

// --- going on without a caller ----------------------------------------------

TEST_F(AnswerTest, AfterSoManyEndsInSilenceOneGoesOnAtATime) {
  Leave(5);
  EXPECT_EQ(Counts(), CallCounts{});
  Permit first = Acquire(), second = Acquire();
  EXPECT_TRUE(Leave(first));
  EXPECT_FALSE(Leave(second));
  End(first, Outcome::kIgnored);
  Permit third = Acquire();
  EXPECT_TRUE(Leave(third));
}

TEST_F(AnswerTest, ContentEndsTheRowWhoeversItIs) {
  const Permit old = Acquire();
  Leave(4);
  breaker_.Reset(now_);
  Leave(4);
  Permit stale = old;
  breaker_.Answer(stale, Milliseconds(1), now_, random_);
  Leave(5);
  Permit next = Acquire();
  EXPECT_TRUE(Leave(next));
}

TEST_F(AnswerTest, AFailureDoesNotEndTheRow) {
  Leave(4);
  Fail(1);
  Leave(1);
  Permit next = Acquire();
  EXPECT_TRUE(Leave(next));
}

TEST_F(AnswerTest, AnAnswerThatItsCallerLeftIsNoSilence) {
  Leave(5);
  Permit answering = Answering();
  EXPECT_FALSE(Leave(answering));
  Leave(5);
}

TEST_F(AnswerTest, ItsFailureStandsForTheRow) {
  for (int i = 0; i < 100; ++i) End(Answering(), Outcome::kSuccess);
  Leave(5);
  Permit permit = Acquire();
  ASSERT_TRUE(Leave(permit));
  End(permit, Outcome::kFailure);
  EXPECT_EQ(State(), BreakerState::kOpen);
  const BreakerTrip trip = breaker_.Figures(now_).last_trip;
  EXPECT_EQ(trip.cause, BreakerTrip::Cause::kFailures);
  EXPECT_EQ(trip.counts, (CallCounts{.calls = 101, .failures = 1}));
  EXPECT_THAT(trip.reason, HasSubstr("failed (reset), and there was no content for 5 callers in a row"));
}

TEST_F(AnswerTest, ItStandsForNobodyWhereContentCameMeanwhile) {
  Leave(5);
  Permit permit = Acquire();
  ASSERT_TRUE(Leave(permit));
  Answering();
  End(permit, Outcome::kFailure);
  EXPECT_EQ(State(), BreakerState::kClosed);
  EXPECT_EQ(Counts(), (CallCounts{.calls = 2, .failures = 1, .answering = 1}));
}

TEST_F(AnswerTest, ItsContentIsASuccess) {
  Leave(5);
  Permit permit = Acquire();
  ASSERT_TRUE(Leave(permit));
  breaker_.Answer(permit, Milliseconds(1), now_, random_);
  EXPECT_EQ(Counts().calls, 1u);
  End(permit, Outcome::kSuccess);
  Leave(5);
}

TEST_F(AnswerTest, HalfOpenTheFirstOneGoesOnWithItsPermit) {
  HalfOpen();
  Permit first = Acquire(), second = Acquire();
  EXPECT_TRUE(Leave(first));
  EXPECT_FALSE(Leave(second));
  EXPECT_EQ(breaker_.Figures(now_).permits_used, 1u);
  End(first, Outcome::kFailure);
  EXPECT_EQ(State(), BreakerState::kHalfOpen) << "one of three probes decides nothing";
  EXPECT_EQ(Counts().failures, 1u);
}

TEST_F(AnswerTest, OneOfAnEarlierTimeIsNotWorthGoingOn) {
  Permit old = Acquire();
  HalfOpen();
  EXPECT_FALSE(breaker_.TryVerify(old, now_));
}

// It holds up no other in the breaker's next life for longer than it takes.
TEST_F(AnswerTest, TheEndOfOneThatWentOnLetsTheNextGoOn) {
  Leave(5);
  Permit old = Acquire();
  ASSERT_TRUE(Leave(old));
  HalfOpen();
  Permit probe = Acquire();
  EXPECT_FALSE(Leave(probe));
  End(old, Outcome::kFailure);
  Permit next = Acquire();
  EXPECT_TRUE(Leave(next));
}

TEST_F(AnswerTest, ARowBeginsAnewWithEachState) {
  Leave(4);
  breaker_.Reset(now_);
  Leave(5);
}

struct Unverified {
  const char* name;
  uint32_t verify_after;
  BreakerMode mode;
};

class UnverifiedTest : public AnswerTest, public testing::WithParamInterface<Unverified> {};

TEST_P(UnverifiedTest, NoneGoesOn) {
  Start({.mode = GetParam().mode, .verify_after = GetParam().verify_after});
  Leave(20);
}

INSTANTIATE_TEST_SUITE_P(Modes, UnverifiedTest,
                         testing::Values(Unverified{"Zero", 0, BreakerMode::kAutomatic},
                                         Unverified{"Disabled", 1, BreakerMode::kDisabled}),
                         [](const auto& info) { return info.param.name; });

TEST_F(AnswerTest, ZeroIsForHalfOpenToo) {
  Start({.verify_after = 0});
  HalfOpen();
  Permit probe = Acquire();
  EXPECT_FALSE(Leave(probe));
}

TEST_F(AnswerTest, AnObservingBreakerVerifiesToo) {
  Start({.mode = BreakerMode::kObserveOnly, .verify_after = 1});
  Leave(1);
  Permit permit = Acquire();
  ASSERT_TRUE(Leave(permit));
  End(permit, Outcome::kFailure);
  EXPECT_EQ(breaker_.Figures(now_).automatic, BreakerState::kOpen);
}

}  // namespace
}  // namespace sluice
