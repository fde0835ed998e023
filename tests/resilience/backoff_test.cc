#include "server/resilience/backoff.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;

struct Range {
  Duration low;
  Duration high;
};

// The waits of many calls, retry by retry, stay in their ranges and fill them:
// within a fortieth of each end.
void ExpectFills(const BackoffPolicy& policy, const std::vector<Range>& ranges) {
  Random random(7);
  std::vector<Range> seen(ranges.size(), Range{absl::InfiniteDuration(), -absl::InfiniteDuration()});
  for (int call = 0; call < 2000; ++call) {
    Backoff backoff(policy);
    for (Range& range : seen) {
      const Duration wait = backoff.Next(random);
      range.low = std::min(range.low, wait);
      range.high = std::max(range.high, wait);
    }
  }
  for (size_t n = 0; n < ranges.size(); ++n) {
    const Duration slack = (ranges[n].high - ranges[n].low) / 40;
    EXPECT_GE(seen[n].low, ranges[n].low) << "retry " << n;
    EXPECT_LE(seen[n].low, ranges[n].low + slack) << "retry " << n;
    EXPECT_LE(seen[n].high, ranges[n].high) << "retry " << n;
    EXPECT_GE(seen[n].high, ranges[n].high - slack) << "retry " << n;
  }
}

TEST(BackoffTest, RowB2FixedIsAlwaysTheSame) {
  ExpectFills(FixedBackoff{Milliseconds(250)}, {{Milliseconds(250), Milliseconds(250)}, {Milliseconds(250), Milliseconds(250)}});
}

TEST(BackoffTest, RowC3ExponentialDoublesUpToItsMaximum) {
  ExponentialBackoff policy{.base = Milliseconds(100), .max = Milliseconds(350), .multiplier = 2, .jitter = Jitter::kNone};
  Random random(1);
  const BackoffPolicy held = policy;
  Backoff backoff(held);
  EXPECT_EQ(backoff.Next(random), Milliseconds(100));
  EXPECT_EQ(backoff.Next(random), Milliseconds(200));
  EXPECT_EQ(backoff.Next(random), Milliseconds(350));
  for (int i = 0; i < 2000; ++i) EXPECT_EQ(backoff.Next(random), Milliseconds(350));  // no overflow
  backoff.Reset();
  EXPECT_EQ(backoff.Next(random), Milliseconds(100));
}

TEST(BackoffTest, RowD1FullJitterDrawsFromZero) {
  ExpectFills(ExponentialBackoff{.base = Milliseconds(500), .max = Seconds(2), .jitter = Jitter::kFull},
              {{Seconds(0), Milliseconds(500)}, {Seconds(0), Seconds(1)}, {Seconds(0), Seconds(2)}, {Seconds(0), Seconds(2)}});
}

TEST(BackoffTest, RowD1EqualJitterKeepsHalf) {
  ExpectFills(ExponentialBackoff{.base = Milliseconds(500), .max = Seconds(2), .jitter = Jitter::kEqual},
              {{Milliseconds(250), Milliseconds(500)}, {Milliseconds(500), Seconds(1)}, {Seconds(1), Seconds(2)}});
}

TEST(BackoffTest, RowD1ProportionalJitterMayExceedTheMaximumByItsShare) {
  ExpectFills(ExponentialBackoff{.base = Seconds(1), .max = Seconds(2), .jitter = Jitter::kProportional, .jitter_factor = 0.2},
              {{Milliseconds(800), Milliseconds(1200)}, {Milliseconds(1600), Milliseconds(2400)}, {Milliseconds(1600), Milliseconds(2400)}});
}

TEST(BackoffTest, RowD1DecorrelatedGrowsFromThePreviousWait) {
  const BackoffPolicy policy =
      ExponentialBackoff{.base = Milliseconds(100), .max = Seconds(1), .jitter = Jitter::kDecorrelated};
  Random random(3);
  for (int call = 0; call < 500; ++call) {
    Backoff backoff(policy);
    Duration previous = Milliseconds(100);
    for (int n = 0; n < 8; ++n) {
      const Duration wait = backoff.Next(random);
      EXPECT_GE(wait, Milliseconds(100));
      EXPECT_LE(wait, std::min<Duration>(Seconds(1), previous * 3));
      previous = wait;
    }
  }
}

// Vectors of Reactor's RetryBackoffSpec: backoff(3, 1s), no maximum.
TEST(BackoffTest, RowB2ReactorVectorsWithoutMaximum) {
  ExpectFills(ReactorBackoff{.min = Seconds(1), .max = absl::InfiniteDuration()},
              {{Seconds(1), Milliseconds(1500)}, {Seconds(1), Seconds(3)}, {Seconds(2), Seconds(6)}});
}

// 500 ms up to 5 s: never outside.
TEST(BackoffTest, RowB2ReactorVectorsWithMaximum) {
  ExpectFills(ReactorBackoff{.min = Milliseconds(500), .max = Seconds(5)},
              {{Milliseconds(500), Milliseconds(750)},
               {Milliseconds(500), Milliseconds(1500)},
               {Seconds(1), Seconds(3)},
               {Seconds(2), Seconds(5)},
               {Milliseconds(2500), Seconds(5)}});
}

TEST(BackoffTest, RowB2CustomRepeatsItsLastWait) {
  const BackoffPolicy policy = CustomBackoff{{Milliseconds(10), Milliseconds(70)}};
  Random random(1);
  Backoff backoff(policy);
  EXPECT_EQ(backoff.Next(random), Milliseconds(10));
  EXPECT_EQ(backoff.Next(random), Milliseconds(70));
  EXPECT_EQ(backoff.Next(random), Milliseconds(70));
}

// As if a call had waited so often before.
TEST(BackoffTest, TheWaitAfterSoManyInARowIsThatOfACall) {
  Random random(1);
  const BackoffPolicy doubling = ExponentialBackoff{.base = Milliseconds(100), .max = Seconds(1), .jitter = Jitter::kNone};
  EXPECT_EQ(BackoffAfter(doubling, 0, random), Milliseconds(100));
  EXPECT_EQ(BackoffAfter(doubling, 3, random), Milliseconds(800));
  EXPECT_EQ(BackoffAfter(doubling, 1'000'000'000, random), Seconds(1));
  const BackoffPolicy custom = CustomBackoff{{Milliseconds(10), Milliseconds(70)}};
  EXPECT_EQ(BackoffAfter(custom, 5, random), Milliseconds(70));
}

TEST(BackoffTest, ASeedReplaysItsWaits) {
  const BackoffPolicy policy = ExponentialBackoff{};
  Random first(42), again(42), other(43);
  Backoff a(policy), b(policy), c(policy);
  const Duration wait = a.Next(first);
  EXPECT_EQ(wait, b.Next(again));
  EXPECT_NE(wait, c.Next(other));
}

}  // namespace
}  // namespace sluice
