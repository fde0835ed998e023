#include "server/health/health_tally.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice {
namespace {

// '+' a pass, '-' a failure; the verdict after each, 'h' or 'u', in capitals
// where it changed.
std::string Verdicts(const std::string& checks, int unhealthy_after, int healthy_after) {
  HealthTally tally;
  std::string verdicts;
  for (const char check : checks) {
    const bool changed = tally.Observe(check == '+', unhealthy_after, healthy_after);
    verdicts += tally.healthy() ? (changed ? 'H' : 'h') : (changed ? 'U' : 'u');
  }
  return verdicts;
}

TEST(HealthTallyTest, BeginsHealthy) { EXPECT_TRUE(HealthTally().healthy()); }

TEST(HealthTallyTest, FailuresInARowMakeItUnhealthy) { EXPECT_EQ(Verdicts("---", 3, 2), "hhU"); }

TEST(HealthTallyTest, APassBetweenStartsTheCountAnew) { EXPECT_EQ(Verdicts("--+--+---", 3, 2), "hhhhhhhhU"); }

TEST(HealthTallyTest, PassesInARowMakeItHealthyAgain) { EXPECT_EQ(Verdicts("---+-++-", 3, 2), "hhUuuuHh"); }

TEST(HealthTallyTest, OneIsEnoughWhereOneIsAsked) { EXPECT_EQ(Verdicts("-+-", 1, 1), "UHU"); }

TEST(HealthTallyTest, ALowerThresholdCountsWhatWasSeen) {
  HealthTally tally;
  EXPECT_FALSE(tally.Observe(false, 5, 2));
  EXPECT_FALSE(tally.Observe(false, 5, 2));
  EXPECT_TRUE(tally.Observe(false, 2, 2));
}

}  // namespace
}  // namespace sluice
