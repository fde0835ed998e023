// What is only known to have taken longer, and successes that turned out to be none:
// each figure that learns of them, by itself.
#include <gtest/gtest.h>

#include "server/resilience/adaptive_retry.h"
#include "server/resilience/client_throttle.h"
#include "server/resilience/concurrency_limit.h"
#include "server/resilience/latency_quantiles.h"
#include "server/resilience/outlier.h"
#include "server/resilience/peak_ewma.h"
#include "server/resilience/retry_budget.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;

const TimePoint kNow = absl::FromUnixSeconds(10'000);

TEST(CensoredTest, AQuantileIsRaisedAndNeverLowered) {
  LatencyQuantiles latency;
  for (int i = 0; i < 40; ++i) latency.Add(Seconds(1), kNow);
  const Duration known = *latency.Quantile(0.95, kNow);
  for (int i = 0; i < 1000; ++i) latency.AddAtLeast(Milliseconds(900), 0.95, kNow);
  EXPECT_EQ(latency.Quantile(0.95, kNow), known);
  EXPECT_EQ(latency.Samples(kNow), 40u);
  for (int i = 0; i < 3; ++i) latency.AddAtLeast(Seconds(10), 0.95, kNow);
  EXPECT_GT(*latency.Quantile(0.95, kNow), Seconds(9));
}

TEST(CensoredTest, AQuantileThatIsNotKnownIsNotMadeOfGuesses) {
  LatencyQuantiles latency;
  for (int i = 0; i < 100; ++i) latency.AddAtLeast(Seconds(1), 0.95, kNow);
  EXPECT_EQ(latency.Quantile(0.95, kNow), std::nullopt);
}

TEST(CensoredTest, APeakIsRaisedAndNeverLowered) {
  PeakEwma ewma;
  ewma.Observe(Seconds(1), kNow, Seconds(10));
  ewma.ObserveAtLeast(Milliseconds(100), kNow + Seconds(1), Seconds(10));
  EXPECT_EQ(ewma.Value(kNow, Seconds(10)), Seconds(1));
  ewma.ObserveAtLeast(Seconds(3), kNow + Seconds(1), Seconds(10));
  EXPECT_EQ(ewma.Value(kNow + Seconds(1), Seconds(10)), Seconds(3));
}

class CensoredLimitTest : public testing::Test {
 protected:
  CensoredLimitTest() : limit_(kConfig) {
    Sample(Milliseconds(100), 20);
    Pass(Seconds(1));
    Sample(Milliseconds(110), 20);
  }
  void Sample(Duration ttft, int count) {
    for (int i = 0; i < count; ++i) limit_.OnSample(kConfig, ttft, 100, now_);
  }
  void AtLeast(Duration ttft, int count) {
    for (int i = 0; i < count; ++i) limit_.OnAtLeast(kConfig, ttft, 100, now_);
  }
  void Pass(Duration time) { now_ += time; }

  static constexpr ConcurrencyConfig kConfig{.adaptive = true};
  TimePoint now_ = kNow;
  AdaptiveLimit limit_;
};

TEST_F(CensoredLimitTest, LongSilenceLowersIt) {
  AdaptiveLimit alone = limit_;
  AtLeast(Seconds(2), 40);
  Pass(Seconds(1));
  limit_.OnSample(kConfig, Milliseconds(110), 100, now_);
  alone.OnSample(kConfig, Milliseconds(110), 100, now_);
  EXPECT_LT(limit_.limit(), alone.limit());
}

TEST_F(CensoredLimitTest, ShortSilenceSaysNothing) {
  AdaptiveLimit alone = limit_;
  AtLeast(Milliseconds(105), 100);
  Pass(Seconds(1));
  limit_.OnSample(kConfig, Milliseconds(110), 100, now_);
  alone.OnSample(kConfig, Milliseconds(110), 100, now_);
  EXPECT_EQ(limit_.limit(), alone.limit());
}

// Compared with what was usual, not with the best that ever was.
TEST_F(CensoredLimitTest, AnIntervalOfSilenceAloneIsComparedWithTheOneBefore) {
  Pass(Seconds(1));
  Sample(Milliseconds(110), 1);  // ends the interval
  const uint32_t before = limit_.limit();
  AtLeast(Milliseconds(105), 200);
  EXPECT_EQ(limit_.limit(), before);
}

TEST_F(CensoredLimitTest, TheSmallestTimeIsOneThatWasMeasured) {
  AtLeast(Milliseconds(1), 1);
  EXPECT_EQ(limit_.MinTtft(now_), Milliseconds(100));
}

// --- successes that turned out to be none -----------------------------------

TEST(TakenBackTest, ABudgetGivesBackWhatItWasGiven) {
  RetryBudget budget({.max_tokens = 10, .token_ratio = 0.5});
  budget.OnFailure();
  EXPECT_EQ(budget.OnSuccess(), 500);
  EXPECT_EQ(budget.OnSuccess(), 500);
  const int64_t none = budget.OnSuccess();
  EXPECT_EQ(none, 0);
  budget.TakeBack(none);
  EXPECT_EQ(budget.Figures().tokens, 10);
  budget.TakeBack(500);
  EXPECT_EQ(budget.Figures().tokens, 9.5);
}

TEST(TakenBackTest, ABudgetNeverGoesBelowZero) {
  RetryBudget budget({.max_tokens = 1});
  budget.OnFailure();
  budget.TakeBack(100);
  EXPECT_EQ(budget.Figures().tokens, 0);
}

TEST(TakenBackTest, AnOutcomeIsTakenOutOfItsOwnTime) {
  OutcomeWindow window(Seconds(10));
  window.Add(false, kNow);
  window.Add(false, kNow + Seconds(5));
  window.TakeSuccessBack(kNow);
  EXPECT_EQ(window.Total(kNow + Seconds(5)), 1u);
  EXPECT_EQ(window.Total(kNow + Seconds(12)), 1u);
}

TEST(TakenBackTest, AnOutcomeThatHasLeftTheWindowStaysAway) {
  OutcomeWindow window(Seconds(10));
  window.Add(false, kNow);
  window.Add(true, kNow + Seconds(30));
  window.TakeSuccessBack(kNow);
  window.TakeSuccessBack(kNow + Seconds(30));  // it was a failure
  EXPECT_EQ(window.Total(kNow + Seconds(30)), 1u);
}

TEST(TakenBackTest, AThrottleForgetsAcceptsOfTheirTime) {
  ClientThrottle throttle({.k = 1});
  for (int i = 0; i < 3; ++i) {
    throttle.OnRequest(kNow);
    throttle.OnAccept(kNow);
  }
  throttle.TakeAcceptBack(kNow);
  throttle.TakeAcceptBack(kNow);
  EXPECT_EQ(throttle.InWindow(kNow), (ClientThrottle::Counts{3, 1}));
  // Of a time that nothing is known of.
  throttle.TakeAcceptBack(kNow - Seconds(30));
  throttle.TakeAcceptBack(kNow - absl::Hours(1));
  EXPECT_EQ(throttle.InWindow(kNow), (ClientThrottle::Counts{3, 1}));
  for (int i = 0; i < 3; ++i) throttle.TakeAcceptBack(kNow);
  EXPECT_EQ(throttle.InWindow(kNow), (ClientThrottle::Counts{3, 0}));
}

TEST(TakenBackTest, CutsHaveARowOfTheirOwn) {
  const OutlierConfig config{.consecutive_failures = 3};
  OutlierHost host;
  for (int i = 0; i < 2; ++i) {
    host.OnContent();
    EXPECT_FALSE(host.OnCut(config, kNow));
  }
  host.OnContent();
  EXPECT_TRUE(host.OnCut(config, kNow));
  host.OnAnswerEnded();
  EXPECT_FALSE(host.OnCut(config, kNow));
}

TEST(TakenBackTest, ContentDoesNotEndARowOfCutsNorAnAnswersEndOneOfFailures) {
  const OutlierConfig config{.consecutive_failures = 2};
  OutlierHost host;
  host.OnFailure(config, kNow);
  host.OnAnswerEnded();
  EXPECT_TRUE(host.OnFailure(config, kNow));
}

TEST(TakenBackTest, ACutIsAFailureInARowOfOthersToo) {
  const OutlierConfig config{.consecutive_failures = 2};
  OutlierHost host;
  EXPECT_FALSE(host.OnCut(config, kNow));
  EXPECT_TRUE(host.OnFailure(config, kNow));
}

}  // namespace
}  // namespace sluice
