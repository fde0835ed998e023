#include "server/resilience/hedge_budget.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "server/resilience/random.h"

namespace sluice {
namespace {

TEST(HedgeBudgetTest, TwoPercentOfAThousandCallsAndOne) {
  HedgeBudget budget(2);
  int hedged = 0;
  for (int call = 0; call < 1000; ++call) {
    budget.CallStarted();
    hedged += budget.TryHedge();
  }
  EXPECT_EQ(hedged, 21);
  EXPECT_EQ(budget.hedged(), 21u);
  EXPECT_EQ(budget.refused(), 979u);
}

TEST(HedgeBudgetTest, ZeroForbidsHedges) {
  HedgeBudget budget(0);
  for (int call = 0; call < 1000; ++call) budget.CallStarted();
  EXPECT_FALSE(budget.TryHedge());
}

TEST(HedgeBudgetTest, AHundredPercentAllowsOneForEachCall) {
  HedgeBudget budget(100);
  for (int call = 0; call < 1000; ++call) {
    budget.CallStarted();
    EXPECT_TRUE(budget.TryHedge());
  }
}

TEST(HedgeBudgetTest, AQuietTimeSavesNoMoreThanAHundredCallsGive) {
  HedgeBudget budget(2);
  for (int call = 0; call < 100'000; ++call) budget.CallStarted();
  int burst = 0;
  while (budget.TryHedge()) ++burst;
  EXPECT_EQ(burst, 3);
}

TEST(HedgeBudgetTest, AHedgeThatWasNotSentIsGivenBack) {
  HedgeBudget budget(1);
  EXPECT_TRUE(budget.TryHedge());
  EXPECT_FALSE(budget.TryHedge());
  budget.GiveBack();
  EXPECT_EQ(budget.hedged() - budget.given_back(), 0u);
  EXPECT_TRUE(budget.TryHedge());
  EXPECT_FALSE(budget.TryHedge());
}

TEST(HedgeBudgetTest, GivingBackNeverSavesMoreThanTheMost) {
  HedgeBudget budget(2);
  for (int call = 0; call < 1000; ++call) budget.CallStarted();
  ASSERT_TRUE(budget.TryHedge());
  for (int call = 0; call < 1000; ++call) budget.CallStarted();
  budget.GiveBack();
  int burst = 0;
  while (budget.TryHedge()) ++burst;
  EXPECT_EQ(burst, 3);
}

TEST(HedgeBudgetTest, ConfigureKeepsWhatFits) {
  HedgeBudget budget(100);
  for (int call = 0; call < 500; ++call) budget.CallStarted();
  budget.Configure(1);
  int burst = 0;
  while (budget.TryHedge()) ++burst;
  EXPECT_EQ(burst, 2);  // one, and one for a hundred calls
  budget.Configure(0);
  EXPECT_FALSE(budget.TryHedge());
  budget.Configure(2);
  EXPECT_TRUE(budget.TryHedge());
}

TEST(HedgeBudgetTest, ConfigureToTheSameGivesNothing) {
  HedgeBudget budget(2);
  ASSERT_TRUE(budget.TryHedge());
  for (int i = 0; i < 10; ++i) budget.Configure(2);
  EXPECT_FALSE(budget.TryHedge());
}

// The reference adds up all events anew, in exact thousandths of a percent of a
// call; the bounds are checked on every stretch of the trace.
TEST(HedgeBudgetTest, AnyStretchOfAnyTraceKeepsTheBound) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    const int64_t percent = static_cast<int64_t>(1 + random.Below(seed % 3 == 0 ? 100 : 10));
    HedgeBudget budget(static_cast<double>(percent));
    const int64_t most = 100 + 100 * percent;  // in 1/100 of a hedge
    int64_t saved = 100;
    std::vector<int64_t> calls{0}, hedges{0};
    double eagerness = 0.5;
    for (int step = 0; step < 700; ++step) {
      if (random.Below(100) == 0) eagerness = random.Uniform();
      calls.push_back(calls.back());
      hedges.push_back(hedges.back());
      if (random.Uniform() < eagerness) {
        const bool expected = saved >= 100;
        ASSERT_EQ(budget.TryHedge(), expected) << "seed " << seed << " step " << step;
        if (expected) saved -= 100;
        hedges.back() += expected;
      } else {
        budget.CallStarted();
        saved = std::min(most, saved + percent);
        ++calls.back();
      }
      ASSERT_LE(100 * hedges.back(), percent * calls.back() + 100) << "seed " << seed;
    }
    for (size_t from = 0; from < calls.size(); ++from) {
      for (size_t to = from; to < calls.size(); ++to) {
        const int64_t n = calls[to] - calls[from];
        ASSERT_LE(100 * (hedges[to] - hedges[from]), percent * (n + 100) + 100)
            << "seed " << seed << " steps " << from << " to " << to;
      }
    }
    EXPECT_EQ(budget.hedged(), static_cast<uint64_t>(hedges.back())) << "seed " << seed;
  }
}

}  // namespace
}  // namespace sluice
