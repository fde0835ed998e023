#include "server/resilience/rate_limit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "server/resilience/random.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Minutes;
using absl::Nanoseconds;
using absl::Seconds;

const TimePoint kStart = absl::FromUnixSeconds(1000);
constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();

TEST(RateLimitTest, ABucketHoldsOnePeriodsWorth) {
  RateBuckets buckets({.requests = 3});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(buckets.TryTake(0, kStart), std::nullopt) << i;
  EXPECT_EQ(buckets.TryTake(0, kStart), Seconds(20));
}

TEST(RateLimitTest, IsRefilledAllTheTime) {
  RateBuckets buckets({.requests = 60});
  for (int i = 0; i < 60; ++i) ASSERT_EQ(buckets.TryTake(0, kStart), std::nullopt);
  EXPECT_EQ(buckets.TryTake(0, kStart + Milliseconds(400)), Milliseconds(600));
  EXPECT_EQ(buckets.TryTake(0, kStart + Seconds(1)), std::nullopt);
  EXPECT_EQ(buckets.TryTake(0, kStart + Seconds(1)), Seconds(1));
  // Never more than a period's worth, however long it was quiet.
  for (int i = 0; i < 60; ++i) ASSERT_EQ(buckets.TryTake(0, kStart + Minutes(100)), std::nullopt);
  EXPECT_NE(buckets.TryTake(0, kStart + Minutes(100)), std::nullopt);
}

TEST(RateLimitTest, TheWaitIsExactToTheNanosecond) {
  for (const uint64_t requests : {1ull, 3ull, 7ull, 1000ull, 999'999'937ull}) {
    RateBuckets buckets({.requests = requests, .tokens = 10'000'019, .per = Seconds(61)});
    ASSERT_EQ(buckets.TryTake(10'000'019, kStart), std::nullopt);
    const Duration wait = buckets.TryTake(12'345, kStart).value();
    EXPECT_EQ(buckets.TryTake(12'345, kStart + wait - Nanoseconds(1)), Nanoseconds(1)) << requests;
    EXPECT_EQ(buckets.TryTake(12'345, kStart + wait), std::nullopt) << requests;
  }
}

TEST(RateLimitTest, BothRequestsAndTokensMustBeThere) {
  RateBuckets buckets({.requests = 2, .tokens = 600});
  EXPECT_EQ(buckets.TryTake(500, kStart), std::nullopt);
  EXPECT_EQ(buckets.TryTake(200, kStart), Seconds(10));  // a hundred tokens, 10/s
  EXPECT_EQ(buckets.TryTake(100, kStart), std::nullopt);  // the refusal took no request
  EXPECT_EQ(buckets.TryTake(1, kStart), Seconds(30));     // both are used up: the longer wait
}

TEST(RateLimitTest, WithoutALimitEverythingGoes) {
  RateBuckets buckets({});
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(buckets.TryTake(kHuge, kStart), std::nullopt);
  EXPECT_TRUE(buckets.idle(kStart));
  EXPECT_EQ(buckets.requests_left(kStart), std::nullopt);
  EXPECT_EQ(buckets.tokens_left(kStart), std::nullopt);
}

TEST(RateLimitTest, ALimitOfZeroLetsNothingThrough) {
  EXPECT_EQ(RateBuckets({.requests = 0}).TryTake(0, kStart), absl::InfiniteDuration());
  EXPECT_EQ(RateBuckets({.tokens = 0}).TryTake(1, kStart), absl::InfiniteDuration());
}

TEST(RateLimitTest, ACallLargerThanTheBucketGoesWhenItIsFullAndLeavesADebt) {
  RateBuckets buckets({.tokens = 600});  // 10/s
  ASSERT_EQ(buckets.TryTake(100, kStart), std::nullopt);
  EXPECT_EQ(buckets.TryTake(1000, kStart), Seconds(10));  // until full, not for ever
  EXPECT_EQ(buckets.TryTake(1000, kStart + Seconds(10)), std::nullopt);
  EXPECT_EQ(buckets.tokens_left(kStart + Seconds(10)), -400);
  EXPECT_EQ(buckets.TryTake(10, kStart + Seconds(10)), Seconds(41));
  EXPECT_EQ(buckets.TryTake(10, kStart + Seconds(51)), std::nullopt);
}

TEST(RateLimitTest, SettlingCreditsWhatWasNotUsed) {
  RateBuckets buckets({.tokens = 600});
  ASSERT_EQ(buckets.TryTake(600, kStart), std::nullopt);
  buckets.Settle(600, 100, kStart);
  EXPECT_EQ(buckets.tokens_left(kStart), 500);
  buckets.Settle(600, 0, kStart);
  EXPECT_EQ(buckets.tokens_left(kStart), 600);  // no more than it holds
}

TEST(RateLimitTest, SettlingOwesWhatWasUsedBeyondTheEstimate) {
  RateBuckets buckets({.tokens = 600});
  ASSERT_EQ(buckets.TryTake(100, kStart), std::nullopt);
  buckets.Settle(100, 1300, kStart);
  EXPECT_EQ(buckets.tokens_left(kStart), -700);
  EXPECT_EQ(buckets.TryTake(100, kStart), Seconds(80));
}

TEST(RateLimitTest, AnAbsurdUsageOwesTenPeriodsAtMost) {
  RateBuckets buckets({.tokens = 600});
  ASSERT_EQ(buckets.TryTake(100, kStart), std::nullopt);
  buckets.Settle(100, kHuge, kStart);
  EXPECT_EQ(buckets.tokens_left(kStart), -6000);
  for (int i = 0; i < 1000; ++i) buckets.Settle(0, kHuge, kStart);
  EXPECT_EQ(buckets.tokens_left(kStart), -6000);
  // What a call's own estimate took beyond that is owed all the same.
  RateBuckets large({.tokens = 600});
  ASSERT_EQ(large.TryTake(60'000, kStart), std::nullopt);
  large.Settle(0, 10, kStart);
  EXPECT_EQ(large.tokens_left(kStart), -59'400);
}

TEST(RateLimitTest, GivingBackUndoesTaking) {
  RateBuckets buckets({.requests = 7, .tokens = 1000, .per = Seconds(61)});
  ASSERT_EQ(buckets.TryTake(300, kStart), std::nullopt);
  const TimePoint later = kStart + Milliseconds(333);
  const auto requests = buckets.requests_left(later);
  const auto tokens = buckets.tokens_left(later);
  const TimePoint idle = buckets.IdleAt(later);
  ASSERT_EQ(buckets.TryTake(123, later), std::nullopt);
  EXPECT_NE(buckets.IdleAt(later), idle);
  buckets.GiveBack(123, later);
  EXPECT_EQ(buckets.requests_left(later), requests);
  EXPECT_EQ(buckets.tokens_left(later), tokens);
  EXPECT_EQ(buckets.IdleAt(later), idle);
}

TEST(RateLimitTest, IdleWhenFullAgain) {
  RateBuckets buckets({.requests = 60, .tokens = 600});
  EXPECT_TRUE(buckets.idle(kStart));
  ASSERT_EQ(buckets.TryTake(100, kStart), std::nullopt);
  EXPECT_FALSE(buckets.idle(kStart));
  EXPECT_EQ(buckets.IdleAt(kStart), kStart + Seconds(10));
  EXPECT_FALSE(buckets.idle(kStart + Seconds(10) - Nanoseconds(1)));
  EXPECT_TRUE(buckets.idle(kStart + Seconds(10)));
}

TEST(RateLimitTest, TimeThatGoesBackRefillsNothing) {
  RateBuckets buckets({.requests = 1});
  ASSERT_EQ(buckets.TryTake(0, kStart), std::nullopt);
  EXPECT_EQ(buckets.TryTake(0, kStart - Minutes(5)), Minutes(1));
  EXPECT_EQ(buckets.TryTake(0, kStart + Seconds(59)), Seconds(1));
  EXPECT_EQ(buckets.IdleAt(kStart - Minutes(5)), kStart + Minutes(1));
}

TEST(RateLimitTest, ConfigureKeepsTheProportion) {
  RateBuckets buckets({.requests = 100, .tokens = 1000});
  ASSERT_EQ(buckets.TryTake(1500, kStart), std::nullopt);
  for (int i = 0; i < 24; ++i) ASSERT_TRUE(buckets.TryTake(0, kStart).has_value());  // in debt: nothing goes
  buckets.Configure({.requests = 200, .tokens = 4000}, kStart);
  EXPECT_NEAR(buckets.requests_left(kStart).value(), 198, 1e-6);
  EXPECT_NEAR(buckets.tokens_left(kStart).value(), -2000, 1e-6);
  buckets.Configure({.requests = 10}, kStart);
  EXPECT_NEAR(buckets.requests_left(kStart).value(), 9.9, 1e-6);
  EXPECT_EQ(buckets.TryTake(1'000'000, kStart), std::nullopt);  // tokens are free now
  buckets.Configure({.tokens = 500}, kStart);
  EXPECT_EQ(buckets.tokens_left(kStart), 500);  // a new limit begins full
}

TEST(RateLimitTest, ConfigureToTheSameChangesNothing) {
  const RateLimitConfig config{.requests = 60, .tokens = 600};
  RateBuckets buckets(config);
  ASSERT_EQ(buckets.TryTake(600, kStart), std::nullopt);
  for (int i = 0; i < 100; ++i) buckets.Configure(config, kStart);
  EXPECT_EQ(buckets.TryTake(600, kStart), Minutes(1));
}

TEST(RateLimitTest, HugeNumbersDoNotOverflow) {
  RateBuckets buckets({.requests = kHuge, .tokens = kHuge, .per = absl::InfiniteDuration()});
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(buckets.TryTake(1, kStart + Seconds(i)), std::nullopt);
    buckets.Settle(0, kHuge, kStart + Seconds(i));
    buckets.GiveBack(kHuge, kStart + Seconds(i));
  }
  EXPECT_EQ(buckets.TryTake(kHuge, kStart + Seconds(100)), std::nullopt);
  EXPECT_LT(buckets.tokens_left(kStart + Seconds(100)), 1);
}

// The reference replays all events at each question. Limits are chosen so that
// whole thousandths come each millisecond: plain integers are exact.
class RateModel {
 public:
  RateModel(int64_t requests_per_second, int64_t tokens_per_second, int64_t seconds)
      : requests_(requests_per_second), tokens_(tokens_per_second), seconds_(seconds) {}

  struct Event {
    int64_t ms;
    int64_t requests;  // taken; negative: given back
    int64_t tokens;
    bool settlement = false;
  };
  void Happened(Event event) { events_.push_back(event); }

  std::optional<Duration> WaitFor(int64_t tokens, int64_t ms) const {
    const Duration requests_wait = Wait(1000, Level(requests_, ms, &Event::requests), requests_);
    const int64_t most = 1000 * tokens_ * seconds_;
    const Duration tokens_wait = Wait(std::min(1000 * tokens, most), Level(tokens_, ms, &Event::tokens), tokens_);
    const Duration wait = std::max(requests_wait, tokens_wait);
    return wait > absl::ZeroDuration() ? std::optional(wait) : std::nullopt;
  }

  int64_t TokensLeft(int64_t ms) const { return Level(tokens_, ms, &Event::tokens); }

 private:
  // In thousandths, which come at `rate` a millisecond.
  int64_t Level(int64_t rate, int64_t ms, int64_t Event::*what) const {
    const int64_t most = 1000 * rate * seconds_;
    int64_t level = most, at = 0;
    for (const Event& event : events_) {
      level = std::min(most, level + rate * (event.ms - at));
      at = event.ms;
      const int64_t after = level - 1000 * (event.*what);
      level = event.settlement && after < level ? std::max(after, std::min(level, -10 * most)) : std::min(most, after);
    }
    return std::min(most, level + rate * (ms - at));
  }

  static Duration Wait(int64_t needed, int64_t level, int64_t rate) {
    if (needed <= level) return absl::ZeroDuration();
    return Nanoseconds(((needed - level) * 1'000'000 + rate - 1) / rate);
  }

  int64_t requests_, tokens_, seconds_;
  std::vector<Event> events_;
};

TEST(RateLimitTest, AgreesWithAReplayOfAllEvents) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Random random(seed);
    const auto below = [&random](uint64_t bound) { return static_cast<int64_t>(random.Below(bound)); };
    const int64_t requests = 1 + below(20), tokens = 1 + below(300), seconds = 1 + below(60);
    RateModel model(requests, tokens, seconds);
    RateBuckets buckets({.requests = requests * seconds, .tokens = tokens * seconds, .per = Seconds(seconds)});
    std::vector<int64_t> running;  // estimates of calls that went
    int64_t ms = 1;
    for (int step = 0; step < 500; ++step) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " step " << step);
      ms += below(20) == 0 ? below(1000 * seconds) : below(300);
      const TimePoint now = absl::UnixEpoch() + Milliseconds(ms);
      const bool ends = !running.empty() && below(2) == 0;
      if (!ends) {
        const int64_t estimate = below(30) == 0 ? below(3 * tokens * seconds) : below(2 * tokens);
        const std::optional<Duration> expected = model.WaitFor(estimate, ms);
        ASSERT_EQ(buckets.TryTake(estimate, now), expected);
        if (!expected) {
          model.Happened({.ms = ms, .requests = 1, .tokens = estimate});
          running.push_back(estimate);
        }
      } else {
        const int64_t estimate = running.back();
        running.pop_back();
        if (below(4) == 0) {
          buckets.GiveBack(estimate, now);
          model.Happened({.ms = ms, .requests = -1, .tokens = -estimate});
        } else {
          const int64_t actual = below(20) == 0 ? below(40 * tokens * seconds) : below(3 * tokens);
          buckets.Settle(estimate, actual, now);
          model.Happened({.ms = ms, .requests = 0, .tokens = actual - estimate, .settlement = true});
        }
      }
      ASSERT_NEAR(buckets.tokens_left(now).value(), static_cast<double>(model.TokensLeft(ms)) / 1000, 1e-6);
    }
  }
}

TEST(RateLimitTest, NoStretchOfTimeSeesMoreThanABucketAndItsRefill) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    const uint64_t tokens = 1 + random.Below(5000);
    RateBuckets buckets({.tokens = tokens, .per = Seconds(10)});
    std::vector<std::pair<TimePoint, uint64_t>> went;
    TimePoint now = kStart;
    for (int step = 0; step < 600; ++step) {
      now += Seconds(1) * random.Uniform();
      const uint64_t cost = 1 + random.Below(tokens);
      if (!buckets.TryTake(cost, now)) went.emplace_back(now, cost);
    }
    ASSERT_GT(went.size(), 50u) << "seed " << seed;
    for (size_t from = 0; from < went.size(); ++from) {
      uint64_t sum = 0;
      for (size_t to = from; to < went.size(); ++to) {
        sum += went[to].second;
        const double seconds = absl::ToDoubleSeconds(went[to].first - went[from].first);
        ASSERT_LE(sum, tokens * (1 + seconds / 10) + 1e-3) << "seed " << seed;
      }
    }
  }
}

}  // namespace
}  // namespace sluice
