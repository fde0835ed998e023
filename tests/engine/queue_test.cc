// Limits and the queue: refused, or let through when there is room.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/call_harness.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Several calls of one route at a time.
class QueueTest : public testing::Test {
 protected:
  struct Running {
    FakeSink sink;
    std::unique_ptr<Call> call;
  };

  QueueTest() {
    h.Add("a/1");
    h.On("a/1", {Script().Connect().Head(200).Body("text x\n", Milliseconds(100)).Body("usage 1 1\ndone\n").End()});
  }

  Running& Call(const std::string& tenant = "", TimePoint deadline = absl::InfiniteFuture()) {
    auto& running = *calls_.emplace_back(std::make_unique<Running>());
    CallParams params;
    params.info.streaming = true;
    params.info.tenant = tenant;
    params.route = route_;
    params.request = NewChatCallRequest(h.request);
    params.deadline = deadline;
    running.call = NewCall(h.context, std::move(params), running.sink);
    running.call->Start();
    return running;
  }

  void Begin() {
    h.PutInForce();
    route_ = std::make_shared<const RouteConfig>(h.route);
  }

  std::vector<std::unique_ptr<Running>> calls_;
  std::shared_ptr<const RouteConfig> route_;
  CallHarness h;
};

TEST_F(QueueTest, ARateLimitRefusesWithTheTimeToWait) {
  h.Limit("per-minute", {.requests = 2, .per = absl::Minutes(1)});
  Begin();
  Call(), Call();
  const CallError& error = Call().sink.record.error;
  EXPECT_EQ(error.reason, "RATE_LIMIT");
  EXPECT_EQ(error.grpc_code, 8);
  EXPECT_EQ(error.retry_after, Seconds(30));
  EXPECT_THAT(error.message, HasSubstr("rate limit \"per-minute\" is used up; retry after 30s"));
  EXPECT_THAT(h.observer.limited, ElementsAre("per-minute"));
  h.loop.RunUntilIdle();
}

TEST_F(QueueTest, TenantsHaveLimitsOfTheirOwn) {
  h.Limit("each", {.requests = 1, .per = absl::Minutes(1)}, RateLimitUse::Scope::kTenant);
  Begin();
  Call("one"), Call("two");
  EXPECT_EQ(Call("one").sink.record.error.reason, "RATE_LIMIT");
  EXPECT_EQ(h.transport.started.size(), 2u);
  h.loop.RunUntilIdle();
}

TEST_F(QueueTest, TokensAreSettledByTheUsage) {
  h.request.mutable_sampling()->set_max_output_tokens(90);
  h.Limit("tokens", {.tokens = 100, .per = absl::Minutes(1)});
  Begin();
  Call();
  EXPECT_EQ(Call().sink.record.error.reason, "RATE_LIMIT");
  h.loop.RunUntilIdle();  // the first used 2 tokens
  EXPECT_EQ(Call().sink.finishes, 0);
  h.loop.RunUntilIdle();
}

TEST_F(QueueTest, AnUpstreamsLimitIsPassedOver) {
  h.Limit("each", {.requests = 1, .per = absl::Minutes(1)}, RateLimitUse::Scope::kUpstream);
  h.Add("b/1");
  h.On("b/1", {Script::Answer("y")});
  Begin();
  Call(), Call();
  EXPECT_THAT(h.Places(), ElementsAre("a/1", "b/1"));
  EXPECT_EQ(Call().sink.record.error.grpc_code, 8);
  h.loop.RunUntilIdle();
}

TEST_F(QueueTest, RowD10BurstsWaitInsteadOfBeingRefused) {
  h.route.queue = QueueConfig{.max_length = 10, .max_wait = Seconds(5)};
  h.upstream("a").limits = ConcurrencyConfig{.max_requests = 1};
  Begin();
  for (int i = 0; i < 5; ++i) Call();
  EXPECT_EQ(h.transport.started.size(), 1u);
  EXPECT_EQ(h.route.state->figures(h.loop.Now()).queue.length, 4u);
  h.loop.RunUntilIdle();
  for (const auto& running : calls_) EXPECT_EQ(running->sink.record.outcome, CallOutcome::kComplete);
  EXPECT_EQ(h.observer.queued, 4);
  // One after the other without a gap: the end of one wakes the next.
  for (size_t i = 1; i < 5; ++i) {
    EXPECT_LT(h.transport.started[i].when - h.transport.started[i - 1].when, Milliseconds(120));
  }
}

TEST_F(QueueTest, RowD8TenantsTakeTurns) {
  h.route.queue = QueueConfig{.max_length = 100, .max_wait = Seconds(50)};
  h.upstream("a").limits = ConcurrencyConfig{.max_requests = 1};
  Begin();
  for (int i = 0; i < 10; ++i) Call("greedy");
  Running& modest = Call("modest");
  h.loop.RunFor(Milliseconds(320));
  EXPECT_EQ(modest.sink.finishes, 1);  // the third, not the eleventh
  h.loop.RunUntilIdle();
}

TEST_F(QueueTest, AFullQueueRefuses) {
  h.route.queue = QueueConfig{.max_length = 1, .max_wait = Seconds(5)};
  h.upstream("a").limits = ConcurrencyConfig{.max_requests = 1};
  Begin();
  Call(), Call();
  const CallError& error = Call().sink.record.error;
  EXPECT_EQ(error.reason, "QUEUE_FULL");
  EXPECT_EQ(error.retry_after, Seconds(1));
  h.loop.RunUntilIdle();
}

TEST_F(QueueTest, WhoWaitsTooLongIsToldWhy) {
  h.route.queue = QueueConfig{.max_length = 10, .max_wait = Milliseconds(50)};
  h.upstream("a").limits = ConcurrencyConfig{.max_requests = 1};
  Begin();
  Call();
  Running& second = Call();
  h.loop.RunFor(Milliseconds(60));
  EXPECT_EQ(second.sink.record.error.reason, "QUEUE_TIMEOUT");
  EXPECT_EQ(second.sink.record.queued, Milliseconds(50));
  h.loop.RunUntilIdle();
  EXPECT_THAT(h.observer.left_queue, ElementsAre(QueueExit::kTimedOut));
}

TEST_F(QueueTest, WhoWaitsUntilItsDeadlineIsToldWhyItWaited) {
  h.route.queue = QueueConfig{.max_length = 10, .max_wait = Seconds(5)};
  h.upstream("a").limits = ConcurrencyConfig{.max_requests = 1};
  Begin();
  Call();
  Running& second = Call("", h.loop.Now() + Milliseconds(60));
  h.loop.RunUntilIdle();
  const CallError& error = second.sink.record.error;
  EXPECT_EQ(error.reason, "DEADLINE_EXCEEDED");
  EXPECT_THAT(error.message, HasSubstr("passed in the queue; upstream \"a\" (concurrency) takes no more calls for now"));
  EXPECT_EQ(error.retry_after, Seconds(1));
}

TEST_F(QueueTest, WhoCannotMakeItIsRefusedAtOnce) {
  h.route.queue = QueueConfig{.max_length = 10, .max_wait = Seconds(5)};
  h.Limit("slow", {.requests = 1, .per = absl::Minutes(1)});
  Begin();
  Call();
  EXPECT_EQ(Call().sink.record.error.reason, "RATE_LIMIT");
  EXPECT_EQ(h.observer.queued, 0);
  h.loop.RunUntilIdle();
}

TEST_F(QueueTest, RowD10AWindowReleasesInBatches) {
  h.route.queue = QueueConfig{.max_length = 100, .max_wait = Seconds(50), .window = Seconds(1)};
  h.Limit("second", {.requests = 2, .per = Seconds(1)});
  Begin();
  for (int i = 0; i < 6; ++i) Call();
  h.loop.RunUntilIdle();
  std::map<int64_t, int> by_second;
  for (const auto& started : h.transport.started) {
    ++by_second[absl::ToInt64Seconds(started.when - h.transport.started[0].when + Milliseconds(1))];
  }
  EXPECT_EQ(h.transport.started.size(), 6u);
  EXPECT_THAT(by_second, ElementsAre(testing::Pair(0, 2), testing::Pair(1, 2), testing::Pair(2, 2)));
}

TEST_F(QueueTest, ACooldownThatFitsIsWaitedFor) {
  h.route.queue = QueueConfig{.max_length = 10, .max_wait = Seconds(5)};
  h.endpoint("a/1").cooldowns[0]->RestUntil(h.loop.Now() + Seconds(2));
  Begin();
  Running& call = Call();
  EXPECT_EQ(call.sink.finishes, 0);
  h.loop.RunUntilIdle();
  EXPECT_EQ(call.sink.record.outcome, CallOutcome::kComplete);
  EXPECT_EQ(call.sink.record.queued, Seconds(2));
}

TEST_F(QueueTest, RowB3AtExhaustionACallMayWaitAndStartAnew) {
  h.route.queue = QueueConfig{.max_length = 10, .max_wait = Seconds(5)};
  h.route.retry.on_exhaustion = Exhaustion::kQueue;
  h.route.retry.max_attempts = 2;
  h.On("a/1", {Script::Status(503), Script::Status(503), Script::Answer("late")});
  Begin();
  Running& call = Call();
  h.loop.RunUntilIdle();
  EXPECT_EQ(call.sink.record.outcome, CallOutcome::kComplete);
  EXPECT_EQ(call.sink.record.attempts.size(), 3u);
}

TEST_F(QueueTest, RowB3ItWaitsNoLongerThanTheQueueAllows) {
  h.route.queue = QueueConfig{.max_length = 10, .max_wait = Seconds(1)};
  h.route.retry.on_exhaustion = Exhaustion::kQueue;
  h.route.retry.max_attempts = 2;
  h.route.retry.budget.max_tokens = 1000;
  h.On("a/1", {Script::Status(503)});
  Begin();
  Running& call = Call();
  const TimePoint began = h.loop.Now();
  h.loop.RunUntilIdle();
  EXPECT_EQ(call.sink.record.outcome, CallOutcome::kFailed);
  EXPECT_LE(call.sink.record.total, Seconds(1) + Milliseconds(250));
  EXPECT_GT(call.sink.record.attempts.size(), 2u);
  EXPECT_GE(h.loop.Now(), began);
}

TEST_F(QueueTest, RowD4CancelledWhileItWaits) {
  h.route.queue = QueueConfig{.max_length = 10, .max_wait = Seconds(5)};
  h.upstream("a").limits = ConcurrencyConfig{.max_requests = 1};
  Begin();
  Call();
  Running& second = Call();
  Running& third = Call();
  second.call->Cancel();
  h.loop.RunUntilIdle();
  EXPECT_EQ(second.sink.record.error.grpc_code, 1);
  EXPECT_EQ(third.sink.record.outcome, CallOutcome::kComplete);
  EXPECT_EQ(h.route.state->figures(h.loop.Now()).queue.length, 0u);
}

TEST_F(QueueTest, WithoutAQueueAFullUpstreamShedsWithATime) {
  h.upstream("a").limits = ConcurrencyConfig{.max_requests = 1};
  Begin();
  Call();
  const CallError& error = Call().sink.record.error;
  EXPECT_EQ(error.reason, "UPSTREAM_LIMIT");
  EXPECT_EQ(error.grpc_code, 8);
  EXPECT_EQ(error.retry_after, Seconds(1));
  h.loop.RunUntilIdle();
}

// --- a tenant over its own limit ----------------------------------------------

class TenantLimitTest : public QueueTest {
 protected:
  void Begin(size_t max_length, Duration window = absl::ZeroDuration()) {
    h.route.queue = QueueConfig{.max_length = max_length, .max_wait = Seconds(50), .window = window};
    h.Limit("each", {.requests = 1, .per = Seconds(10)}, RateLimitUse::Scope::kTenant);
    QueueTest::Begin();
  }
  size_t length() { return h.route.state->figures(h.loop.Now()).queue.length; }
};

TEST_F(TenantLimitTest, OneOverItsLimitHoldsUpNobodyElse) {
  Begin(10);
  Call("greedy");
  for (int i = 0; i < 3; ++i) Call("greedy");
  EXPECT_EQ(length(), 3u);
  Running& modest = Call("modest");
  h.loop.RunFor(Milliseconds(200));
  EXPECT_EQ(modest.sink.record.outcome, CallOutcome::kComplete);
  EXPECT_EQ(modest.sink.record.queued, absl::ZeroDuration());
  EXPECT_EQ(length(), 3u);
  h.loop.RunUntilIdle();
}

// Both wait for room at the upstream; greedy's turn comes first.
TEST_F(TenantLimitTest, OneThatIsRefusedAtItsTurnStepsAside) {
  h.upstream("a").limits = ConcurrencyConfig{.max_requests = 1};
  Begin(10);
  Call("greedy");
  Running& over = Call("greedy");
  Running& modest = Call("modest");
  Running& other = Call("other");
  h.loop.RunFor(Milliseconds(500));
  EXPECT_EQ(modest.sink.record.outcome, CallOutcome::kComplete);
  EXPECT_EQ(other.sink.record.outcome, CallOutcome::kComplete);
  EXPECT_EQ(over.sink.finishes, 0);
  h.loop.RunUntilIdle();
  EXPECT_EQ(over.sink.record.outcome, CallOutcome::kComplete);
  EXPECT_EQ(over.sink.record.queued, Seconds(10));
}

TEST_F(TenantLimitTest, WhoSteppedAsideComesBackInItsOrderAndAtItsTime) {
  Begin(10);
  for (int i = 0; i < 4; ++i) Call("greedy");
  h.loop.RunUntilIdle();
  std::vector<Duration> starts;
  for (const auto& started : h.transport.started) starts.push_back(started.when - h.transport.started[0].when);
  EXPECT_THAT(starts, ElementsAre(Seconds(0), Seconds(10), Seconds(20), Seconds(30)));
  for (size_t i = 1; i < 4; ++i) EXPECT_EQ(calls_[i]->sink.record.queued, Seconds(10 * static_cast<int>(i))) << i;
}

TEST_F(TenantLimitTest, TheFirstThatGivesUpMakesWayForTheNextOfItsTenant) {
  Begin(10);
  Call("greedy");
  Running& second = Call("greedy");
  Running& third = Call("greedy");
  h.loop.RunFor(Milliseconds(2500));
  second.call->Cancel();
  h.loop.RunUntilIdle();
  EXPECT_EQ(third.sink.record.outcome, CallOutcome::kComplete);
  EXPECT_EQ(third.sink.record.queued, Seconds(10));
}

TEST_F(TenantLimitTest, ItsDeadlineHoldsWhileItIsAside) {
  Begin(10);
  Call("greedy");
  Running& first = Call("greedy", h.loop.Now() + Seconds(20));
  Running& late = Call("greedy", h.loop.Now() + Seconds(15));
  h.loop.RunUntilIdle();
  EXPECT_EQ(first.sink.record.outcome, CallOutcome::kComplete);
  // Told as soon as it is clear, at its turn: ten seconds more are too long.
  EXPECT_EQ(late.sink.record.error.reason, "RATE_LIMIT");
  EXPECT_EQ(late.sink.record.queued, Seconds(10));
}

TEST_F(TenantLimitTest, AFullQueueOfOneIsNotFullForOthers) {
  h.upstream("a").limits = ConcurrencyConfig{.max_requests = 1};
  Begin(4);
  Call("greedy");
  for (int i = 0; i < 4; ++i) Call("greedy");
  h.loop.RunFor(Milliseconds(200));
  EXPECT_EQ(length(), 4u);
  EXPECT_EQ(Call("greedy").sink.record.error.reason, "QUEUE_FULL");
  Call("modest");
  Running& waits = Call("other");
  EXPECT_EQ(waits.sink.finishes, 0);
  h.loop.RunFor(Milliseconds(500));
  EXPECT_EQ(waits.sink.record.outcome, CallOutcome::kComplete);
  // The last of the tenant that is aside gave its place.
  const CallRecord& last = calls_[4]->sink.record;
  EXPECT_EQ(last.error.reason, "QUEUE_FULL");
  EXPECT_EQ(last.error.grpc_code, 8);
  EXPECT_TRUE(last.error.retry_after.has_value());
  EXPECT_EQ(last.queued, Milliseconds(200));
  EXPECT_EQ(length(), 3u);
  h.loop.RunUntilIdle();
  for (size_t i : {1, 2, 3}) EXPECT_EQ(calls_[i]->sink.record.outcome, CallOutcome::kComplete) << i;
  EXPECT_EQ(length(), 0u);
}

TEST_F(TenantLimitTest, RowD10ABatchGoesOnWithoutIt) {
  h.upstream("a").limits = ConcurrencyConfig{.max_requests = 2};
  h.On("a/1", {Script().Connect().Head(200).Body("text x\n", Milliseconds(300)).Body("done\n").End()});
  Begin(10, /*window=*/Seconds(1));
  Call("greedy"), Call("first");
  Running& over = Call("greedy");
  Running& modest = Call("modest");
  Running& other = Call("other");
  h.loop.RunFor(Milliseconds(1500));
  EXPECT_EQ(modest.sink.record.queued, Seconds(1));
  EXPECT_EQ(other.sink.record.queued, Seconds(1));
  EXPECT_EQ(over.sink.finishes, 0);
  h.loop.RunUntilIdle();
  EXPECT_EQ(over.sink.record.outcome, CallOutcome::kComplete);
  EXPECT_LE(over.sink.record.queued, Seconds(11));
}

TEST_F(TenantLimitTest, ALimitOfTheRouteHoldsAll) {
  h.route.queue = QueueConfig{.max_length = 10, .max_wait = Seconds(50)};
  h.Limit("all", {.requests = 1, .per = Seconds(10)});
  QueueTest::Begin();
  Call("one"), Call("two"), Call("three");
  h.loop.RunFor(Milliseconds(10'500));
  EXPECT_EQ(h.transport.started.size(), 2u);
  EXPECT_EQ(calls_[1]->sink.record.outcome, CallOutcome::kComplete);
  h.loop.RunUntilIdle();
}

}  // namespace
}  // namespace sluice
