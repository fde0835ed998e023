// What calls learn from each other: breakers, ejection, budgets, credentials.
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

class ProtectionTest : public testing::Test {
 protected:
  // One call after the other on the same states.
  const CallRecord& Again() {
    h.call.reset();
    h.sink = FakeSink();
    h.Start();
    return h.Run();
  }
  size_t requests() const { return h.transport.started.size(); }

  CallHarness h;
};

CircuitBreakerConfig Breaker(uint32_t min_calls) {
  CircuitBreakerConfig config;
  config.min_calls = min_calls;
  config.half_open_permits = 1;
  return config;
}

TEST_F(ProtectionTest, RowC6ABreakerStopsCallsAndProbesLater) {
  h.route.retry.max_attempts = 1;
  h.Add("a/1");
  h.On("a/1", {Script::Status(503), Script::Status(503), Script::Answer("well")});
  h.upstream("a").breaker = Breaker(2);
  Again();
  Again();
  EXPECT_THAT(h.observer.changes, ElementsAre("a/1 0>1"));
  const CallRecord& refused = Again();
  EXPECT_EQ(requests(), 2u);
  EXPECT_EQ(refused.outcome, CallOutcome::kFailed);
  EXPECT_TRUE(refused.error.retry_after.has_value());
  h.loop.RunFor(Seconds(13));
  EXPECT_EQ(Again().outcome, CallOutcome::kComplete);
  EXPECT_EQ(h.endpoint("a/1").state->breaker_figures(h.loop.Now()).state, BreakerState::kClosed);
  // Closed, open, half open, closed: each from where the one before ended.
  EXPECT_THAT(h.observer.changes, ElementsAre("a/1 0>1", "a/1 1>2", "a/1 2>0"));
}

TEST_F(ProtectionTest, RowD3AnOpenBreakerSendsCallsToTheNextPriority) {
  h.Add("a/1");
  h.Add("b/1");
  h.On("a/1", {Script::Status(503)});
  h.On("b/1", {Script::Answer("blue")});
  h.upstream("a").breaker = Breaker(2);
  Again(), Again();
  h.transport.started.clear();
  EXPECT_EQ(Again().outcome, CallOutcome::kComplete);
  EXPECT_THAT(h.Places(), ElementsAre("b/1"));
}

TEST_F(ProtectionTest, RowA4ACallersErrorNeverOpensABreaker) {
  h.Add("a/1");
  h.On("a/1", {Script::Status(400, "caller no")});
  h.upstream("a").breaker = Breaker(2);
  for (int i = 0; i < 10; ++i) Again();
  EXPECT_EQ(requests(), 10u);
  EXPECT_THAT(h.observer.changes, IsEmpty());
}

TEST_F(ProtectionTest, ACancelledProbeGivesItsPermitBack) {
  h.route.retry.max_attempts = 1;
  h.Add("a/1");
  h.On("a/1", {Script::Status(503), Script::Status(503), Script().Connect(), Script::Answer("well")});
  h.upstream("a").breaker = Breaker(2);
  h.upstream("a").breaker.verify_after = 0;  // else it goes on with its permit
  Again(), Again();
  h.loop.RunFor(Seconds(13));
  h.call.reset();
  h.sink = FakeSink();
  h.Start();
  h.loop.RunFor(Milliseconds(10));
  h.call->Cancel();
  EXPECT_EQ(Again().outcome, CallOutcome::kComplete);
}

TEST_F(ProtectionTest, AProbeIsJudgedAtItsFirstContent) {
  h.route.retry.max_attempts = 1;
  h.Add("a/1");
  h.On("a/1", {Script::Status(503), Script::Status(503),
               Script().Connect().Head(200).Body("text x\n").Body("text y\n", Seconds(20)).Body("done\n").End()});
  h.upstream("a").breaker = Breaker(2);
  Again(), Again();
  h.loop.RunFor(Seconds(13));
  h.call.reset();
  h.sink = FakeSink();
  h.Start();
  h.loop.RunFor(Seconds(1));
  EXPECT_EQ(h.endpoint("a/1").state->breaker_figures(h.loop.Now()).state, BreakerState::kClosed);
  h.Run();
}

TEST_F(ProtectionTest, TheUpstreamsOwnBreakerCountsAllEndpoints) {
  h.route.retry.max_attempts = 1;
  h.Add("a/1");
  h.Add("a/2");
  h.On("a/1", {Script::Status(503)});
  h.On("a/2", {Script::Status(503)});
  h.upstream("a").overall_breaker = Breaker(4);
  for (int i = 0; i < 6; ++i) Again();
  EXPECT_EQ(requests(), 4u);
  EXPECT_THAT(h.observer.changes, ElementsAre("a/ 0>1"));
}

TEST_F(ProtectionTest, FailuresInARowEjectAnEndpoint) {
  h.Add("a/1");
  h.Add("a/2", 1);
  h.On("a/1", {Script::Status(503)});
  h.On("a/2", {Script::Answer("blue")});
  h.upstream("a").outlier = OutlierConfig{.consecutive_failures = 3};
  h.upstream("a").balance.panic_percent = 0;
  for (int i = 0; i < 3; ++i) Again();
  EXPECT_THAT(h.observer.changes, ElementsAre("a/1 ejected 30s"));
  h.transport.started.clear();
  Again();
  EXPECT_THAT(h.Places(), ElementsAre("a/2"));
}

TEST_F(ProtectionTest, TheOnlyEndpointIsNeverEjected) {
  h.route.retry.max_attempts = 1;
  h.Add("a/1");
  h.On("a/1", {Script::Status(503)});
  h.upstream("a").outlier = OutlierConfig{.consecutive_failures = 2};
  for (int i = 0; i < 5; ++i) Again();
  EXPECT_EQ(requests(), 5u);
  EXPECT_THAT(h.observer.changes, IsEmpty());
}

// gRFC A6: with 10 tokens repeats stop at the fifth failure.
TEST_F(ProtectionTest, TheTokenBucketEndsRepeats) {
  h.route.retry.max_attempts = 10;
  h.route.retry.budget.min_retries = 100;
  h.Add("a/1");
  h.On("a/1", {Script::Status(503)});
  const CallRecord& record = Again();
  EXPECT_EQ(record.attempts.size(), 5u);
  EXPECT_THAT(record.error.message, HasSubstr("the retry budget allows no other now"));
  EXPECT_THAT(h.observer.refusals, ElementsAre(RetryRefusal::kBudgetTokens));
}

TEST_F(ProtectionTest, RowA1AnExhaustedBudgetDoesNotKeepCallsFromAHealthyTarget) {
  h.Add("a/1");
  h.On("a/1", {Script::Status(503)});
  for (int i = 0; i < 5; ++i) Again();
  h.Add("c/1");
  h.On("c/1", {Script::Answer("blue")});
  h.PutInForce();
  EXPECT_EQ(Again().outcome, CallOutcome::kComplete);
  EXPECT_EQ(h.Attempts(), "a/1 failed overload; c/1 ok");
}

TEST_F(ProtectionTest, RowD2NoRetryWhileMostFail) {
  h.route.retry.adaptive = AdaptiveRetryConfig{};
  h.route.retry.budget.max_tokens = 1000;
  h.Add("a/1");
  h.On("a/1", {Script::Status(503)});
  for (int i = 0; i < 4; ++i) Again();
  EXPECT_EQ(Again().attempts.size(), 1u);
  EXPECT_EQ(h.observer.refusals.back(), RetryRefusal::kAdaptive);
}

TEST_F(ProtectionTest, CredentialsTakeTurns) {
  EndpointConfig& endpoint = h.Add("a/1");
  h.upstream("a").credentials = {{"env:K1", "one"}, {"env:K2", "two"}};
  endpoint.cooldowns.push_back(std::make_shared<Cooldown>());
  h.On("a/1", {Script::Answer("blue")});
  std::map<std::string, int> used;
  for (int i = 0; i < 10; ++i) ++used[Again().attempts[0].credential];
  EXPECT_THAT(used, ElementsAre(testing::Pair("env:K1", 5), testing::Pair("env:K2", 5)));
}

class CredentialTest : public ProtectionTest, public testing::WithParamInterface<const char*> {};

TEST_P(CredentialTest, RowC4TheOtherOneAnswersAtOnce) {
  EndpointConfig& endpoint = h.Add("a/1");
  h.upstream("a").credentials = {{"env:K1", "one"}, {"env:K2", "two"}};
  endpoint.cooldowns.push_back(std::make_shared<Cooldown>());
  const std::string what = GetParam();
  h.transport.script = [&](const HttpRequest& request, size_t) {
    for (const auto& [name, value] : request.headers) {
      if (value == "Bearer two") return Script::Answer("blue");
    }
    return what == "auth" ? Script::Status(401) : Script::Status(429, what, {{"retry-after", "9"}});
  };
  for (int i = 0; i < 4; ++i) {
    const CallRecord& record = Again();
    EXPECT_EQ(record.outcome, CallOutcome::kComplete);
    EXPECT_EQ(record.attempts.back().credential, "env:K2");
    EXPECT_LT(record.total, Milliseconds(50)) << "it waited";
  }
  // One that rests is not tried by the next call; a refused one may be mended.
  if (what != "auth") {
    EXPECT_EQ(requests(), 5u);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, CredentialTest, testing::Values("rate_limited", "quota", "auth"),
                         [](const auto& info) { return std::string(info.param); });

TEST_F(ProtectionTest, RowB6OneRoutesStormLeavesTheOthersBudgetAlone) {
  h.Add("a/1");
  h.On("a/1", {Script::Status(503)});
  RouteState quiet;
  quiet.CallAt("a");
  for (int i = 0; i < 10; ++i) Again();
  EXPECT_EQ(quiet.TryChargeRetry("a"), RouteState::Charge::kAllowed);
  EXPECT_EQ(h.route.state->TryChargeRetry("a"), RouteState::Charge::kNoTokens);
  h.route.state->ReleaseRetry("a");
}

TEST_F(ProtectionTest, APromptOverTheContextMovesToALargerOne) {
  h.Add("small/1");
  h.Add("large/1");
  h.upstream("small").context_tokens = 8000;
  h.upstream("large").context_tokens = 128000;
  h.On("small/1", {Script::Status(400, "context too long")});
  h.On("large/1", {Script::Answer("blue")});
  EXPECT_EQ(Again().outcome, CallOutcome::kComplete);
  EXPECT_EQ(h.Attempts(), "small/1 failed caller; large/1 ok");
}

TEST_F(ProtectionTest, WithoutALargerContextItIsTheCallersError) {
  h.Add("large/1");
  h.Add("small/1");
  h.upstream("small").context_tokens = 8000;
  h.upstream("large").context_tokens = 128000;
  h.On("large/1", {Script::Status(400, "context too long")});
  EXPECT_EQ(Again().error.grpc_code, 3);
  EXPECT_EQ(requests(), 1u);
}

}  // namespace
}  // namespace sluice
