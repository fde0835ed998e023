#include "server/command/live_counters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

const TimePoint kStart = absl::UnixEpoch() + absl::Seconds(1000);

AttemptRecord Attempt(Duration ended, const std::string& endpoint = "primary") {
  AttemptRecord attempt;
  attempt.upstream = "openai";
  attempt.endpoint = endpoint;
  attempt.started = kStart + ended;
  attempt.outcome = AttemptOutcome::kOk;
  return attempt;
}

AttemptRecord Failed(Duration ended, FailureKind kind) {
  AttemptRecord attempt = Attempt(ended);
  attempt.outcome = AttemptOutcome::kFailed;
  attempt.failure = kind;
  return attempt;
}

TEST(LiveTallyTest, ACellHoldsWhatIsUpToItsBound) {
  EXPECT_EQ(LiveTally::CellOf(absl::ZeroDuration()), 0);
  EXPECT_EQ(LiveTally::CellOf(absl::Milliseconds(1)), 0);
  EXPECT_EQ(LiveTally::CellOf(absl::InfiniteDuration()), LiveTally::CellOf(absl::Hours(24)));
  for (int ms = 2; ms < 600000; ms = ms * 5 / 4 + 1) {
    const uint16_t cell = LiveTally::CellOf(absl::Milliseconds(ms));
    EXPECT_GE(LiveTally::UpperBound(cell) + absl::Microseconds(1), absl::Milliseconds(ms));
    EXPECT_LT(LiveTally::UpperBound(cell - 1), absl::Milliseconds(ms));
  }
}

TEST(LiveTallyTest, APercentileIsWithinATenthOfTheNearestRank) {
  LiveTally tally;
  EXPECT_EQ(tally.Percentile(0.5), absl::ZeroDuration());
  for (int ms = 1; ms <= 1000; ++ms) tally.AddFirstToken(LiveTally::CellOf(absl::Milliseconds(ms)), 1);
  EXPECT_NEAR(absl::ToDoubleMilliseconds(tally.Percentile(0.5)), 500, 50);
  EXPECT_NEAR(absl::ToDoubleMilliseconds(tally.Percentile(0.95)), 950, 95);
  EXPECT_TRUE(std::is_sorted(tally.first_token.begin(), tally.first_token.end()));
}

TEST(LiveCountersTest, LoopsAreSummedUpByEndpoint) {
  LiveCounters counters;
  LiveCounter& one = counters.AddLoop();
  LiveCounter& two = counters.AddLoop();
  one.AttemptEnded({}, Attempt(absl::Seconds(1)));
  two.AttemptEnded({}, Attempt(absl::Seconds(1)));
  two.AttemptEnded({}, Attempt(absl::Seconds(1), "backup"));
  const auto sums = counters.Sums(kStart + absl::Seconds(2));
  ASSERT_THAT(sums, SizeIs(2));
  EXPECT_EQ(sums.at({"openai", "primary"}).attempts, 2);
  EXPECT_EQ(sums.at({"openai", "backup"}).attempts, 1);
}

TEST(LiveCountersTest, WhatIsOlderThanTenSecondsDoesNotCount) {
  LiveCounters counters;
  LiveCounter& loop = counters.AddLoop();
  loop.AttemptEnded({}, Attempt(absl::ZeroDuration()));
  EXPECT_EQ(counters.Sums(kStart + absl::Seconds(9.9)).at({"openai", "primary"}).attempts, 1);
  EXPECT_EQ(counters.Sums(kStart + absl::Seconds(10)).at({"openai", "primary"}).attempts, 0);
}

TEST(LiveCountersTest, ARateOfSteadyTrafficIsExact) {
  LiveCounters counters;
  LiveCounter& loop = counters.AddLoop();
  for (int i = 0; i < 3000; ++i) loop.AttemptEnded({}, Attempt(absl::Milliseconds(10) * i));
  const TimePoint now = kStart + absl::Milliseconds(29990);
  const double seconds = absl::ToDoubleSeconds(LiveCounters::Window(now, kStart - absl::Hours(1)));
  EXPECT_NEAR(counters.Sums(now).at({"openai", "primary"}).attempts / seconds, 100, 0.2);
}

TEST(LiveCountersTest, TheWindowIsShorterAfterTheStart) {
  EXPECT_EQ(LiveCounters::Window(kStart + absl::Seconds(3), kStart), absl::Seconds(3));
  EXPECT_EQ(LiveCounters::Window(kStart + absl::Seconds(100.25), kStart), absl::Seconds(9.25));
  EXPECT_GT(LiveCounters::Window(kStart, kStart), absl::ZeroDuration());
}

TEST(LiveCountersTest, ACallersOwnErrorIsNoErrorOfTheEndpoint) {
  LiveCounters counters;
  LiveCounter& loop = counters.AddLoop();
  loop.AttemptEnded({}, Failed(absl::Seconds(1), FailureKind::kCaller));
  loop.AttemptEnded({}, Failed(absl::Seconds(1), FailureKind::kOverload));
  AttemptRecord cancelled = Failed(absl::Seconds(1), FailureKind::kCancelled);
  cancelled.outcome = AttemptOutcome::kCancelled;
  loop.AttemptEnded({}, cancelled);
  loop.RetryScheduled({}, Failed(absl::Seconds(1), FailureKind::kOverload), absl::ZeroDuration(), true);
  const LiveTally tally = counters.Sums(kStart + absl::Seconds(1)).at({"openai", "primary"});
  EXPECT_EQ(tally.attempts, 3);
  EXPECT_EQ(tally.errors, 1);
  EXPECT_EQ(tally.retries, 1);
}

TEST(LiveCountersTest, ABoundedNumberIsCountedAndTheIdleMakeRoom) {
  LiveCounters counters(2);
  LiveCounter& loop = counters.AddLoop();
  loop.AttemptEnded({}, Attempt(absl::Seconds(1), "a"));
  loop.AttemptEnded({}, Attempt(absl::Seconds(5), "b"));
  loop.AttemptEnded({}, Attempt(absl::Seconds(6), "c"));
  EXPECT_THAT(counters.Sums(kStart + absl::Seconds(6)), SizeIs(2));
  loop.AttemptEnded({}, Attempt(absl::Seconds(12), "c"));
  const auto sums = counters.Sums(kStart + absl::Seconds(12));
  EXPECT_THAT(sums, SizeIs(2));
  EXPECT_EQ(sums.at({"openai", "c"}).attempts, 1);
  EXPECT_FALSE(sums.contains({"openai", "a"}));
}

TEST(LiveCountersTest, AnAttemptWithoutAnEndpointIsNone) {
  LiveCounters counters;
  counters.AddLoop().AttemptEnded({}, Attempt(absl::Seconds(1), ""));
  EXPECT_THAT(counters.Sums(kStart + absl::Seconds(1)), IsEmpty());
}

}  // namespace
}  // namespace sluice
