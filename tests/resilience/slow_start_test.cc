#include "server/resilience/slow_start.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

using absl::Seconds;

const TimePoint kBack = absl::FromUnixSeconds(1000);

TEST(SlowStartTest, GrowsInProportionToTimeFromItsMinimum) {
  EXPECT_DOUBLE_EQ(SlowStartShare(kBack, kBack, Seconds(100), 10), 0.1);
  EXPECT_DOUBLE_EQ(SlowStartShare(kBack, kBack + Seconds(5), Seconds(100), 10), 0.1);
  EXPECT_DOUBLE_EQ(SlowStartShare(kBack, kBack + Seconds(10), Seconds(100), 10), 0.1);
  EXPECT_DOUBLE_EQ(SlowStartShare(kBack, kBack + Seconds(35), Seconds(100), 10), 0.35);
  EXPECT_DOUBLE_EQ(SlowStartShare(kBack, kBack + Seconds(99), Seconds(100), 10), 0.99);
  EXPECT_DOUBLE_EQ(SlowStartShare(kBack, kBack + Seconds(100), Seconds(100), 10), 1);
  EXPECT_DOUBLE_EQ(SlowStartShare(kBack, kBack + Seconds(5000), Seconds(100), 10), 1);
}

TEST(SlowStartTest, WhatWasAlwaysThereHasItsWholeWeight) {
  EXPECT_DOUBLE_EQ(SlowStartShare(absl::InfinitePast(), kBack, Seconds(100), 10), 1);
}

TEST(SlowStartTest, WithoutAWindowThereIsNone) {
  EXPECT_DOUBLE_EQ(SlowStartShare(kBack, kBack, absl::ZeroDuration(), 10), 1);
}

TEST(SlowStartTest, NeverIsNothing) {
  EXPECT_GT(SlowStartShare(kBack, kBack, Seconds(100), 0), 0);
  EXPECT_GT(SlowStartShare(kBack, kBack - Seconds(50), Seconds(100), 0), 0);
}

}  // namespace
}  // namespace sluice
