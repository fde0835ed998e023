#include "controlplane/telemetry/metrics.h"

#include <gtest/gtest.h>

#include "absl/time/clock.h"

namespace sluice {
namespace {

TEST(ControlPlaneMetricsTest, AStoreThatTakesNothingIsTroubleUntilItDoesOrIsToBeTriedAgain) {
  ControlPlaneMetrics metrics("0.1.0");
  EXPECT_EQ(metrics.StoreTrouble(absl::Now()), "");
  metrics.OnCommitFailed(absl::ResourceExhaustedError("store x: the disk is full"));
  EXPECT_EQ(metrics.StoreTrouble(absl::Now()), "store x: the disk is full");
  EXPECT_EQ(metrics.StoreTrouble(absl::Now() + absl::Seconds(31)), "") << "else nobody would find it well again";
  metrics.OnCommit(absl::Milliseconds(1));
  EXPECT_EQ(metrics.StoreTrouble(absl::Now()), "");
}

}  // namespace
}  // namespace sluice
