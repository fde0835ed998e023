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

}  // namespace
}  // namespace sluice
