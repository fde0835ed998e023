// What a caller ends is never a failure, however many of them are impatient.
#include <gmock/gmock.h>

#include "tests/engine/impatient_fixture.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using testing::AllOf;
using testing::Contains;
using testing::IsEmpty;
using testing::StartsWith;

// Everything that learns from failures, on at its defaults or tighter.
void SwitchAllOn(CallHarness& h, UpstreamConfig& upstream) {
  upstream.overall_breaker = CircuitBreakerConfig{};
  upstream.outlier = OutlierConfig{};
  upstream.throttle = ClientThrottleConfig{};
  upstream.limits = ConcurrencyConfig{.max_requests = 100, .adaptive = true};
  h.route.retry.adaptive = AdaptiveRetryConfig{};
}

struct Impatience {
  const char* name;
  bool streaming;
  Duration first_content;
  bool by_deadline;
};

class TwentyImpatientCallsTest : public ImpatientFixture, public testing::WithParamInterface<Impatience> {
 protected:
  TwentyImpatientCallsTest() {
    SwitchAllOn(h, a());
    h.streaming = GetParam().streaming;
    h.On("a/1", {Steady(GetParam().first_content)});
    Calls(20, Milliseconds(600), GetParam().by_deadline ? How::kDeadline : How::kCancel);
  }
};

TEST_P(TwentyImpatientCallsTest, LeaveAHealthyEndpointToThePatient) {
  EXPECT_EQ(Call().outcome, CallOutcome::kComplete);
  EXPECT_EQ(h.Places().back(), "a/1");
  EXPECT_THAT(h.observer.changes, IsEmpty());
}

TEST_P(TwentyImpatientCallsTest, TeachNobodyAFailure) {
  const TimePoint now = h.loop.Now();
  EXPECT_EQ(Breaker().state, BreakerState::kClosed);
  EXPECT_EQ(Breaker().counts.failures, 0u);
  const auto overall = a().state->breaker_figures(now);
  EXPECT_EQ(overall->state, BreakerState::kClosed);
  EXPECT_EQ(overall->counts.failures, 0u);
  EXPECT_EQ(endpoint().ejections(), 0u);
  EXPECT_EQ(Budget().tokens, Budget().max_tokens);
  EXPECT_EQ(a().state->figures().throttled, 0u);
  EXPECT_EQ(h.endpoint("a/1").cooldowns[0]->until(), absl::InfinitePast());
  EXPECT_TRUE(endpoint().View(now).healthy);
  // Adaptive retry has seen no failure: as many attempts as ever, but for slowness.
  EXPECT_GE(h.route.state->MaxAttempts(3, 0, now), 2);
}

TEST_P(TwentyImpatientCallsTest, AreToldThatTheirTimeIsOver) {
  const CallRecord& record = h.sink.record;
  const bool shown = GetParam().streaming && GetParam().first_content < Milliseconds(600);
  EXPECT_EQ(record.outcome, shown ? CallOutcome::kTruncated : CallOutcome::kFailed);
  EXPECT_EQ(record.error.grpc_code, GetParam().by_deadline ? 4 : 1);
  EXPECT_EQ(record.error.reason, GetParam().by_deadline ? "DEADLINE_EXCEEDED" : "CANCELLED");
  EXPECT_EQ(h.Attempts(), "a/1 cancelled cancelled");
}

INSTANTIATE_TEST_SUITE_P(
    Impatience, TwentyImpatientCallsTest,
    testing::Values(Impatience{"StreamAfterContent", true, Milliseconds(100), true},
                    Impatience{"UnaryAfterContent", false, Milliseconds(100), true},
                    Impatience{"StreamBeforeContent", true, Seconds(1), true},
                    Impatience{"UnaryBeforeContent", false, Seconds(1), true},
                    Impatience{"CancelledStreamAfterContent", true, Milliseconds(100), false},
                    Impatience{"CancelledUnaryAfterContent", false, Milliseconds(100), false},
                    Impatience{"CancelledStreamBeforeContent", true, Seconds(1), false}),
    [](const auto& info) { return info.param.name; });

TEST_F(ImpatientFixture, SixtyPercentImpatientOverTwoHealthyEndpointsOpenNothing) {
  SwitchAllOn(h, a());
  h.endpoint("a/2").priority = 0;
  for (const char* place : {"a/1", "a/2"}) h.On(place, {Steady(Milliseconds(300))});
  for (int i = 0; i < 200; ++i) {
    const bool impatient = i % 5 < 3;
    // Some before content, some after it.
    const CallRecord& record = Call(impatient ? Milliseconds(200 + 150 * (i % 3)) : absl::InfiniteDuration());
    if (!impatient) {
      EXPECT_EQ(record.outcome, CallOutcome::kComplete) << i;
    }
  }
  EXPECT_THAT(h.Places(), AllOf(Contains("a/1"), Contains("a/2")));
  EXPECT_THAT(h.observer.changes, IsEmpty());
}

// --- the deadline and the bound ---------------------------------------------

struct Ending {
  const char* name;
  bool streaming;
  Duration callers;  // its deadline
  Duration routes;   // the bound
  Duration first_content;
  CallOutcome outcome;
  int code;
  const char* reason;
  FailureKind kind;
  const char* attempt;
  uint32_t failures;  // that the breaker counts
};

class EndingTest : public ImpatientFixture, public testing::WithParamInterface<Ending> {};

TEST_P(EndingTest, IsToldByWhoseTimeWasOver) {
  const Ending& ending = GetParam();
  h.streaming = ending.streaming;
  h.route.timeouts.overall = ending.routes;
  h.On("a/1", {Steady(ending.first_content)});
  const CallRecord& record = Call(ending.callers);
  EXPECT_EQ(record.outcome, ending.outcome);
  EXPECT_EQ(record.error.grpc_code, ending.code);
  EXPECT_EQ(record.error.reason, ending.reason);
  EXPECT_EQ(record.error.kind, ending.kind);
  EXPECT_EQ(h.Attempts(), ending.attempt);
  EXPECT_EQ(Breaker().counts.failures, ending.failures);
  EXPECT_EQ(h.transport.live, 0);
}

constexpr Duration kLong = absl::Minutes(10);
constexpr Duration kShort = absl::Milliseconds(600);

INSTANTIATE_TEST_SUITE_P(
    Endings, EndingTest,
    testing::Values(
        Ending{"CallersAfterContent", true, kShort, kLong, Milliseconds(100), CallOutcome::kTruncated, 4,
               "DEADLINE_EXCEEDED", FailureKind::kTimeout, "a/1 cancelled cancelled", 0},
        Ending{"CallersBeforeContent", true, kShort, kLong, Seconds(1), CallOutcome::kFailed, 4, "DEADLINE_EXCEEDED",
               FailureKind::kTimeout, "a/1 cancelled cancelled", 0},
        Ending{"CallersOfAUnaryCall", false, kShort, kLong, Milliseconds(100), CallOutcome::kFailed, 4,
               "DEADLINE_EXCEEDED", FailureKind::kTimeout, "a/1 cancelled cancelled", 0},
        // A moment after the bound, but told before it: a client must see its end.
        Ending{"CallersWithinTheMargin", true, kShort + Milliseconds(5), kShort, Milliseconds(100),
               CallOutcome::kTruncated, 4, "DEADLINE_EXCEEDED", FailureKind::kTimeout, "a/1 cancelled cancelled", 0},
        Ending{"RoutesAfterContent", true, kLong, kShort, Milliseconds(100), CallOutcome::kTruncated, 10,
               "STREAM_TRUNCATED", FailureKind::kTruncated, "a/1 failed truncated", 1},
        Ending{"RoutesBeforeContent", true, kLong, kShort, Seconds(1), CallOutcome::kFailed, 14, "ROUTE_TIMEOUT",
               FailureKind::kTimeout, "a/1 failed timeout", 1},
        Ending{"RoutesOfAUnaryCall", false, kLong, kShort, Milliseconds(100), CallOutcome::kFailed, 14,
               "ROUTE_TIMEOUT", FailureKind::kTimeout, "a/1 failed timeout", 1}),
    [](const auto& info) { return info.param.name; });

// Shown, cut, and beginning anew: the upstream broke off, but it is the caller
// who ends the call.
TEST_F(ImpatientFixture, ACallersDeadlineBeforeARestartIsTheCallers) {
  h.route.after_cut = AfterCut::kRestart;
  h.route.retry.max_attempts = 3;
  h.route.retry.backoff = FixedBackoff{Milliseconds(300)};
  h.endpoint("a/2").active = false;
  h.request.mutable_stream_options()->set_allow_restart(true);
  h.On("a/1", {Cut(), Silent()});
  const CallRecord& record = Call(kShort);
  EXPECT_EQ(record.outcome, CallOutcome::kTruncated);
  EXPECT_EQ(record.error.grpc_code, 4);
  EXPECT_EQ(record.error.reason, "DEADLINE_EXCEEDED");
  EXPECT_EQ(h.Attempts(), "a/1 failed truncated; a/1 cancelled cancelled");
  EXPECT_EQ(h.sink.text, "x");
}

TEST_F(ImpatientFixture, ACallersDeadlineAfterARestartLeavesWhatBeganAnew) {
  h.route.after_cut = AfterCut::kRestart;
  h.route.retry.max_attempts = 3;
  h.request.mutable_stream_options()->set_allow_restart(true);
  h.On("a/1", {Cut()});
  h.On("a/2", {Steady()});
  const CallRecord& record = Call(Milliseconds(300));
  EXPECT_EQ(record.outcome, CallOutcome::kTruncated);
  EXPECT_EQ(record.error.reason, "DEADLINE_EXCEEDED");
  EXPECT_EQ(record.restarts, 1);
  EXPECT_THAT(h.sink.text, StartsWith("one"));
  EXPECT_EQ(h.Attempts(), "a/1 failed truncated; a/2 cancelled cancelled");
  EXPECT_EQ(Breaker("a/2").counts.failures, 0u);
}

// A caller that does not read holds the upstream up; the bound is not its doing.
TEST_F(ImpatientFixture, TheBoundOfACallWhoseReaderIsSlowJudgesNobody) {
  h.route.timeouts.overall = Seconds(10);
  h.route.stream.max_pending_bytes = 8;
  h.On("a/1", {Steady()});
  h.sink.slow = true;
  h.Start();
  h.loop.RunFor(Seconds(20));
  EXPECT_EQ(h.observer.paused, 1);
  EXPECT_EQ(h.sink.record.error.reason, "STREAM_TRUNCATED");
  EXPECT_EQ(h.Attempts(), "a/1 cancelled cancelled");
  EXPECT_EQ(Breaker().counts.failures, 0u);
}

TEST_F(ImpatientFixture, TheDataPlanesStopIsNoFailure) {
  SwitchAllOn(h, a());
  a().outlier->consecutive_failures = 2;
  for (const Duration first : {Milliseconds(100), Milliseconds(100), Seconds(9), Seconds(9)}) {
    h.On("a/1", {Steady(first)});
    h.sink = FakeSink();
    h.Start();
    h.loop.RunFor(Milliseconds(300));
    h.call->Stop();
    EXPECT_EQ(h.sink.finishes, 1);
  }
  EXPECT_EQ(Breaker().counts.failures, 0u);
  EXPECT_EQ(endpoint().ejections(), 0u);
  EXPECT_EQ(Budget().tokens, Budget().max_tokens);
  EXPECT_THAT(h.observer.verifying, IsEmpty());
}

}  // namespace
}  // namespace sluice
