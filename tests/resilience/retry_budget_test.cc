#include "server/resilience/retry_budget.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "server/resilience/random.h"

namespace sluice {
namespace {

// A budget whose share never refuses.
RetryBudgetConfig TokensOnly(double max_tokens, double ratio) {
  return {.max_tokens = max_tokens, .token_ratio = ratio, .min_retries = 1'000'000};
}

// A budget whose tokens never refuse.
RetryBudgetConfig ShareOnly(double percent, uint32_t min_retries) {
  return {.retry_percent = percent, .min_retries = min_retries};
}

bool AllowsAfterFailure(RetryBudget& budget) {
  budget.OnFailure();
  return budget.Allows();
}

TEST(RetryBudgetTest, RefusesRetryAtHalfOfTheTokens) {
  RetryBudget budget(TokensOnly(10, 0.1));
  for (int failure = 1; failure <= 4; ++failure) EXPECT_TRUE(AllowsAfterFailure(budget)) << failure;
  EXPECT_FALSE(AllowsAfterFailure(budget));
  EXPECT_DOUBLE_EQ(budget.Figures().tokens, 5);
  budget.OnSuccess();
  EXPECT_TRUE(budget.Allows());
  EXPECT_DOUBLE_EQ(budget.Figures().tokens, 5.1);
}

TEST(RetryBudgetTest, GrpcThrottleVectorBasic) {
  RetryBudget budget(TokensOnly(4, 1.6));
  EXPECT_TRUE(AllowsAfterFailure(budget));  // 3
  budget.OnSuccess();                       // 4, not 4.6
  EXPECT_TRUE(AllowsAfterFailure(budget));  // 3
  for (double tokens : {2.0, 1.0, 0.0, 0.0}) {
    EXPECT_FALSE(AllowsAfterFailure(budget));
    EXPECT_DOUBLE_EQ(budget.Figures().tokens, tokens);
  }
  budget.OnSuccess();                        // 1.6
  budget.OnSuccess();                        // 3.2
  EXPECT_TRUE(AllowsAfterFailure(budget));   // 2.2
  EXPECT_FALSE(AllowsAfterFailure(budget));  // 1.2
  budget.OnSuccess();                        // 2.8
  EXPECT_FALSE(AllowsAfterFailure(budget));  // 1.8
  budget.OnSuccess();                        // 3.4
  EXPECT_TRUE(AllowsAfterFailure(budget));   // 2.4
}

TEST(RetryBudgetTest, GrpcThrottleVectorReplacementKeepsTheProportion) {
  RetryBudget budget(TokensOnly(4, 1));
  budget.OnFailure();  // 3 of 4
  budget.Configure(TokensOnly(10, 3));
  EXPECT_DOUBLE_EQ(budget.Figures().tokens, 7.5);
  EXPECT_TRUE(AllowsAfterFailure(budget));   // 6.5
  EXPECT_TRUE(AllowsAfterFailure(budget));   // 5.5
  EXPECT_FALSE(AllowsAfterFailure(budget));  // 4.5
  budget.OnSuccess();
  EXPECT_DOUBLE_EQ(budget.Figures().tokens, 7.5);
}

TEST(RetryBudgetTest, RatioCountsToThreeDecimalsExactly) {
  RetryBudget budget(TokensOnly(1000, 0.001));
  for (int i = 0; i < 500; ++i) budget.OnFailure();
  EXPECT_FALSE(budget.Allows());
  for (int i = 0; i < 1000; ++i) budget.OnSuccess();
  EXPECT_EQ(budget.Figures().tokens, 501);  // a sum of doubles would not be
}

struct ShareCase {
  double percent;
  uint32_t min_retries;
  int calls;
  uint64_t limit;
};

class RetryBudgetShareTest : public testing::TestWithParam<ShareCase> {};

TEST_P(RetryBudgetShareTest, RetriesStayInTheShareOfTheCalls) {
  const ShareCase& c = GetParam();
  RetryBudget budget(ShareOnly(c.percent, c.min_retries));
  for (int i = 0; i < c.calls; ++i) budget.CallStarted();
  for (uint64_t i = 0; i < c.limit; ++i) EXPECT_TRUE(budget.TryCharge()) << i;
  EXPECT_FALSE(budget.Allows());
  EXPECT_FALSE(budget.TryCharge());
  EXPECT_EQ(budget.Figures().limit, c.limit);
  EXPECT_EQ(budget.Figures().retries, c.limit);
  EXPECT_EQ(budget.Figures().refused_by_concurrency, 1u);
  EXPECT_EQ(budget.Figures().refused_by_tokens, 0u);
}

INSTANTIATE_TEST_SUITE_P(Cases, RetryBudgetShareTest,
                         testing::Values(ShareCase{20, 5, 0, 5},      // Envoy's resource_manager test
                                         ShareCase{20, 3, 15, 3},     // 20 % of 15 is the minimum
                                         ShareCase{20, 3, 19, 3},     // rounded down
                                         ShareCase{20, 3, 20, 4},     //
                                         ShareCase{20, 3, 100, 20},   //
                                         ShareCase{29, 0, 100, 29},   // 29 / 100.0 * 100 is 28.99… in doubles
                                         ShareCase{0.5, 0, 199, 0},   //
                                         ShareCase{0.5, 0, 200, 1},   //
                                         ShareCase{0, 0, 1000, 0},    // no retries at all
                                         ShareCase{100, 0, 7, 7}));

TEST(RetryBudgetTest, ARetryCountsFromItsSchedulingToItsRelease) {
  RetryBudget budget(ShareOnly(20, 1));
  EXPECT_TRUE(budget.TryCharge());
  EXPECT_FALSE(budget.TryCharge());  // the first still waits for its backoff
  budget.Release();
  EXPECT_TRUE(budget.TryCharge());
}

TEST(RetryBudgetTest, BothLimitsMustAllow) {
  RetryBudget budget({.max_tokens = 2, .token_ratio = 1, .retry_percent = 20, .min_retries = 1});
  EXPECT_TRUE(budget.TryCharge());
  EXPECT_FALSE(budget.TryCharge());
  budget.OnFailure();  // 1 of 2
  EXPECT_FALSE(budget.TryCharge());
  EXPECT_EQ(budget.Figures().refused_by_concurrency, 1u);
  EXPECT_EQ(budget.Figures().refused_by_tokens, 1u);
  budget.Release();
  EXPECT_FALSE(budget.Allows());
  budget.OnSuccess();
  EXPECT_TRUE(budget.Allows());
}

TEST(RetryBudgetTest, AllowsCountsNothing) {
  RetryBudget budget(ShareOnly(0, 0));
  EXPECT_FALSE(budget.Allows());
  EXPECT_EQ(budget.Figures().refused_by_concurrency, 0u);
}

TEST(RetryBudgetTest, AnEndTooManyDoesNotLiftTheLimits) {
  RetryBudget budget(ShareOnly(100, 0));
  budget.CallEnded();
  budget.Release();
  EXPECT_EQ(budget.Figures().calls, 0u);
  EXPECT_EQ(budget.Figures().retries, 0u);
  EXPECT_FALSE(budget.TryCharge());
}

TEST(RetryBudgetTest, ConfigureKeepsWhatIsUnderWay) {
  RetryBudget budget(ShareOnly(20, 3));
  for (int i = 0; i < 50; ++i) budget.CallStarted();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(budget.TryCharge());
  budget.Configure(ShareOnly(10, 3));
  EXPECT_EQ(budget.Figures().limit, 5u);
  EXPECT_EQ(budget.Figures().retries, 10u);
  EXPECT_FALSE(budget.Allows());
  for (int i = 0; i < 6; ++i) budget.Release();
  EXPECT_TRUE(budget.Allows());
}

// The reference: everything that ever happened, counted anew at each question.
struct BudgetModel {
  enum Event { kStart, kEnd, kCharge, kRelease, kFailure, kSuccess };

  bool Allows() const {
    const int64_t calls = Count(kStart) - Count(kEnd);
    const int64_t retries = Count(kCharge) - Count(kRelease);
    int64_t thousandths = max * 1000;
    for (const Event event : events) {
      if (event == kFailure) thousandths = std::max<int64_t>(0, thousandths - 1000);
      if (event == kSuccess) thousandths = std::min<int64_t>(max * 1000, thousandths + ratio_thousandths);
    }
    const bool in_share = retries < min_retries || (retries + 1) * 100 <= calls * percent;
    return thousandths > max * 500 && in_share;
  }
  int64_t Count(Event event) const { return std::count(events.begin(), events.end(), event); }

  int64_t max, ratio_thousandths, percent, min_retries;
  std::vector<Event> events;
};

TEST(RetryBudgetTest, AgreesWithACountOfAllEvents) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Random random(seed);
    BudgetModel model{.max = 1 + static_cast<int64_t>(random.Below(12)),
                      .ratio_thousandths = 1 + static_cast<int64_t>(random.Below(900)),
                      .percent = static_cast<int64_t>(random.Below(101)),
                      .min_retries = static_cast<int64_t>(random.Below(4)),
                      .events = {}};
    RetryBudget budget({.max_tokens = static_cast<double>(model.max),
                        .token_ratio = static_cast<double>(model.ratio_thousandths) / 1000,
                        .retry_percent = static_cast<double>(model.percent),
                        .min_retries = static_cast<uint32_t>(model.min_retries)});
    int charged = 0;
    for (int step = 0; step < 600; ++step) {
      const bool allows = model.Allows();
      ASSERT_EQ(budget.Allows(), allows) << "seed " << seed << " step " << step;
      switch (random.Below(8)) {
        case 0: case 1:
          budget.CallStarted();
          model.events.push_back(BudgetModel::kStart);
          break;
        case 2:
          if (model.Count(BudgetModel::kStart) == model.Count(BudgetModel::kEnd)) break;
          budget.CallEnded();
          model.events.push_back(BudgetModel::kEnd);
          break;
        case 3: case 4:
          ASSERT_EQ(budget.TryCharge(), allows) << "seed " << seed << " step " << step;
          if (allows) model.events.push_back(BudgetModel::kCharge);
          charged += allows;
          break;
        case 5:
          if (model.Count(BudgetModel::kCharge) == model.Count(BudgetModel::kRelease)) break;
          budget.Release();
          model.events.push_back(BudgetModel::kRelease);
          break;
        case 6:
          budget.OnFailure();
          model.events.push_back(BudgetModel::kFailure);
          break;
        default:
          budget.OnSuccess();
          model.events.push_back(BudgetModel::kSuccess);
      }
    }
    const RetryBudgetFigures figures = budget.Figures();
    EXPECT_EQ(figures.calls, model.Count(BudgetModel::kStart) - model.Count(BudgetModel::kEnd)) << "seed " << seed;
    EXPECT_EQ(figures.retries, charged - model.Count(BudgetModel::kRelease)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace sluice
