#include "server/telemetry/node_figures.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

const TimePoint kStart = absl::UnixEpoch();

TEST(NodeFiguresTest, FirstSampleHasNoRates) {
  NodeFiguresSampler sampler;
  const NodeFigures figures = sampler.Sample(kStart, {.open_calls = 7, .calls = 1000, .errors = 10});
  EXPECT_EQ(figures.open_calls, 7);
  EXPECT_EQ(figures.calls_per_second, 0);
  EXPECT_EQ(figures.errors_per_minute, 0);
}

TEST(NodeFiguresTest, RatesAreOverTheirWindows) {
  NodeFiguresSampler sampler;
  NodeFigures figures;
  // 10 calls/s and 1 error/s for two minutes, then 100 calls/s and none.
  CallTotals totals;
  for (int second = 0; second <= 120; ++second) {
    figures = sampler.Sample(kStart + absl::Seconds(second), totals);
    totals.calls += 10;
    totals.errors += 1;
  }
  EXPECT_DOUBLE_EQ(figures.calls_per_second, 10);
  EXPECT_DOUBLE_EQ(figures.errors_per_minute, 60);
  for (int second = 121; second <= 150; ++second) {
    figures = sampler.Sample(kStart + absl::Seconds(second), totals);
    totals.calls += 100;
  }
  EXPECT_DOUBLE_EQ(figures.calls_per_second, 100);
  EXPECT_NEAR(figures.errors_per_minute, 31, 0.001);
}

TEST(NodeFiguresTest, ManySamplesAtOnceStayBoundedAndFinite) {
  NodeFiguresSampler sampler;
  for (int i = 0; i < 5000; ++i) {
    const NodeFigures figures = sampler.Sample(kStart, {.calls = static_cast<uint64_t>(i)});
    ASSERT_EQ(figures.calls_per_second, 0);
  }
}

}  // namespace
}  // namespace sluice
