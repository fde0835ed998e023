// Cancellation at every step of a call, until it completes by itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/call_harness.h"

namespace sluice {
namespace {

void Prepare(CallHarness& h, bool shows) {
  h.sink.shows = shows;
  h.streaming = shows;
  h.route.retry.backoff_before_failover = true;
  h.Add("b/1");
  h.Add("c/1");
  h.On("b/1", {Script::Status(503, "overload busy")});
  h.On("c/1", {Script().Connect().Head(200).Body("role\n").Fail(HttpFailure::kReset),
               Script().Connect().Head(200).Body("text a\n").Body("text b\n").Body("done\n").End(absl::Milliseconds(5))});
  h.route.retry.max_attempts = 4;
}

// The call makes its way over b, c, b, c; every turn of the loop is a step.
void CancelAtEveryStep(bool shows) {
  size_t step = 0;
  for (;; ++step) {
    CallHarness h;
    Prepare(h, shows);
    h.Start();
    size_t done = 0;
    while (done < step && h.sink.finishes == 0 && h.loop.RunOne()) ++done;
    const bool by_itself = h.sink.finishes == 1;
    h.call->Cancel();
    ASSERT_EQ(h.sink.finishes, 1) << "step " << step;
    if (!by_itself) {
      EXPECT_EQ(h.sink.record.error.grpc_code, 1) << "step " << step;
      EXPECT_EQ(h.transport.live, 0) << "step " << step;
    }
    h.call.reset();
    h.loop.RunUntilIdle();
    EXPECT_THAT(h.Violations(), testing::IsEmpty()) << "step " << step;
    if (by_itself) {
      EXPECT_EQ(h.sink.record.outcome, CallOutcome::kComplete);
      EXPECT_EQ(h.sink.text, "ab");
      break;
    }
  }
  EXPECT_GT(step, 15u);  // all four attempts were cut into
}

TEST(CancelTest, RowD4AtEveryStepOfAStream) { CancelAtEveryStep(true); }
TEST(CancelTest, RowD4AtEveryStepOfAUnaryCall) { CancelAtEveryStep(false); }

// --- with every mechanism on ------------------------------------------------

enum class How { kCancel, kStop, kDestroy };

CircuitBreakerConfig SmallBreaker() {
  CircuitBreakerConfig breaker;
  breaker.count_window = true;
  breaker.count = breaker.min_calls = 2;
  breaker.half_open_permits = 2;  // one may go on when its call has left
  return breaker;
}

void Protect(CallHarness& h) {
  for (const char* name : {"a", "b"}) {
    UpstreamConfig& upstream = h.upstream(name);
    upstream.breaker = SmallBreaker();
    upstream.overall_breaker = SmallBreaker();
    upstream.limits = ConcurrencyConfig{.max_requests = 2, .max_pending = 2, .max_tokens = 1000};
    upstream.outlier = OutlierConfig{.consecutive_failures = 2};
  }
  h.Limit("route", {.requests = 100, .tokens = 10'000});
  h.Limit("upstream", {.requests = 100}, RateLimitUse::Scope::kUpstream);
  h.route.queue = QueueConfig{.max_length = 5, .max_wait = absl::Seconds(2)};
  h.route.retry.max_attempts = 4;
}

// Waits in the queue for a breaker that is half open then; its probe is slow
// and hedged; the hedge wins, is cut, and the answer begins anew.
void PrepareHedgeAndRestart(CallHarness& h) {
  h.Add("a/1");
  h.Add("b/1");
  Protect(h);
  h.route.hedge = HedgeConfig{.delay = absl::Milliseconds(50), .max_percent = 100};
  h.route.after_cut = AfterCut::kRestart;
  h.request.mutable_stream_options()->set_allow_restart(true);
  h.On("a/1", {Script().Connect().Head(200).Body("text late\n", absl::Seconds(9)),
               Script().Connect().Head(200).Body("text a\n").Body("text b\n").Body("done\n").End()});
  h.On("b/1", {Script().Connect().Head(200).Body("text x\n").Fail(HttpFailure::kReset)});
  h.PutInForce();
  for (const char* place : {"a/1", "b/1"}) {
    h.endpoint(place).state->TripBreaker(h.loop.Now(), absl::Milliseconds(100), "by hand");
  }
}

// Both endpoints fail until nothing is left; it waits to start anew, waits in
// vain, and another route answers, after a failure of its own.
void PrepareQueueAndFallback(CallHarness& h) {
  h.Add("a/1");
  h.Add("b/1");
  Protect(h);
  h.route.retry.on_exhaustion = Exhaustion::kQueue;
  h.route.retry.max_attempts = 2;
  h.On("a/1", {Script::Status(503)});
  h.On("b/1", {Script::Status(429, "", {{"retry-after-ms", "300"}})});
  auto other = std::make_shared<RouteConfig>(h.route);
  h.Add("c/1");
  h.On("c/1", {Script::Status(503), Script::Answer("ab")});
  other->name = "other";
  other->targets = {h.route.targets.back()};
  other->state = std::make_shared<RouteState>();
  other->retry.on_exhaustion = Exhaustion::kFallback;
  h.route.targets.pop_back();
  auto fallback = std::make_shared<FallbackConfig>();
  fallback->name = "local";
  fallback->route = std::move(other);
  h.route.fallback = std::move(fallback);
}

void EndItBy(CallHarness& h, How how) {
  if (how == How::kCancel) h.call->Cancel();
  if (how == How::kStop) h.call->Stop();
  h.call.reset();
}

// A permit that got lost would keep a half-open breaker from closing.
void ExpectNoPermitLost(CallHarness& h, const char* place, size_t step) {
  const BreakerFigures figures = h.endpoint(place).state->breaker_figures(h.loop.Now());
  if (figures.state != BreakerState::kHalfOpen) return;
  EXPECT_EQ(figures.permits_used, figures.counts.calls) << place << " step " << step;
}

// What an unfinished call cannot show: it is gone without a word or a record.
bool OnlyForLackOfFinish(const std::string& violation) {
  return violation == "Finish did not come once" || violation.starts_with("requests at the transport") ||
         violation.starts_with("no error");
}

void EndAtEveryStep(How how, void (*prepare)(CallHarness&), CallOutcome outcome, size_t least_steps) {
  size_t step = 0;
  for (;; ++step) {
    CallHarness h;
    prepare(h);
    h.Start();
    size_t done = 0;
    while (done < step && h.sink.finishes == 0 && h.loop.RunOne()) ++done;
    const bool by_itself = h.sink.finishes == 1;
    EndItBy(h, how);
    EXPECT_EQ(h.sink.finishes, by_itself || how != How::kDestroy ? 1 : 0) << "step " << step;
    EXPECT_TRUE(by_itself || h.transport.live == static_cast<int>(h.context.verifying->size())) << "step " << step;
    h.loop.RunUntilIdle();
    std::vector<std::string> found = h.Violations();
    if (!by_itself && how == How::kDestroy) std::erase_if(found, OnlyForLackOfFinish);
    EXPECT_THAT(found, testing::IsEmpty()) << "step " << step;
    for (const char* place : {"a/1", "b/1"}) ExpectNoPermitLost(h, place, step);
    if (by_itself) {
      EXPECT_EQ(h.sink.record.outcome, outcome);
      EXPECT_EQ(h.sink.text, "ab");
      break;
    }
  }
  EXPECT_GT(step, least_steps);
}

TEST(CancelTest, RowD4WhileItQueuesProbesHedgesAndRestarts) {
  for (How how : {How::kCancel, How::kStop, How::kDestroy}) {
    EndAtEveryStep(how, PrepareHedgeAndRestart, CallOutcome::kComplete, 12);
  }
}

TEST(CancelTest, RowD4WhileItRetriesQueuesAndFallsBack) {
  for (How how : {How::kCancel, How::kStop, How::kDestroy}) {
    EndAtEveryStep(how, PrepareQueueAndFallback, CallOutcome::kFallback, 12);
  }
}

TEST(CancelTest, BeforeStartOnlyTheCancellationIsTold) {
  CallHarness h;
  Prepare(h, true);
  CallParams params;
  params.route = std::make_shared<const RouteConfig>(h.route);
  params.request = NewChatCallRequest(h.request);
  h.call = NewCall(h.context, std::move(params), h.sink);
  h.call->Cancel();
  h.call->Start();
  EXPECT_EQ(h.sink.record.error.grpc_code, 1);
  EXPECT_EQ(h.transport.live, 0);
}

}  // namespace
}  // namespace sluice
