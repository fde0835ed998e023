#include "server/resilience/latency_quantiles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "server/resilience/random.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;

const TimePoint kStart = absl::FromUnixSeconds(6000);  // where a minute begins

void ExpectNear(std::optional<Duration> measured, Duration truth) {
  ASSERT_TRUE(measured.has_value());
  EXPECT_GE(*measured, truth * 0.95 - absl::Nanoseconds(1));
  EXPECT_LE(*measured, truth * 1.05 + absl::Nanoseconds(1));
}

TEST(LatencyQuantilesTest, QuantilesOfOneToAHundred) {
  LatencyQuantiles quantiles;
  for (int ms = 100; ms >= 1; --ms) quantiles.Add(Milliseconds(ms), kStart);
  ExpectNear(quantiles.Quantile(0.07, kStart), Milliseconds(7));  // 0.07 · 100 > 7 in doubles
  ExpectNear(quantiles.Quantile(0.5, kStart), Milliseconds(50));
  ExpectNear(quantiles.Quantile(0.95, kStart), Milliseconds(95));
  ExpectNear(quantiles.Quantile(0.99, kStart), Milliseconds(99));
  ExpectNear(quantiles.Quantile(1, kStart), Milliseconds(100));
  ExpectNear(quantiles.Quantile(0, kStart), Milliseconds(1));
}

TEST(LatencyQuantilesTest, NoneBelowTheMinimumOfSamples) {
  LatencyQuantiles quantiles;
  EXPECT_EQ(quantiles.Quantile(0.95, kStart), std::nullopt);
  for (int i = 0; i < 19; ++i) quantiles.Add(Seconds(1), kStart);
  EXPECT_EQ(quantiles.Quantile(0.95, kStart), std::nullopt);
  quantiles.Add(Seconds(1), kStart);
  ExpectNear(quantiles.Quantile(0.95, kStart), Seconds(1));
}

TEST(LatencyQuantilesTest, TwentySamplesHaveAP95ThatIsNotTheSlowest) {
  LatencyQuantiles quantiles;
  for (int i = 0; i < 19; ++i) quantiles.Add(Milliseconds(100), kStart);
  quantiles.Add(Seconds(60), kStart);
  ExpectNear(quantiles.Quantile(0.95, kStart), Milliseconds(100));
  ExpectNear(quantiles.Quantile(0.99, kStart), Seconds(60));
}

TEST(LatencyQuantilesTest, EveryDurationIsWithinFivePercent) {
  for (Duration truth = LatencyQuantiles::kLeast; truth < LatencyQuantiles::kMost; truth *= 1.0037) {
    LatencyQuantiles quantiles(Seconds(60), 1);
    quantiles.Add(truth, kStart);
    ExpectNear(quantiles.Quantile(0.5, kStart), truth);
  }
}

TEST(LatencyQuantilesTest, WhatIsOutsideCountsAsTheNearerEnd) {
  LatencyQuantiles quantiles(Seconds(60), 1);
  for (const Duration tiny : {-Seconds(1), absl::ZeroDuration(), absl::Microseconds(1)}) quantiles.Add(tiny, kStart);
  EXPECT_EQ(quantiles.Quantile(1, kStart), LatencyQuantiles::kLeast);
  for (const Duration huge : {absl::Hours(2), absl::InfiniteDuration()}) quantiles.Add(huge, kStart);
  ExpectNear(quantiles.Quantile(1, kStart), LatencyQuantiles::kMost);
  EXPECT_EQ(quantiles.Samples(kStart), 5u);
}

TEST(LatencyQuantilesTest, ForgetsWhatIsOlderThanTheWindow) {
  LatencyQuantiles quantiles(Seconds(60), 1);
  quantiles.Add(Seconds(9), kStart);
  quantiles.Add(Seconds(1), kStart + Seconds(30));
  ExpectNear(quantiles.Quantile(1, kStart + Seconds(59)), Seconds(9));
  ExpectNear(quantiles.Quantile(1, kStart + Seconds(60)), Seconds(1));
  EXPECT_EQ(quantiles.Quantile(1, kStart + Seconds(90)), std::nullopt);
}

TEST(LatencyQuantilesTest, ASampleFromBeforeTheWindowIsNotCounted) {
  LatencyQuantiles quantiles(Seconds(60), 1);
  quantiles.Add(Seconds(1), kStart + Seconds(60));
  quantiles.Add(Seconds(9), kStart);
  EXPECT_EQ(quantiles.Samples(kStart + Seconds(60)), 1u);
  ExpectNear(quantiles.Quantile(1, kStart + Seconds(60)), Seconds(1));
}

TEST(LatencyQuantilesTest, GrowthIsTheNewerHalfByTheOlder) {
  LatencyQuantiles quantiles;
  for (int i = 0; i < 10; ++i) quantiles.Add(Milliseconds(200), kStart);
  EXPECT_EQ(quantiles.Growth(0.99, kStart), std::nullopt);
  for (int i = 0; i < 10; ++i) quantiles.Add(Milliseconds(600), kStart + Seconds(30));
  const auto growth = quantiles.Growth(0.99, kStart + Seconds(30));
  ASSERT_TRUE(growth.has_value());
  EXPECT_NEAR(*growth, 3, 3 * 0.11);
  // Half a minute later the newer half is the older one.
  EXPECT_EQ(quantiles.Growth(0.99, kStart + Seconds(60)), std::nullopt);
}

TEST(LatencyQuantilesTest, SteadyTimesDoNotGrow) {
  LatencyQuantiles quantiles;
  for (int i = 0; i < 600; ++i) quantiles.Add(Milliseconds(100 + i % 10), kStart + Milliseconds(100 * i));
  EXPECT_NEAR(quantiles.Growth(0.95, kStart + Seconds(59)).value(), 1, 0.11);
}

// Time to first token as it is: most near a second, some much slower.
Duration Drawn(Random& random) {
  const double spread = std::exp(4 * (random.Uniform() + random.Uniform() + random.Uniform() - 1.5));
  return absl::Seconds(random.Below(20) == 0 ? 30 * spread : spread);
}

Duration NearestRank(std::vector<Duration> samples, double q) {
  std::sort(samples.begin(), samples.end());
  size_t rank = 1;  // the first that q of the samples do not exceed
  while (rank < samples.size() && static_cast<double>(rank) < q * static_cast<double>(samples.size()) - 1e-6) ++rank;
  return samples[rank - 1];
}

TEST(LatencyQuantilesTest, AgreesWithAListOfAllSamples) {
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const Duration length = Seconds(static_cast<int64_t>(6 * (1 + random.Below(20))));
    const Duration slice = length / 6;
    LatencyQuantiles quantiles(length);
    std::vector<std::pair<TimePoint, Duration>> all;
    TimePoint now = kStart;
    for (int step = 0; step < 1500; ++step) {
      now += length * (random.Below(200) == 0 ? 2 * random.Uniform() : random.Uniform() / 60);
      const Duration sample = std::clamp(Drawn(random), LatencyQuantiles::kLeast, LatencyQuantiles::kMost);
      quantiles.Add(sample, now);
      all.emplace_back(now, sample);
      if (step % 10 != 0) continue;

      const int64_t newest = (now - absl::UnixEpoch()) / slice;
      std::vector<Duration> window, older, newer;
      for (const auto& [when, what] : all) {
        const int64_t age = newest - (when - absl::UnixEpoch()) / slice;
        if (age < 6) window.push_back(what);
        if (age < 3) newer.push_back(what);
        if (age >= 3 && age < 6) older.push_back(what);
      }
      ASSERT_EQ(quantiles.Samples(now), window.size());
      for (const double q : {0.5, 0.9, 0.95, 0.99}) {
        const auto measured = quantiles.Quantile(q, now);
        ASSERT_EQ(measured.has_value(), window.size() >= 20);
        if (measured) ExpectNear(measured, NearestRank(window, q));
        const auto growth = quantiles.Growth(q, now);
        ASSERT_EQ(growth.has_value(), newer.size() >= 10 && older.size() >= 10);
        if (!growth) continue;
        const double truth = absl::FDivDuration(NearestRank(newer, q), NearestRank(older, q));
        EXPECT_NEAR(*growth / truth, 1, 0.106);  // 1.05 / 0.95
      }
    }
  }
}

}  // namespace
}  // namespace sluice
