#include "server/resilience/adaptive_retry.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "server/resilience/random.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;

const TimePoint kStart = absl::FromUnixSeconds(1000);

struct AdaptiveCase {
  const char* name;
  AdaptiveInputs inputs;
  int base;
  int attempts;
};

class AdaptiveRetryTest : public testing::TestWithParam<AdaptiveCase> {};

TEST_P(AdaptiveRetryTest, RowD2Attempts) {
  const AdaptiveCase& c = GetParam();
  EXPECT_EQ(AdaptiveMaxAttempts({}, c.base, c.inputs), c.attempts);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, AdaptiveRetryTest,
    testing::Values(
        AdaptiveCase{"NothingMeasured", {}, 3, 3},
        AdaptiveCase{"FastAndSound", {.ttft_p99 = Milliseconds(100), .p99_growth = 1, .failure_rate = 0.1, .load = 0.5}, 3, 3},
        AdaptiveCase{"SlowIsOneFewer", {.ttft_p99 = Milliseconds(501)}, 3, 2},
        AdaptiveCase{"AtTheLatencyThresholdNothing", {.ttft_p99 = Milliseconds(500)}, 3, 3},
        AdaptiveCase{"FailingIsNoRetry", {.failure_rate = 0.51}, 3, 1},
        AdaptiveCase{"AtTheFailureThresholdNothing", {.failure_rate = 0.5}, 3, 3},
        AdaptiveCase{"FullIsOneFewer", {.load = 1}, 3, 2},
        AdaptiveCase{"NearlyFullNothing", {.load = 0.99}, 3, 3},
        AdaptiveCase{"SlowAndFullAreTwoFewer", {.ttft_p99 = Seconds(1), .load = 2}, 4, 2},
        AdaptiveCase{"NeverBelowOne", {.ttft_p99 = Seconds(1), .load = 2}, 2, 1},
        AdaptiveCase{"OneStaysOne", {.ttft_p99 = Seconds(1), .failure_rate = 1, .load = 2}, 1, 1},
        AdaptiveCase{"GrowingFastIsOneFewer", {.ttft_p99 = Milliseconds(300), .p99_growth = 2}, 3, 2},
        AdaptiveCase{"GrowingSlowlyNothing", {.ttft_p99 = Milliseconds(300), .p99_growth = 1.9}, 3, 3},
        AdaptiveCase{"GrowthOfLittleIsNoise", {.ttft_p99 = Milliseconds(250), .p99_growth = 10}, 3, 3},
        AdaptiveCase{"SlowAndGrowingCountOnce", {.ttft_p99 = Seconds(1), .p99_growth = 5}, 3, 2},
        AdaptiveCase{"GrowthWithoutLatencyNothing", {.p99_growth = 5}, 3, 3}),
    [](const auto& tested) { return tested.param.name; });

TEST(AdaptiveRetryTest, RowD2ThresholdsAreSettings) {
  const AdaptiveRetryConfig config{.latency_above = Seconds(2), .failure_percent_above = 10};
  EXPECT_EQ(AdaptiveMaxAttempts(config, 3, {.ttft_p99 = Seconds(2)}), 3);
  EXPECT_EQ(AdaptiveMaxAttempts(config, 3, {.ttft_p99 = Milliseconds(2001)}), 2);
  EXPECT_EQ(AdaptiveMaxAttempts(config, 3, {.failure_rate = 0.11}), 1);
}

TEST(AdaptiveRetryTest, RowD2OnlyEverReduces) {
  Random random(1);
  for (int i = 0; i < 20'000; ++i) {
    AdaptiveInputs inputs{.failure_rate = random.Uniform(), .load = 3 * random.Uniform()};
    if (random.Below(4) > 0) inputs.ttft_p99 = Seconds(2) * random.Uniform();
    if (random.Below(4) > 0) inputs.p99_growth = 4 * random.Uniform();
    const AdaptiveRetryConfig config{.latency_above = Seconds(2) * random.Uniform(),
                                     .failure_percent_above = 100 * random.Uniform()};
    const int base = 1 + static_cast<int>(random.Below(10));
    const int attempts = AdaptiveMaxAttempts(config, base, inputs);
    ASSERT_GE(attempts, 1);
    ASSERT_LE(attempts, base);
    // Worse conditions never give more attempts.
    AdaptiveInputs worse = inputs;
    worse.failure_rate += random.Uniform();
    worse.load += random.Uniform();
    if (worse.ttft_p99) *worse.ttft_p99 += Seconds(1) * random.Uniform();
    ASSERT_LE(AdaptiveMaxAttempts(config, base, worse), attempts);
  }
}

TEST(OutcomeWindowTest, TheRateOfFailures) {
  OutcomeWindow window(Seconds(10));
  for (int i = 0; i < 20; ++i) window.Add(i % 4 == 0, kStart);
  EXPECT_EQ(window.FailureRate(kStart), 0.25);
  EXPECT_EQ(window.Total(kStart), 20u);
  EXPECT_EQ(window.Failures(kStart), 5u);
}

TEST(OutcomeWindowTest, UnknownBelowTheMinimum) {
  OutcomeWindow window(Seconds(10));
  for (int i = 0; i < 9; ++i) window.Add(true, kStart);
  EXPECT_EQ(window.FailureRate(kStart), std::nullopt);
  window.Add(true, kStart);
  EXPECT_EQ(window.FailureRate(kStart), 1);
  EXPECT_EQ(OutcomeWindow(Seconds(10), 0).FailureRate(kStart), std::nullopt);
}

TEST(OutcomeWindowTest, ForgetsWhatIsOlderThanTheWindow) {
  OutcomeWindow window(Seconds(10), 1);
  window.Add(true, kStart);
  EXPECT_EQ(window.Total(kStart + Seconds(9)), 1u);
  EXPECT_EQ(window.Total(kStart + Seconds(10)), 0u);
  EXPECT_EQ(window.FailureRate(kStart + Seconds(10)), std::nullopt);
  // The same slot of the ring, a window later.
  window.Add(false, kStart + Seconds(10));
  EXPECT_EQ(window.FailureRate(kStart + Seconds(10)), 0);
}

TEST(OutcomeWindowTest, AnOutcomeFromBeforeTheWindowIsNotCounted) {
  OutcomeWindow window(Seconds(10), 1);
  window.Add(false, kStart + Seconds(20));
  window.Add(true, kStart + Seconds(10));
  EXPECT_EQ(window.Total(kStart + Seconds(20)), 1u);
  window.Add(true, kStart + Seconds(11));  // late, but inside it
  EXPECT_EQ(window.FailureRate(kStart + Seconds(20)), 0.5);
}

TEST(OutcomeWindowTest, WorksOnEitherSideOfTheClocksZero) {
  OutcomeWindow window(Seconds(10), 1);
  const TimePoint zero = absl::UnixEpoch();
  window.Add(true, zero - Milliseconds(1));
  window.Add(false, zero);
  EXPECT_EQ(window.Total(zero), 2u);
  EXPECT_EQ(window.Total(zero + Seconds(9)), 1u);
}

TEST(OutcomeWindowTest, AgreesWithAListOfAllOutcomes) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    const Duration window_length = Milliseconds(static_cast<int64_t>(10 * (1 + random.Below(1000))));
    OutcomeWindow window(window_length, 1);
    std::vector<std::pair<TimePoint, bool>> all;
    TimePoint now = kStart;
    for (int step = 0; step < 1000; ++step) {
      now += window_length * (random.Below(50) == 0 ? 2 * random.Uniform() : random.Uniform() / 40);
      const bool failed = random.Below(3) == 0;
      window.Add(failed, now);
      all.emplace_back(now, failed);

      uint64_t surely = 0, perhaps = 0, total = 0, failures = 0;
      const Duration bucket = window_length / 10;
      const int64_t newest = absl::Floor(now - absl::UnixEpoch(), bucket) / bucket;
      for (const auto& [when, bad] : all) {
        if (now - when <= window_length * 9 / 10) ++surely;
        if (now - when < window_length) ++perhaps;
        if ((when - absl::UnixEpoch()) / bucket <= newest - 10) continue;
        ++total;
        failures += bad;
      }
      ASSERT_EQ(window.Total(now), total) << "seed " << seed << " step " << step;
      ASSERT_EQ(window.Failures(now), failures) << "seed " << seed << " step " << step;
      ASSERT_GE(total, surely) << "seed " << seed << " step " << step;
      ASSERT_LE(total, perhaps) << "seed " << seed << " step " << step;
      ASSERT_EQ(window.FailureRate(now), static_cast<double>(failures) / static_cast<double>(total));
    }
  }
}

}  // namespace
}  // namespace sluice
