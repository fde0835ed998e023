#include "server/resilience/retry_decision.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

using Verdict = RetryDecision::Verdict;
using absl::Milliseconds;
using absl::Seconds;

const TimePoint kNow = absl::FromUnixSeconds(1000);

class RetryDecisionTest : public testing::Test {
 protected:
  RetryDecisionTest() {
    policy_.backoff = FixedBackoff{Milliseconds(100)};
    left_.soonest = kNow;
  }

  RetryDecision Decide(FailureKind kind, int http_status = 0) {
    Backoff backoff(policy_.backoff);
    return DecideRetry(policy_, attempts_, policy_.max_attempts, {kind, http_status}, left_, kNow, deadline_, backoff, random_);
  }

  RetryPolicy policy_;
  int attempts_ = 1;
  EndpointsLeft left_;
  TimePoint deadline_ = kNow + Seconds(10);
  Random random_{1};
};

TEST_F(RetryDecisionTest, RowA4TheCallersOwnErrorIsNeverRetried) {
  left_.untried = true;
  policy_.retry_on = {FailureKind::kCaller, FailureKind::kRefused};
  EXPECT_EQ(Decide(FailureKind::kCaller, 400).verdict, Verdict::kNotRetryable);
  EXPECT_EQ(Decide(FailureKind::kRefused, 400).verdict, Verdict::kNotRetryable);
  policy_.retry_on_status = {400, 413, 422};
  for (int status : {400, 413, 422}) {
    EXPECT_EQ(Decide(FailureKind::kCaller, status).verdict, Verdict::kNotRetryable) << status;
  }
}

TEST_F(RetryDecisionTest, RowA1AFirstVisitGoesAtOnce) {
  left_.untried = true;
  const RetryDecision decision = Decide(FailureKind::kConnect);
  EXPECT_TRUE(decision.retry());
  EXPECT_EQ(decision.delay, absl::ZeroDuration());
}

TEST_F(RetryDecisionTest, AFirstVisitWaitsWhereThePolicySaysSo) {
  left_.untried = true;
  policy_.backoff_before_failover = true;
  EXPECT_EQ(Decide(FailureKind::kConnect).delay, Milliseconds(100));
}

TEST_F(RetryDecisionTest, ARepeatWaitsTheBackoff) {
  const RetryDecision decision = Decide(FailureKind::kOverload, 503);
  EXPECT_TRUE(decision.retry());
  EXPECT_EQ(decision.delay, Milliseconds(100));
}

TEST_F(RetryDecisionTest, RowB3AttemptsAreCountedOverTheWholeCall) {
  left_.untried = true;
  attempts_ = 2;
  EXPECT_TRUE(Decide(FailureKind::kReset).retry());
  attempts_ = 3;
  EXPECT_EQ(Decide(FailureKind::kReset).verdict, Verdict::kAttemptsExhausted);
}

TEST_F(RetryDecisionTest, RowB3OnlyChosenKindsAreRetried) {
  policy_.retry_on = {FailureKind::kConnect};
  EXPECT_TRUE(Decide(FailureKind::kConnect).retry());
  EXPECT_EQ(Decide(FailureKind::kOverload, 503).verdict, Verdict::kNotRetryable);
  policy_.retry_on_status = {503};
  EXPECT_TRUE(Decide(FailureKind::kOverload, 503).retry());
  EXPECT_EQ(Decide(FailureKind::kServerError, 500).verdict, Verdict::kNotRetryable);
}

TEST_F(RetryDecisionTest, AChosenStatusMakesAnUnusual4xxRetryable) {
  EXPECT_EQ(Decide(FailureKind::kCaller, 409).verdict, Verdict::kNotRetryable);
  policy_.retry_on_status = {409};
  EXPECT_TRUE(Decide(FailureKind::kCaller, 409).retry());
}

TEST_F(RetryDecisionTest, RowC4ARefusedCredentialGoesOnlyElsewhere) {
  EXPECT_EQ(ScopeOf(policy_, {FailureKind::kQuota, 0}), RetryScope::kOtherUpstream);
  EXPECT_EQ(ScopeOf(policy_, {FailureKind::kAuth, 0}), RetryScope::kOtherUpstream);
  EXPECT_EQ(ScopeOf(policy_, {FailureKind::kNotFound, 0}), RetryScope::kOtherPlace);
  for (FailureKind kind : {FailureKind::kQuota, FailureKind::kAuth, FailureKind::kNotFound}) {
    left_.soonest = absl::InfiniteFuture();  // no other upstream
    EXPECT_EQ(Decide(kind).verdict, Verdict::kNoEndpoint);
    left_.soonest = kNow;
    left_.untried = true;
    EXPECT_EQ(Decide(kind).delay, absl::ZeroDuration());
  }
}

TEST_F(RetryDecisionTest, ALocalLimitGoesElsewhereWhateverKindsAreChosen) {
  policy_.retry_on = {FailureKind::kConnect};
  left_.untried = true;
  EXPECT_TRUE(Decide(FailureKind::kShed).retry());
}

TEST_F(RetryDecisionTest, ACooldownWithinTheBackoffIsWaitedFor) {
  left_.soonest = kNow + Milliseconds(80);
  const RetryDecision decision = Decide(FailureKind::kRateLimited, 429);
  EXPECT_TRUE(decision.retry());
  EXPECT_GE(decision.delay, Milliseconds(80));
}

TEST_F(RetryDecisionTest, AllCoolingIsAnsweredAtOnceWithTheTime) {
  left_.soonest = kNow + Seconds(8);
  const RetryDecision decision = Decide(FailureKind::kRateLimited, 429);
  EXPECT_EQ(decision.verdict, Verdict::kAllCooling);
  EXPECT_EQ(decision.cooldown, Seconds(8));
}

TEST_F(RetryDecisionTest, ACooldownOfZeroIsNone) {
  left_.soonest = kNow;
  EXPECT_TRUE(Decide(FailureKind::kRateLimited, 429).retry());
}

TEST_F(RetryDecisionTest, RowD4AWaitBeyondTheDeadlineIsAnsweredAtOnce) {
  deadline_ = kNow + Milliseconds(100);
  EXPECT_EQ(Decide(FailureKind::kReset).verdict, Verdict::kPastDeadline);
  deadline_ = kNow + Milliseconds(101);
  EXPECT_TRUE(Decide(FailureKind::kReset).retry());
}

TEST_F(RetryDecisionTest, AnImmediateFailoverSpendsNoBackoff) {
  policy_.backoff = CustomBackoff{{Milliseconds(10), Milliseconds(70)}};
  Backoff backoff(policy_.backoff);
  left_.untried = true;
  const FailedAttempt failed{FailureKind::kReset, 0};
  EXPECT_TRUE(DecideRetry(policy_, 1, policy_.max_attempts, failed, left_, kNow, deadline_, backoff, random_).retry());
  left_.untried = false;
  EXPECT_EQ(DecideRetry(policy_, 2, policy_.max_attempts, failed, left_, kNow, deadline_, backoff, random_).delay, Milliseconds(10));
}

}  // namespace
}  // namespace sluice
