// Each of those who learn from attempts, by itself: first content is a success when
// it comes, a cut after it is a failure in its place, what a caller ended in silence
// is a lower bound.
#include <gmock/gmock.h>

#include "tests/engine/impatient_fixture.h"
#include "tests/engine/waiting_fixture.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using testing::ElementsAre;
using testing::IsEmpty;

class LearnersTest : public ImpatientFixture {
 protected:
  // A call that has had content and goes on.
  void Answering() {
    h.On("a/1", {Steady()});
    Begin();
    h.loop.RunFor(Milliseconds(300));
  }
  void Failing(int calls) {
    h.On("a/1", {Script::Status(500)});
    Calls(calls, absl::InfiniteDuration());
  }
  BreakerFigures Overall() { return *a().state->breaker_figures(h.loop.Now()); }
};

// --- first content is a success when it comes -------------------------------

TEST_F(LearnersTest, BothBreakersCountTheFirstContent) {
  a().overall_breaker = CircuitBreakerConfig{};
  Answering();
  for (const BreakerFigures& figures : {Breaker(), Overall()}) {
    EXPECT_EQ(figures.counts.calls, 1u);
    EXPECT_EQ(figures.counts.failures, 0u);
  }
  h.loop.RunUntilIdle();
  EXPECT_EQ(Breaker().counts.calls, 1u) << "counted twice";
  EXPECT_EQ(Overall().counts.calls, 1u) << "counted twice";
}

TEST_F(LearnersTest, AHalfOpenBreakerClosesByContentWhoseCallerLeft) {
  a().breaker.half_open_permits = 1;
  h.PutInForce();
  endpoint().TripBreaker(h.loop.Now(), Seconds(1), "by hand");
  h.endpoint("a/2").active = false;
  h.loop.RunFor(Seconds(1));
  h.On("a/1", {Steady()});
  Call(Milliseconds(300));
  EXPECT_EQ(Breaker().state, BreakerState::kClosed);
}

TEST_F(LearnersTest, ContentEndsARowOfFailuresWhileItsAnswerRuns) {
  a().outlier = OutlierConfig{.consecutive_failures = 3};
  Failing(2);
  Answering();
  Failing(2);
  EXPECT_EQ(endpoint().ejections(), 0u);
  Failing(1);
  EXPECT_EQ(endpoint().ejections(), 1u);
}

TEST_F(LearnersTest, ContentPaysTheRetryBudget) {
  Failing(1);
  const double before = Budget().tokens;
  Answering();
  EXPECT_DOUBLE_EQ(Budget().tokens, before + 0.1);
  h.loop.RunUntilIdle();
  EXPECT_DOUBLE_EQ(Budget().tokens, before + 0.1) << "paid twice";
}

TEST_F(LearnersTest, ContentIsASuccessToAdaptiveRetry) {
  h.route.retry.adaptive = AdaptiveRetryConfig{.latency_above = Seconds(20)};
  Failing(8);
  for (int i = 0; i < 8; ++i) Begin();
  h.On("a/1", {Steady()});
  for (int i = 0; i < 8; ++i) Begin();
  h.loop.RunFor(Milliseconds(300));
  // 16 failures of 24.
  EXPECT_EQ(h.route.state->MaxAttempts(3, 0, h.loop.Now()), 1);
  for (int i = 0; i < 8; ++i) Begin();
  h.loop.RunFor(Milliseconds(300));
  EXPECT_EQ(h.route.state->MaxAttempts(3, 0, h.loop.Now()), 3);
  h.loop.RunUntilIdle();
}

TEST_F(LearnersTest, ContentIsAcceptanceToTheThrottle) {
  a().throttle = ClientThrottleConfig{.k = 1};
  h.On("a/1", {Steady()});
  for (int i = 0; i < 50; ++i) {
    Begin();
    h.loop.RunFor(Milliseconds(200));
  }
  // One in fifty would be refused as soon as two were not known to be taken.
  EXPECT_EQ(a().state->figures().throttled, 0u);
  h.loop.RunUntilIdle();
}

TEST_F(LearnersTest, ContentEndsARowOfRefusals) {
  h.route.retry.backoff = ExponentialBackoff{.base = Seconds(1), .jitter = Jitter::kNone};
  h.endpoint("a/2").active = false;
  h.route.queue = QueueConfig{.max_length = 0};
  h.On("a/1", {Script::Status(429), Script::Status(429), Steady(), Script::Status(429)});
  Call();
  h.loop.RunFor(Seconds(1));
  EXPECT_EQ(Call().attempts.back().rest, Seconds(2));
  h.loop.RunFor(Seconds(2));
  Call(Milliseconds(300));
  EXPECT_EQ(Call().attempts.back().rest, Seconds(1));
}

// --- a cut is a failure in its place ----------------------------------------

TEST_F(LearnersTest, ACutCountsOnceAndAsAFailure) {
  a().overall_breaker = CircuitBreakerConfig{};
  h.On("a/1", {Cut()});
  Calls(3, absl::InfiniteDuration());
  for (const BreakerFigures& figures : {Breaker(), Overall()}) {
    EXPECT_EQ(figures.counts.calls, 3u);
    EXPECT_EQ(figures.counts.failures, 3u);
  }
}

TEST_F(LearnersTest, AnUpstreamThatCutsEveryStreamOpensAtAnyThreshold) {
  a().breaker.failure_percent = 100;
  a().breaker.min_calls = 5;
  // Several run at any time, and count as answered so far.
  h.On("a/1", {Script().Connect().Head(200).Body("text x\n").Fail(HttpFailure::kReset, "", Seconds(5))});
  for (int i = 0; i < 12; ++i) {
    Begin();
    h.loop.RunFor(Seconds(1));
  }
  EXPECT_THAT(h.observer.changes, ElementsAre("a/1 0>1"));
  EXPECT_EQ(Breaker().last_trip.reason, "5 of 5 answers were cut in the last 60 s (100 % >= 100 %)");
  h.loop.RunUntilIdle();
}

TEST_F(LearnersTest, CutsInARowEject) {
  a().outlier = OutlierConfig{.consecutive_failures = 3};
  h.On("a/1", {Cut()});
  Calls(3, absl::InfiniteDuration());
  EXPECT_THAT(h.observer.changes, ElementsAre("a/1 ejected 30s"));
}

TEST_F(LearnersTest, AnAnswerThatItsCallerLeftEndsARowOfCuts) {
  a().outlier = OutlierConfig{.consecutive_failures = 3};
  h.On("a/1", {Cut()});
  Calls(2, absl::InfiniteDuration());
  h.On("a/1", {Steady()});
  Call(Milliseconds(300));
  h.On("a/1", {Cut()});
  Calls(2, absl::InfiniteDuration());
  EXPECT_THAT(h.observer.changes, IsEmpty());
}

TEST_F(LearnersTest, ACutGivesBackWhatItsContentPaid) {
  Failing(2);
  ASSERT_DOUBLE_EQ(Budget().tokens, 8);
  h.On("a/1", {Cut()});
  Call();
  EXPECT_DOUBLE_EQ(Budget().tokens, 7);
}

// A full bucket took nothing, so nothing is given back.
TEST_F(LearnersTest, ACutGivesBackNoMoreThanItsContentPaid) {
  h.On("a/1", {Cut()});
  Call();
  EXPECT_DOUBLE_EQ(Budget().tokens, 9);
}

TEST_F(LearnersTest, ACutIsOneFailureToAdaptiveRetry) {
  h.route.retry.adaptive = AdaptiveRetryConfig{.latency_above = Seconds(20), .failure_percent_above = 60};
  h.On("a/1", {Cut()});
  Calls(8, absl::InfiniteDuration());
  h.On("a/1", {Script::Answer("whole")});
  Calls(4, absl::InfiniteDuration());
  // 8 of 12. With the cuts' contents beside them it would be 8 of 20.
  EXPECT_EQ(h.route.state->MaxAttempts(3, 0, h.loop.Now()), 1);
}

TEST_F(LearnersTest, ACutIsNoAcceptanceToTheThrottle) {
  a().throttle = ClientThrottleConfig{.k = 1};
  a().breaker.mode = BreakerMode::kDisabled;
  h.On("a/1", {Cut()});
  Calls(20, absl::InfiniteDuration());
  EXPECT_GT(a().state->figures().throttled, 0u);
}

TEST_F(LearnersTest, OurOwnLimitAfterContentIsNoCut) {
  h.streaming = false;
  h.route.stream.max_response_bytes = 10;
  h.On("a/1", {Steady()});
  Calls(3, absl::InfiniteDuration());
  EXPECT_EQ(h.sink.record.error.reason, "RESPONSE_TOO_LARGE");
  EXPECT_EQ(Breaker().counts.calls, 3u);
  EXPECT_EQ(Breaker().counts.failures, 0u);
}

// --- what a caller ended in silence -----------------------------------------

TEST_F(LearnersTest, TheThrottleForgetsRequestsThatNobodyWaitedFor) {
  a().throttle = ClientThrottleConfig{.k = 1};
  a().breaker.mode = BreakerMode::kDisabled;
  h.On("a/1", {Silent()});
  Calls(20, Milliseconds(600));
  EXPECT_EQ(h.transport.started.size(), 20u);
  EXPECT_EQ(a().state->figures().throttled, 0u);
  // Nor were they taken: one that fails is all that is known.
  h.On("a/1", {Script::Status(500)});
  Calls(20, absl::InfiniteDuration());
  EXPECT_GT(a().state->figures().throttled, 0u);
}

TEST_F(LearnersTest, SilenceRaisesWhatBalancingKnowsAndNeverLowersIt) {
  h.On("a/1", {Steady(Seconds(1)), Silent()});
  Call();
  const auto ewma = [&] { return endpoint().View(h.loop.Now()).ewma; };
  const Duration known = ewma();
  Call(Milliseconds(100));
  EXPECT_LE(ewma(), known);
  EXPECT_GT(ewma(), known / 2);
  Call(Seconds(5));
  EXPECT_GT(ewma(), Seconds(4));
}

TEST_F(LearnersTest, SilenceRaisesTheHedgesDelayAndNeverLowersIt) {
  h.route.hedge = HedgeConfig{};
  h.On("a/1", {Script().Connect().Head(200).Body("text x\n", Seconds(1)).Body("done\n").End()});
  Calls(20, absl::InfiniteDuration());
  const auto p95 = [&] { return *h.route.state->TimeToFirstTokenP95(h.loop.Now()); };
  const Duration known = p95();
  h.route.hedge.reset();
  h.On("a/1", {Silent()});
  Calls(10, Milliseconds(100));
  EXPECT_EQ(p95(), known);
  Calls(3, Seconds(5));
  EXPECT_GT(p95(), Seconds(4));
}

TEST_F(LearnersTest, SilenceIsSlownessToAdaptiveRetryWhereItIsLong) {
  h.route.retry.adaptive = AdaptiveRetryConfig{.latency_above = Seconds(2), .window = absl::Minutes(10)};
  h.On("a/1", {Steady(Seconds(1))});
  Calls(30, absl::InfiniteDuration());
  h.On("a/1", {Silent()});
  Calls(5, Milliseconds(100));
  EXPECT_EQ(h.route.state->MaxAttempts(3, 0, h.loop.Now()), 3);
  Calls(2, Seconds(5));
  EXPECT_EQ(h.route.state->MaxAttempts(3, 0, h.loop.Now()), 2);
}

TEST_F(LearnersTest, SilenceLowersTheAdaptiveLimitWhereItIsLong) {
  a().limits = ConcurrencyConfig{.adaptive = true, .adaptive_min = 4, .adaptive_max = 1000};
  h.On("a/1", {Steady(Milliseconds(100))});
  for (int i = 0; i < 30; ++i) {
    for (int c = 0; c < 4; ++c) Begin();
    h.loop.RunFor(Milliseconds(300));
  }
  h.loop.RunUntilIdle();
  const uint32_t before = a().state->figures().limit;
  ASSERT_GT(before, 10u);
  h.On("a/1", {Silent()});
  for (int c = 0; c < 30; ++c) Begin(Milliseconds(50));
  h.loop.RunFor(Seconds(2));
  EXPECT_EQ(a().state->figures().limit, before);
  for (int i = 0; i < 6; ++i) {
    for (int c = 0; c < 6; ++c) Begin(Seconds(2));
    h.loop.RunFor(Seconds(3));
  }
  EXPECT_LT(a().state->figures().limit, before);
  h.loop.RunUntilIdle();
}

// Of those that were let go one by one: another goes in the place of one whose
// caller left, as if that one had never gone.
class RampTest : public WaitingFixture {};

TEST_F(RampTest, GoesOnWhenACallerLeaves) {
  h.On("a/1", {SlowAnswer(Seconds(9)), SlowAnswer(Milliseconds(100))});
  Begin();
  Rest("a/1", Seconds(1));
  Call("", h.loop.Now() + Milliseconds(1200));
  Running& second = Call();
  h.loop.RunFor(Milliseconds(1150));
  EXPECT_EQ(h.transport.started.size(), 1u);
  h.loop.RunFor(Milliseconds(60));
  EXPECT_EQ(h.transport.started.size(), 2u);
  h.loop.RunUntilIdle();
  EXPECT_EQ(second.record().outcome, CallOutcome::kComplete);
}

}  // namespace
}  // namespace sluice
