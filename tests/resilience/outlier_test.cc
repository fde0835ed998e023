#include "server/resilience/outlier.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "server/resilience/random.h"
#include "tests/resilience/trace_seed.h"

namespace sluice {
namespace {

using absl::Seconds;

class OutlierTest : public testing::Test {
 protected:
  bool Fail() { return host_.OnFailure(config_, now_); }
  // Fails until the threshold, and ejects; the length of the ejection.
  Duration FailAndEject() {
    while (!Fail()) {
    }
    host_.Eject(config_, now_);
    return host_.ejected_until() - now_;
  }
  uint32_t Multiplier() const { return host_.Figures(config_, now_).multiplier; }

  TimePoint now_ = absl::FromUnixSeconds(10'000);
  OutlierConfig config_;
  OutlierHost host_;
};

TEST_F(OutlierTest, TheFifthFailureInARowReachesTheThreshold) {
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(Fail());
  EXPECT_TRUE(Fail());
  EXPECT_FALSE(host_.ejected(now_));  // whether it goes is up to the pool
}

TEST_F(OutlierTest, ASuccessStartsTheRowAnew) {
  for (int i = 0; i < 4; ++i) Fail();
  host_.OnSuccess();
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(Fail());
  EXPECT_TRUE(Fail());
}

TEST_F(OutlierTest, WhoseEjectionTheCapRefusedIsAskedAgainAtTheNextFailure) {
  for (int i = 0; i < 5; ++i) Fail();
  EXPECT_TRUE(Fail());
  host_.OnSuccess();
  EXPECT_FALSE(Fail());
}

TEST_F(OutlierTest, AnEjectionLastsItsBaseAndNotLonger) {
  EXPECT_EQ(FailAndEject(), Seconds(30));
  now_ += Seconds(30) - absl::Nanoseconds(1);
  EXPECT_TRUE(host_.ejected(now_));
  now_ += absl::Nanoseconds(1);
  EXPECT_FALSE(host_.ejected(now_));
}

TEST_F(OutlierTest, EjectionsGetLongerUpToTheCap) {
  for (int seconds : {30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300}) {
    EXPECT_EQ(FailAndEject(), Seconds(seconds));
    now_ = host_.ejected_until();
  }
}

// A50: no shorter than the base, whatever the cap says.
TEST_F(OutlierTest, ACapBelowTheBaseIsTheBase) {
  config_.max_ejection = Seconds(10);
  EXPECT_EQ(FailAndEject(), Seconds(30));
  now_ = host_.ejected_until();
  EXPECT_EQ(FailAndEject(), Seconds(30));
}

TEST_F(OutlierTest, ACleanIntervalLowersTheMultiplierByOne) {
  for (int i = 0; i < 4; ++i) {
    FailAndEject();
    now_ = host_.ejected_until();
  }
  EXPECT_EQ(Multiplier(), 4u);
  now_ += Seconds(10) - absl::Nanoseconds(1);
  EXPECT_EQ(Multiplier(), 4u);
  now_ += absl::Nanoseconds(1);
  EXPECT_EQ(Multiplier(), 3u);
  now_ += Seconds(10);
  EXPECT_EQ(FailAndEject(), Seconds(90));  // 2 left, and this one
  now_ = host_.ejected_until() + absl::Hours(1);
  EXPECT_EQ(Multiplier(), 0u);
  EXPECT_EQ(FailAndEject(), Seconds(30));
}

TEST_F(OutlierTest, TheTimeOfAnEjectionIsNoCleanInterval) {
  FailAndEject();
  now_ += Seconds(29);
  EXPECT_EQ(Multiplier(), 1u);
}

// Envoy's rule; A50's multiplier goes on counting.
TEST_F(OutlierTest, AtTheCapTheMultiplierGrowsNoFurther) {
  for (int i = 0; i < 100; ++i) {
    FailAndEject();
    now_ = host_.ejected_until();
  }
  EXPECT_EQ(Multiplier(), 10u);
  now_ += Seconds(100);
  EXPECT_EQ(Multiplier(), 0u);
}

TEST_F(OutlierTest, WhatEndsDuringAnEjectionCountsNothing) {
  FailAndEject();
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(Fail());
  now_ = host_.ejected_until();
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(Fail());
  EXPECT_TRUE(Fail());
}

TEST_F(OutlierTest, FiguresTellOfIt) {
  Fail();
  Fail();
  EXPECT_EQ(host_.Figures(config_, now_).consecutive_failures, 2u);
  EXPECT_EQ(host_.Figures(config_, now_).ejected_until, absl::InfinitePast());
  FailAndEject();
  const OutlierFigures figures = host_.Figures(config_, now_);
  EXPECT_TRUE(figures.ejected);
  EXPECT_EQ(figures.ejected_until, now_ + Seconds(30));
  EXPECT_EQ(figures.ejections, 1u);
  EXPECT_EQ(figures.consecutive_failures, 0u);
}

// --- The cap

struct CapCase {
  double percent;
  size_t pool;
  size_t most;  // that may be out by ejection
};

class OutlierCapTest : public testing::TestWithParam<CapCase> {};

TEST_P(OutlierCapTest, EjectsSoManyAndNoMore) {
  const OutlierConfig config{.max_ejected_percent = GetParam().percent};
  size_t out = 0;
  while (MayEject(config, GetParam().pool, out)) ++out;
  EXPECT_EQ(out, GetParam().most);
}

INSTANTIATE_TEST_SUITE_P(Pools, OutlierCapTest,
                         testing::Values(CapCase{50, 0, 0}, CapCase{50, 1, 0},  // the only one never goes
                                         CapCase{50, 2, 1}, CapCase{50, 3, 1}, CapCase{50, 4, 2}, CapCase{50, 5, 2},
                                         CapCase{100, 1, 0}, CapCase{100, 3, 3}, CapCase{0, 4, 0},
                                         // Envoy always lets the first one go.
                                         CapCase{10, 4, 1}, CapCase{10, 20, 2}, CapCase{10, 29, 2}),
                         [](const auto& info) {
                           return "Cap" + std::to_string(static_cast<int>(info.param.percent)) + "Of" +
                                  std::to_string(info.param.pool);
                         });

TEST(OutlierCapTest, OpenBreakersCountTowardTheCap) {
  const OutlierConfig config;
  EXPECT_TRUE(MayEject(config, 4, 1));
  EXPECT_FALSE(MayEject(config, 4, 2));  // two breakers are open: no ejection on top
  EXPECT_FALSE(MayEject(config, 2, 1));
  EXPECT_FALSE(MayEject(config, 2, 2));
}

// --- Against a model in A50's own form: a sweep at every interval

struct SweptHost {
  uint32_t in_row = 0;
  uint32_t multiplier = 0;
  bool ejected = false;
  TimePoint until = absl::InfinitePast();
  TimePoint next_sweep;

  void SweepTo(const OutlierConfig& config, TimePoint now) {
    if (ejected && now >= until) {
      ejected = false;
      next_sweep = until + config.interval;  // sweeps are in step with the host's return
    }
    while (!ejected && multiplier > 0 && next_sweep <= now) {
      --multiplier;
      next_sweep += config.interval;
    }
  }
  bool Fail(const OutlierConfig& config) {
    if (ejected) return false;
    return ++in_row >= config.consecutive_failures;
  }
  void Eject(const OutlierConfig& config, TimePoint now) {
    const Duration cap = std::max(config.base_ejection, config.max_ejection);
    if (config.base_ejection * multiplier < cap) ++multiplier;
    until = now + std::min(config.base_ejection * multiplier, cap);
    ejected = true;
    in_row = 0;
  }
};

TEST(OutlierTraceTest, EqualsAModelThatSweepsAtEveryInterval) {
  uint64_t traces = 0, ejections = 0;
  ForEachTrace(500, [&](uint64_t seed) {
    Random random(seed);
    const OutlierConfig config{.consecutive_failures = 1 + static_cast<uint32_t>(random.Below(6)),
                               .base_ejection = absl::Milliseconds(1 + random.Below(50'000)),
                               .max_ejection = absl::Milliseconds(1 + random.Below(400'000)),
                               .interval = absl::Milliseconds(1 + random.Below(30'000))};
    const double failing = random.Uniform();
    OutlierHost host;
    SweptHost model;
    TimePoint now = absl::FromUnixSeconds(10'000);
    for (int step = 0; step < 400 && !testing::Test::HasFailure(); ++step) {
      now += Seconds(random.Below(20) == 0 ? 120 : 2) * random.Uniform();
      model.SweepTo(config, now);
      if (random.Uniform() < failing) {
        const bool reached = host.OnFailure(config, now);
        ASSERT_EQ(reached, model.Fail(config));
        if (reached && random.Below(3) != 0) {  // else the cap refused it
          host.Eject(config, now);
          model.Eject(config, now);
        }
      } else {
        host.OnSuccess();
        model.in_row = 0;
      }
      ASSERT_EQ(host.ejected(now), model.ejected);
      ASSERT_EQ(host.ejected_until(), model.until);
      ASSERT_EQ(host.Figures(config, now).multiplier, model.multiplier);
    }
    ejections += host.Figures(config, now).ejections;
    ++traces;
  });
  if (traces >= 100) {
    EXPECT_GT(ejections, traces);  // the traces do eject
  }
}

}  // namespace
}  // namespace sluice
