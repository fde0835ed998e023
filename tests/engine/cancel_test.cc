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
