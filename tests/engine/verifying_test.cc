// Callers that all leave early hide a silent endpoint; so one attempt goes on.
#include <gmock/gmock.h>

#include "tests/engine/impatient_fixture.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using VerifyingTest = VerifyingFixture;

TEST_F(VerifyingTest, AfterFiveEndsInSilenceTheNextAttemptGoesOn) {
  Calls(5, kPatience);
  EXPECT_EQ(running(), 0u);
  EXPECT_EQ(h.transport.live, 0);
  const CallRecord& record = Call(kPatience);
  EXPECT_EQ(h.sink.finishes, 1);
  EXPECT_EQ(record.error.reason, "DEADLINE_EXCEEDED");
  EXPECT_EQ(h.Attempts(), "a/1 cancelled cancelled");
  EXPECT_EQ(running(), 1u);
  EXPECT_EQ(h.transport.live, 1);
  EXPECT_THAT(h.observer.verifying, ElementsAre("a/1 goes on"));
  EXPECT_EQ(h.observer.attempts_started, h.observer.attempts_ended);
  // One at a time.
  Calls(3, kPatience);
  EXPECT_EQ(running(), 1u);
  EXPECT_EQ(h.transport.live, 1);
}

TEST_F(VerifyingTest, SilenceToItsOwnBoundOpensTheBreaker) {
  Calls(6, kPatience);
  const TimePoint began = h.transport.started.back().when;
  ASSERT_EQ(Breaker().state, BreakerState::kClosed);
  // It connected a millisecond after it began.
  h.loop.RunFor(began + Seconds(5) - h.loop.Now());
  EXPECT_EQ(Breaker().state, BreakerState::kClosed);
  h.loop.RunFor(Milliseconds(1));
  EXPECT_EQ(Breaker().state, BreakerState::kOpen);
  EXPECT_THAT(h.observer.changes, ElementsAre("a/1 0>1"));
  EXPECT_THAT(h.observer.verifying, ElementsAre("a/1 goes on", "a/1 failed timeout"));
  EXPECT_EQ(Breaker().last_trip.counts.failures, 1u);
  EXPECT_THAT(Breaker().last_trip.reason, HasSubstr("no content for 5 callers in a row"));
  EXPECT_EQ(h.transport.live, 0);
}

TEST_F(VerifyingTest, ContentIsAVerdictToo) {
  a().limits = ConcurrencyConfig{};
  h.On("a/1", {Steady(Seconds(2))});
  Calls(6, kPatience);
  ASSERT_EQ(running(), 1u);
  EXPECT_EQ(a().state->figures().requests, 1);
  EXPECT_EQ(endpoint().in_flight(), 1);
  h.loop.RunFor(Seconds(2));
  EXPECT_THAT(h.observer.verifying, ElementsAre("a/1 goes on", "a/1 ok"));
  EXPECT_EQ(running(), 0u);
  EXPECT_EQ(h.transport.live, 0) << "nobody reads on";
  EXPECT_EQ(Breaker().counts.calls, 1u);
  EXPECT_EQ(Breaker().counts.failures, 0u);
  EXPECT_EQ(a().state->figures().requests, 0);
  EXPECT_EQ(endpoint().in_flight(), 0);
  EXPECT_GT(endpoint().View(h.loop.Now()).ewma, Seconds(1.8));
  // The row begins anew.
  Calls(5, kPatience);
  EXPECT_EQ(running(), 0u);
  Call(kPatience);
  EXPECT_EQ(running(), 1u);
  h.loop.RunUntilIdle();
  EXPECT_THAT(h.observer.changes, IsEmpty());
}

TEST_F(VerifyingTest, ContentForAnybodyEndsTheRow) {
  Calls(4, kPatience);
  h.On("a/1", {Script::Answer("y")});
  Call();
  h.On("a/1", {Silent()});
  Calls(5, kPatience);
  EXPECT_EQ(running(), 0u);
  Call(kPatience);
  EXPECT_EQ(running(), 1u);
}

TEST_F(VerifyingTest, ItHoldsItsRequestAndRouteAndLetsGoOfThem) {
  h.On("a/1", {Silent(), Silent(), Silent(), Silent(), Silent(), Steady(Seconds(2))});
  Calls(6, kPatience);
  h.call.reset();
  EXPECT_FALSE(h.kept_request.expired());
  EXPECT_FALSE(h.kept_route.expired());
  h.loop.RunFor(Seconds(2));
  EXPECT_TRUE(h.kept_request.expired());
  EXPECT_TRUE(h.kept_route.expired());
}

TEST_F(VerifyingTest, ItIsPendingUntilItIsConnected) {
  h.On("a/1", {Silent(), Silent(), Silent(), Silent(), Silent(), Script().Connect(Seconds(1)).Head(200)});
  Calls(6, kPatience);
  EXPECT_EQ(a().state->figures().pending, 1);
  h.loop.RunFor(Seconds(1));
  EXPECT_EQ(a().state->figures().pending, 0);
  EXPECT_EQ(a().state->figures().requests, 1);
  h.loop.RunUntilIdle();
  EXPECT_EQ(a().state->figures().requests, 0);
  EXPECT_EQ(a().state->figures().tokens, 0u);
}

// Its estimate is settled when it ends: no output was paid for.
TEST_F(VerifyingTest, ItsTokensAreSettledByItsEnd) {
  h.request.mutable_sampling()->set_max_output_tokens(900);
  RateLimitUse& use = h.Limit("tokens", {.tokens = 1000, .per = absl::Hours(1)}, RateLimitUse::Scope::kUpstream);
  Calls(6, kPatience);
  ASSERT_EQ(running(), 1u);
  EXPECT_GT(use.state->FreeAt("a", 900, h.loop.Now()), h.loop.Now());
  h.loop.RunUntilIdle();
  EXPECT_LE(use.state->FreeAt("a", 900, h.loop.Now()), h.loop.Now());
}

struct Verdict {
  const char* name;
  bool streaming;
  Script script;
  Duration within;  // of the attempt's beginning
  const char* told;
  bool opens;
};

class VerdictTest : public VerifyingTest, public testing::WithParamInterface<Verdict> {};

TEST_P(VerdictTest, IsThatOfItsOwnEnd) {
  const Verdict& verdict = GetParam();
  h.streaming = verdict.streaming;
  h.route.timeouts.connect = Seconds(2);
  h.route.timeouts.unary_total = Seconds(3);
  h.On("a/1", {Silent(), Silent(), Silent(), Silent(), Silent(), verdict.script});
  Calls(6, kPatience);
  h.loop.RunFor(verdict.within - kPatience);
  EXPECT_EQ(running(), 1u);
  h.loop.RunFor(Milliseconds(100));
  EXPECT_THAT(h.observer.verifying, ElementsAre("a/1 goes on", verdict.told));
  EXPECT_EQ(Breaker().state == BreakerState::kOpen, verdict.opens);
  EXPECT_EQ(h.transport.live, 0);
  EXPECT_EQ(Budget().retries, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Verdicts, VerdictTest,
    testing::Values(
        Verdict{"Unconnected", true, Script::Silent(), Seconds(1.95), "a/1 failed timeout", true},
        Verdict{"Refused", true, Script().Fail(HttpFailure::kConnect, "", Seconds(1)), Seconds(0.95),
                "a/1 failed connect", true},
        Verdict{"Silent", true, Script().Connect().Head(200).Body("role\n"), Seconds(4.95), "a/1 failed timeout", true},
        Verdict{"UnaryTotal", false, Script().Connect().Head(200), Seconds(2.95), "a/1 failed timeout", true},
        Verdict{"ServerError", true, Script().Connect(Seconds(1)).Head(500, {}).End(), Seconds(0.95),
                "a/1 failed server_error", true},
        // It is well enough to say so.
        Verdict{"CallersFault", true, Script().Connect(Seconds(1)).Head(400, {}).End(), Seconds(0.95),
                "a/1 failed caller", false},
        Verdict{"EmptyAnswer", true, Script().Connect(Seconds(1)).Head(200).Body("end\ndone\n").End(), Seconds(0.95),
                "a/1 ok", false}),
    [](const auto& info) { return info.param.name; });

TEST_F(VerifyingTest, ARateLimitInItsVerdictGivesTheRest) {
  h.On("a/1", {Silent(), Silent(), Silent(), Silent(), Silent(),
               Script().Connect(Seconds(1)).Head(429, {{"retry-after", "20"}}).End()});
  Calls(6, kPatience);
  h.loop.RunFor(Seconds(1));
  EXPECT_GT(h.endpoint("a/1").cooldowns[0]->until(), h.loop.Now() + Seconds(18));
}

TEST_F(VerifyingTest, ItsFailureTeachesEverybody) {
  h.endpoint("a/2").active = true;
  a().overall_breaker = CircuitBreakerConfig{.verify_after = 0};
  a().outlier = OutlierConfig{.consecutive_failures = 1};
  Calls(6, kPatience);
  h.loop.RunFor(Seconds(6));
  EXPECT_EQ(a().state->breaker_figures(h.loop.Now())->counts.failures, 1u);
  EXPECT_DOUBLE_EQ(Budget().tokens, 9);
  EXPECT_THAT(h.observer.changes, ElementsAre("a/1 0>1", "a/1 ejected 30s"));
}

// What comes meanwhile shows that the endpoint is not silent to all.
TEST_F(VerifyingTest, ItsFailureAloneOpensNothingWhereOthersWereAnswered) {
  Calls(6, kPatience);
  h.On("a/1", {Script::Answer("y")});
  Call();
  h.loop.RunFor(Seconds(6));
  EXPECT_EQ(Breaker().state, BreakerState::kClosed);
  EXPECT_EQ(Breaker().counts.failures, 1u);
  EXPECT_EQ(Breaker().counts.calls, 2u);
}

// --- what it costs ----------------------------------------------------------

TEST_F(VerifyingTest, ItIsChargedToTheRetryBudget) {
  Calls(6, kPatience);
  EXPECT_EQ(Budget().retries, 1u);
  EXPECT_EQ(Budget().calls, 0u);
  h.loop.RunUntilIdle();
  EXPECT_EQ(Budget().retries, 0u);
}

TEST_F(VerifyingTest, ItIsMadeOnlyWhileTheBudgetAllowsARetry) {
  h.route.retry.budget.min_retries = 1;
  h.route.retry.budget.retry_percent = 0;
  h.PutInForce();
  ASSERT_EQ(h.route.state->TryChargeRetry("a"), RouteState::Charge::kAllowed);
  Calls(10, kPatience);
  EXPECT_EQ(running(), 0u);
  EXPECT_EQ(h.transport.live, 0);
  h.route.state->ReleaseRetry("a");
  Call(kPatience);
  EXPECT_EQ(running(), 1u);
}

TEST_F(VerifyingTest, ARepeatKeepsTheShareThatItHas) {
  h.route.retry.max_attempts = 2;
  h.route.retry.budget = {.retry_percent = 0, .min_retries = 1};
  h.On("a/1", {Silent(), Silent(), Silent(), Silent(), Silent(), Script::Status(500), Silent()});
  Calls(6, kPatience);
  EXPECT_EQ(h.Attempts(), "a/1 failed server_error; a/1 cancelled cancelled");
  EXPECT_EQ(running(), 1u);
  EXPECT_EQ(Budget().retries, 1u);
  h.loop.RunUntilIdle();
  EXPECT_EQ(Budget().retries, 0u);
}

TEST_F(VerifyingTest, OneAnEndpointAtATime) {
  h.endpoint("a/2").active = true;
  h.endpoint("a/2").priority = 0;
  h.On("a/2", {Silent()});
  Calls(40, kPatience);
  EXPECT_THAT(h.observer.verifying, testing::UnorderedElementsAre("a/1 goes on", "a/2 goes on", testing::_, testing::_));
  h.loop.RunUntilIdle();
  EXPECT_EQ(Breaker("a/1").state, BreakerState::kOpen);
  EXPECT_EQ(Breaker("a/2").state, BreakerState::kOpen);
}

// --- when there is nothing to verify ----------------------------------------

class NothingToVerifyTest : public VerifyingTest, public testing::WithParamInterface<BreakerMode> {};

TEST_P(NothingToVerifyTest, NoAttemptGoesOn) {
  a().breaker.mode = GetParam();
  if (GetParam() == BreakerMode::kAutomatic) a().breaker.verify_after = 0;
  Calls(20, kPatience);
  EXPECT_EQ(running(), 0u);
  EXPECT_THAT(h.observer.verifying, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Modes, NothingToVerifyTest, testing::Values(BreakerMode::kAutomatic, BreakerMode::kDisabled),
                         [](const auto& info) { return info.index == 0 ? "VerifyAfterZero" : "Disabled"; });

TEST_F(VerifyingTest, AnObservingBreakerTellsWhatItWouldDo) {
  a().breaker.mode = BreakerMode::kObserveOnly;
  Calls(6, kPatience);
  h.loop.RunFor(Seconds(6));
  EXPECT_EQ(Breaker().automatic, BreakerState::kOpen);
  EXPECT_EQ(Breaker().state, BreakerState::kObserveOnly);
}

TEST_F(VerifyingTest, ThoseThatTheDataPlaneStoppedCountForNothing) {
  for (int i = 0; i < 20; ++i) {
    Caller& caller = Begin();
    h.loop.RunFor(Milliseconds(100));
    i % 2 == 0 ? caller.call->Stop() : caller.call.reset();
  }
  Call(kPatience);
  EXPECT_EQ(running(), 0u);
}

TEST_F(VerifyingTest, TheDataPlanesEndIsNoVerdict) {
  Calls(6, kPatience);
  h.context.verifying.reset();
  EXPECT_EQ(h.transport.live, 0);
  EXPECT_THAT(h.observer.verifying, ElementsAre("a/1 goes on", "a/1 cancelled cancelled"));
  EXPECT_EQ(Breaker().counts.calls, 0u);
  EXPECT_EQ(Budget().retries, 0u);
  EXPECT_EQ(Budget().tokens, Budget().max_tokens);
  EXPECT_EQ(endpoint().in_flight(), 0);
  EXPECT_EQ(h.loop.timers(), 0u);
}

}  // namespace
}  // namespace sluice
