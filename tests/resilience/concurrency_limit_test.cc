#include "server/resilience/concurrency_limit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "server/resilience/random.h"
#include "tests/resilience/trace_seed.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using Bound = ConcurrencyLimit::Bound;

TEST(ConcurrencyLimitTest, WithoutBoundsAdmitsAll) {
  ConcurrencyLimit limit({});
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(limit.TryAcquire(1'000'000));
  EXPECT_EQ(limit.requests(), 10'000u);
  EXPECT_EQ(limit.limit(), std::nullopt);
}

TEST(ConcurrencyLimitTest, RequestsAreBoundedAndAReleaseMakesRoom) {
  ConcurrencyLimit limit({.max_requests = 2});
  EXPECT_TRUE(limit.TryAcquire(10));
  limit.Connected();
  EXPECT_TRUE(limit.TryAcquire(10));
  EXPECT_FALSE(limit.TryAcquire(10));
  EXPECT_EQ(limit.Exceeds(10), Bound::kRequests);
  limit.Release(10, true);
  EXPECT_TRUE(limit.TryAcquire(10));
}

TEST(ConcurrencyLimitTest, PendingEndsWithTheConnection) {
  ConcurrencyLimit limit({.max_pending = 2});
  EXPECT_TRUE(limit.TryAcquire(0));
  EXPECT_TRUE(limit.TryAcquire(0));
  EXPECT_FALSE(limit.TryAcquire(0));
  EXPECT_EQ(limit.Exceeds(0), Bound::kPending);
  limit.Connected();
  EXPECT_TRUE(limit.TryAcquire(0));
  limit.Release(0, false);  // given up before it was connected
  EXPECT_EQ(limit.pending(), 1u);
  EXPECT_EQ(limit.requests(), 2u);
  EXPECT_TRUE(limit.TryAcquire(0));
}

TEST(ConcurrencyLimitTest, TokensAreBoundedInSum) {
  ConcurrencyLimit limit({.max_tokens = 1000});
  EXPECT_TRUE(limit.TryAcquire(600));
  EXPECT_FALSE(limit.TryAcquire(401));
  EXPECT_EQ(limit.Exceeds(401), Bound::kTokens);
  EXPECT_TRUE(limit.TryAcquire(400));
  limit.Release(600, false);
  EXPECT_EQ(limit.tokens(), 400u);
  EXPECT_TRUE(limit.TryAcquire(600));
}

TEST(ConcurrencyLimitTest, ACallAloneIsNeverTooLargeInTokens) {
  ConcurrencyLimit limit({.max_tokens = 1000});
  EXPECT_TRUE(limit.TryAcquire(5000));
  EXPECT_FALSE(limit.TryAcquire(1));
  limit.Release(5000, true);
  EXPECT_TRUE(limit.TryAcquire(UINT64_MAX));
  EXPECT_FALSE(limit.TryAcquire(UINT64_MAX));
}

// As in Envoy's resource manager: what is above a lowered bound drains.
TEST(ConcurrencyLimitTest, ALoweredBoundDrains) {
  ConcurrencyLimit limit({.max_requests = 10, .max_tokens = 1000});
  for (int i = 0; i < 10; ++i) limit.TryAcquire(100);
  limit.Configure({.max_requests = 5, .max_tokens = 300});
  EXPECT_EQ(limit.requests(), 10u);
  for (int i = 0; i < 5; ++i) limit.Release(100, false);
  EXPECT_EQ(limit.Exceeds(1), Bound::kRequests);
  limit.Release(100, false);
  EXPECT_EQ(limit.Exceeds(1), Bound::kTokens);
  limit.Release(100, false);
  EXPECT_EQ(limit.Exceeds(1), Bound::kTokens);
  limit.Release(100, false);
  EXPECT_TRUE(limit.TryAcquire(100));
  EXPECT_FALSE(limit.TryAcquire(1));
}

TEST(ConcurrencyLimitTest, ABoundOfZeroAdmitsNothing) {
  ConcurrencyLimit limit({.max_requests = 0});
  EXPECT_FALSE(limit.TryAcquire(0));
}

TEST(ConcurrencyLimitTest, EqualsAModelThatListsEveryCall) {
  struct Call {
    uint64_t tokens;
    bool connected;
  };
  ForEachTrace(300, [](uint64_t seed) {
    Random random(seed);
    const auto maybe = [&](uint64_t most) {
      return random.Below(3) == 0 ? std::nullopt : std::optional<uint32_t>(random.Below(most));
    };
    const auto some = [&] {
      return ConcurrencyConfig{.max_requests = maybe(12), .max_pending = maybe(6), .max_tokens = maybe(3000)};
    };
    ConcurrencyConfig config = some();
    ConcurrencyLimit limit(config);
    std::vector<Call> calls;
    for (int step = 0; step < 500 && !testing::Test::HasFailure(); ++step) {
      const uint64_t pending = std::count_if(calls.begin(), calls.end(), [](const Call& c) { return !c.connected; });
      uint64_t tokens = 0;
      for (const Call& call : calls) tokens += call.tokens;
      ASSERT_EQ(limit.requests(), calls.size());
      ASSERT_EQ(limit.pending(), pending);
      ASSERT_EQ(limit.tokens(), tokens);
      const uint64_t dice = random.Below(100);
      if (dice < 50) {
        const Call call{random.Below(1000), false};
        const bool fits = calls.size() < config.max_requests.value_or(UINT32_MAX) &&
                          pending < config.max_pending.value_or(UINT32_MAX) &&
                          (tokens == 0 || tokens + call.tokens <= config.max_tokens.value_or(UINT64_MAX));
        ASSERT_EQ(limit.TryAcquire(call.tokens), fits);
        if (fits) calls.push_back(call);
      } else if (dice < 98 && !calls.empty()) {
        Call& call = calls[random.Below(calls.size())];
        if (!call.connected && dice < 75) {
          call.connected = true;
          limit.Connected();
        } else {
          limit.Release(call.tokens, call.connected);
          call = calls.back();
          calls.pop_back();
        }
      } else if (dice >= 98) {
        config = some();
        limit.Configure(config);
      }
    }
  });
}

// --- Adaptive

class AdaptiveLimitTest : public testing::Test {
 protected:
  // An interval's worth of samples, with so many in flight.
  void Interval(Duration ttft, uint32_t in_flight) {
    for (int i = 0; i < 10; ++i) limit_.OnSample(config_, ttft, in_flight, now_ += Milliseconds(100));
    limit_.OnSample(config_, ttft, in_flight, now_ += Milliseconds(100));
  }
  void Saturated(Duration ttft) { Interval(ttft, limit_.limit()); }

  TimePoint now_ = absl::FromUnixSeconds(10'000);
  ConcurrencyConfig config_{.adaptive = true, .adaptive_min = 1, .adaptive_max = 1'000'000};
  AdaptiveLimit limit_{config_};
};

TEST_F(AdaptiveLimitTest, FollowsTheGradientFormula) {
  double expected = 1;
  for (int ms : {200, 200, 200, 400, 300, 250, 1000, 200}) {
    Saturated(Milliseconds(ms));
    const double gradient = std::clamp(200 * 1.25 / ms, 0.5, 2.0);
    expected = std::max(1.0, gradient * expected + std::sqrt(expected));
    EXPECT_EQ(limit_.limit(), static_cast<uint32_t>(expected)) << ms;
  }
}

TEST_F(AdaptiveLimitTest, AnUpstreamThatKeepsUpRaisesItToTheMaximum) {
  config_.adaptive_max = 60;
  for (int i = 0; i < 30; ++i) Saturated(Milliseconds(200));
  EXPECT_EQ(limit_.limit(), 60u);
}

TEST_F(AdaptiveLimitTest, AnOverloadedUpstreamLowersItToWhereTheFormulaRests) {
  for (int i = 0; i < 30; ++i) Saturated(Milliseconds(200));
  for (int i = 0; i < 60; ++i) Saturated(Seconds(2));
  EXPECT_LE(limit_.limit(), 4u);  // l = l/2 + √l has its rest at 4
  config_.adaptive_min = 10;
  Saturated(Seconds(2));
  EXPECT_EQ(limit_.limit(), 10u);
}

TEST_F(AdaptiveLimitTest, AnIdleTimeDoesNotOpenItForTheBurstAfterIt) {
  while (limit_.limit() < 50) Saturated(Milliseconds(200));
  const uint32_t before = limit_.limit();
  for (int i = 0; i < 100; ++i) Interval(Milliseconds(200), before / 4);
  EXPECT_EQ(limit_.limit(), before);
}

TEST_F(AdaptiveLimitTest, OneSlowCallDoesNotMoveIt) {
  AdaptiveLimit steady = limit_;
  for (int i = 0; i < 11; ++i) {
    now_ += Milliseconds(100);
    steady.OnSample(config_, Milliseconds(200), 1, now_);
    limit_.OnSample(config_, i == 3 ? Seconds(30) : Milliseconds(200), 1, now_);
  }
  EXPECT_EQ(limit_.limit(), steady.limit());
  EXPECT_GT(limit_.limit(), 1u);
}

TEST_F(AdaptiveLimitTest, FewSamplesAreWaitedFor) {
  for (int i = 0; i < 4; ++i) limit_.OnSample(config_, Milliseconds(200), 1, now_ += Seconds(10));
  EXPECT_EQ(limit_.limit(), 1u);
  limit_.OnSample(config_, Milliseconds(200), 1, now_ += Seconds(10));
  EXPECT_GT(limit_.limit(), 1u);
}

TEST_F(AdaptiveLimitTest, ABurstOfSamplesIsBounded) {
  for (int i = 0; i < 128; ++i) limit_.OnSample(config_, Milliseconds(200), 1, now_);
  EXPECT_GT(limit_.limit(), 1u);  // the interval was not waited for
}

TEST_F(AdaptiveLimitTest, TheSmallestTimeSlidesOutOfItsPeriod) {
  Saturated(Milliseconds(100));
  EXPECT_EQ(limit_.MinTtft(now_), Milliseconds(100));
  now_ += absl::Minutes(5);
  Saturated(Milliseconds(300));
  EXPECT_EQ(limit_.MinTtft(now_), Milliseconds(100));
  now_ += absl::Minutes(5);
  EXPECT_EQ(limit_.MinTtft(now_), Milliseconds(300));
  now_ += absl::Minutes(11);
  EXPECT_EQ(limit_.MinTtft(now_), absl::InfiniteDuration());
}

TEST_F(AdaptiveLimitTest, ATimeOfZeroIsHarmless) {
  Saturated(absl::ZeroDuration());
  Saturated(Milliseconds(1));
  EXPECT_GE(limit_.limit(), 1u);
}

TEST_F(AdaptiveLimitTest, EqualsTheFormulaOverAllSamplesKept) {
  ForEachTrace(100, [](uint64_t seed) {
    Random random(seed);
    const ConcurrencyConfig config{.adaptive = true,
                                   .adaptive_min = 1 + static_cast<uint32_t>(random.Below(5)),
                                   .adaptive_max = 10 + static_cast<uint32_t>(random.Below(200)),
                                   .adaptive_buffer = random.Uniform(),
                                   .adaptive_period = Seconds(20)};
    const auto bucket_of = [](TimePoint at) { return absl::Floor(at - absl::UnixEpoch(), Seconds(2)); };
    AdaptiveLimit limit(config);
    struct Sample {
      TimePoint at;
      Duration ttft;
    };
    std::vector<Sample> all, interval;
    uint32_t peak = 0;
    double expected = config.adaptive_min;
    TimePoint now = absl::FromUnixSeconds(10'000);
    for (int step = 0; step < 2000 && !testing::Test::HasFailure(); ++step) {
      if (random.Below(3) == 0) now += Milliseconds(random.Below(random.Below(200) == 0 ? 30'000 : 100));
      const Sample sample{now, Milliseconds(50 + random.Below(500))};
      const uint32_t in_flight = random.Below(2 * static_cast<uint64_t>(expected) + 1);
      limit.OnSample(config, sample.ttft, in_flight, now);
      all.push_back(sample);
      interval.push_back(sample);
      peak = std::max(peak, in_flight);
      const bool over = now - interval.front().at >= Seconds(1) && interval.size() >= 5;
      if (over || interval.size() == 128) {
        Duration least = absl::InfiniteDuration();
        for (const Sample& s : all) {
          if (bucket_of(now) - bucket_of(s.at) < Seconds(20)) least = std::min(least, s.ttft);
        }
        std::sort(interval.begin(), interval.end(), [](auto& a, auto& b) { return a.ttft < b.ttft; });
        const Duration median = interval[interval.size() / 2].ttft;
        const double gradient = std::clamp(
            absl::ToDoubleSeconds(least) * (1 + config.adaptive_buffer) / absl::ToDoubleSeconds(median), 0.5, 2.0);
        const double next = gradient * expected + std::sqrt(expected);
        if (next < expected || peak >= expected / 2) expected = next;
        expected = std::clamp<double>(expected, config.adaptive_min, config.adaptive_max);
        interval.clear();
        peak = 0;
      }
      ASSERT_EQ(limit.limit(), static_cast<uint32_t>(expected)) << "step " << step;
    }
  });
}

TEST(ConcurrencyLimitTest, AdaptiveBoundsTheRequests) {
  ConcurrencyLimit limit({.adaptive = true, .adaptive_min = 3});
  EXPECT_EQ(limit.limit(), 3u);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limit.TryAcquire(0));
  EXPECT_EQ(limit.Exceeds(0), Bound::kRequests);
  TimePoint now = absl::FromUnixSeconds(10'000);
  for (int i = 0; i < 20; ++i) limit.OnSample(Milliseconds(200), now += Milliseconds(100));
  EXPECT_TRUE(limit.TryAcquire(0));
}

TEST(ConcurrencyLimitTest, TheSmallerOfFixedAndAdaptiveHolds) {
  ConcurrencyLimit limit({.max_requests = 2, .adaptive = true, .adaptive_min = 5});
  EXPECT_EQ(limit.limit(), 2u);
  limit.Configure({.max_requests = 100, .adaptive = true, .adaptive_min = 5});
  EXPECT_EQ(limit.limit(), 5u);
}

TEST(ConcurrencyLimitTest, AdaptiveGoesOnFromWhereItIsUnderNewBounds) {
  ConcurrencyConfig config{.adaptive = true, .adaptive_min = 5};
  ConcurrencyLimit limit(config);
  for (int i = 0; i < 3; ++i) limit.TryAcquire(0);
  TimePoint now = absl::FromUnixSeconds(10'000);
  for (int i = 0; i < 12; ++i) limit.OnSample(Milliseconds(200), now += Milliseconds(100));
  const uint32_t grown = *limit.limit();
  ASSERT_GT(grown, 5u);
  config.adaptive_max = 500;
  limit.Configure(config);
  EXPECT_EQ(limit.limit(), grown);
  config.adaptive_max = 6;
  limit.Configure(config);
  EXPECT_EQ(limit.limit(), 6u);
  config.adaptive_max = 500;
  config.adaptive_period = absl::Minutes(1);
  limit.Configure(config);
  EXPECT_EQ(limit.limit(), 5u);
  limit.Configure({});
  EXPECT_EQ(limit.limit(), std::nullopt);
}

}  // namespace
}  // namespace sluice
