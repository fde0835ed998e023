// Waiting for times that are known, which every route does: who waits, for how
// long, and what is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/waiting_fixture.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class WaitingTest : public WaitingFixture {};

TEST_F(WaitingTest, OneRateLimitAmongManyCallsFailsNone) {
  h.transport.script = [](const HttpRequest&, size_t n) {
    return n == 60 ? Limited("1") : SlowAnswer(Milliseconds(200));
  };
  std::vector<std::unique_ptr<Timer>> arrivals;
  for (int i = 0; i < 150; ++i) {
    auto& timer = arrivals.emplace_back(std::make_unique<Timer>(h.loop));
    timer->Set(h.loop.Now() + Milliseconds(5) * i, [this, i] { Call(i % 3 == 0 ? "anna" : "ben"); });
  }
  h.loop.RunUntilIdle();
  EXPECT_THAT(Outcomes(), Each(CallOutcome::kComplete));
  EXPECT_THAT(h.transport.started, SizeIs(151));
  // Nobody was sent there while it rested.
  const TimePoint limited = h.transport.started[60].when + Milliseconds(2);
  size_t during = 0;
  for (const auto& started : h.transport.started) during += started.when > limited && started.when < limited + Seconds(1);
  EXPECT_EQ(during, 0u);
  EXPECT_EQ(waiting().length, 0u);
  EXPECT_THAT(h.observer.refusals, IsEmpty());
}

TEST_F(WaitingTest, TheCallThatWasRefusedWaitsAndTriesAgain) {
  h.On("a/1", {Limited("1"), SlowAnswer(Milliseconds(100))});
  Running& call = Call();
  h.loop.RunUntilIdle();
  EXPECT_EQ(call.record().outcome, CallOutcome::kComplete);
  EXPECT_EQ(call.record().queued, Seconds(1));
  ASSERT_THAT(call.record().attempts, SizeIs(2));
  EXPECT_EQ(call.record().attempts[1].backoff, absl::ZeroDuration());
  EXPECT_THAT(h.observer.retries, ElementsAre("a/1 +1s"));
  EXPECT_THAT(h.observer.left_queue, ElementsAre(QueueExit::kAdmitted));
}

TEST_F(WaitingTest, ItIsAnAttemptAllTheSame) {
  h.route.retry.max_attempts = 3;
  h.On("a/1", {Limited("1")});
  Running& call = Call();
  h.loop.RunUntilIdle();
  EXPECT_EQ(call.record().outcome, CallOutcome::kFailed);
  EXPECT_THAT(call.record().attempts, SizeIs(3));
  EXPECT_EQ(call.record().queued, Seconds(2));
  EXPECT_EQ(call.record().error.retry_after, Seconds(1));
}

// With a budget for nothing.
TEST_F(WaitingTest, ARateLimitWithATimeTakesNothingOfTheRetryBudget) {
  h.route.retry.budget = {.max_tokens = 2, .token_ratio = 0.001, .retry_percent = 0, .min_retries = 0};
  h.On("a/1", {Limited("1"), Limited("1"), SlowAnswer(Milliseconds(100))});
  Running& call = Call();
  h.loop.RunUntilIdle();
  EXPECT_EQ(call.record().outcome, CallOutcome::kComplete);
  EXPECT_EQ(h.route.state->figures(h.loop.Now()).budgets.at(0).budget.tokens, 2);
  EXPECT_THAT(h.observer.refusals, IsEmpty());
}

TEST_F(WaitingTest, ARateLimitWithoutATimeIsChargedToTheBudget) {
  h.route.retry.budget = {.max_tokens = 1000, .token_ratio = 0.001, .retry_percent = 0, .min_retries = 0};
  h.On("a/1", {Script::Status(429)});
  Running& call = Call();
  h.loop.RunUntilIdle();
  EXPECT_EQ(call.record().outcome, CallOutcome::kFailed);
  EXPECT_THAT(call.record().attempts, SizeIs(1));
  EXPECT_THAT(call.record().error.message, HasSubstr("the retry budget allows no other now"));
  EXPECT_EQ(h.route.state->figures(h.loop.Now()).budgets.at(0).budget.tokens, 999);
}

// --- for how long ------------------------------------------------------------

TEST_F(WaitingTest, WhatIsLongerIsRefusedAtOnce) {
  Begin();
  Rest("a/1", Seconds(60));
  const CallError& error = Call().record().error;
  EXPECT_EQ(error.reason, "ALL_ENDPOINTS_COOLING");
  EXPECT_EQ(error.grpc_code, 8);
  EXPECT_EQ(error.retry_after, Seconds(60));
  EXPECT_THAT(error.message, HasSubstr("every endpoint is cooling down; retry after 1m"));
  EXPECT_THAT(error.message, HasSubstr("longer than the 5s that the call may wait"));
  EXPECT_EQ(h.observer.queued, 0);
}

TEST_F(WaitingTest, TheTimeToldIsTheSmallest) {
  h.Add("b/1");
  Begin();
  Rest("a/1", Seconds(60));
  Rest("b/1", Seconds(20));
  EXPECT_EQ(Call().record().error.retry_after, Seconds(20));
}

TEST_F(WaitingTest, ADeadlineThatComesFirstRefusesAtOnce) {
  Begin();
  Rest("a/1", Seconds(2));
  const CallError& error = Call("", h.loop.Now() + Seconds(1)).record().error;
  EXPECT_EQ(error.reason, "ALL_ENDPOINTS_COOLING");
  EXPECT_EQ(error.retry_after, Seconds(2));
  EXPECT_THAT(error.message, HasSubstr("deadline comes before that"));
}

TEST_F(WaitingTest, AllWaitsOfACallAddUp) {
  h.route.retry.max_attempts = 10;
  h.On("a/1", {Limited("2")});
  Running& call = Call();
  h.loop.RunUntilIdle();
  // 2 s and 2 s; a third time would be more than 5 s.
  EXPECT_THAT(call.record().attempts, SizeIs(3));
  EXPECT_EQ(call.record().queued, Seconds(4));
  EXPECT_EQ(call.record().error.retry_after, Seconds(2));
  EXPECT_THAT(call.record().error.message, HasSubstr("longer than the 1s that the call may wait"));
}

TEST_F(WaitingTest, AttemptsBetweenWaitsTakeNothingOfThem) {
  h.route.retry.max_attempts = 10;
  h.route.retry.budget.max_tokens = 1000;
  Script late = Script().Connect().Head(200).Body("fail rate_limited no\n", Seconds(10));
  h.On("a/1", {Limited("2"), late, Limited("2"), SlowAnswer(Milliseconds(10))});
  Running& call = Call();
  h.loop.RunUntilIdle();
  EXPECT_EQ(call.record().outcome, CallOutcome::kComplete);
  EXPECT_LE(call.record().queued, Seconds(5));
}

TEST_F(WaitingTest, ALengthOfZeroTurnsItOff) {
  h.route.queue = QueueConfig{.max_length = 0};
  Begin();
  Rest("a/1", Seconds(1));
  const CallError& error = Call().record().error;
  EXPECT_EQ(error.reason, "ALL_ENDPOINTS_COOLING");
  EXPECT_EQ(error.retry_after, Seconds(1));
  h.loop.RunFor(Seconds(1));
  h.On("a/1", {Limited("1")});
  Running& limited = Call();
  h.loop.RunUntilIdle();
  EXPECT_THAT(limited.record().attempts, SizeIs(1));
  EXPECT_EQ(limited.record().error.retry_after, Seconds(1));
  EXPECT_EQ(h.observer.queued, 0);
}

TEST_F(WaitingTest, TheNumberIsBounded) {
  h.route.state->Configure({});
  Begin();
  Rest("a/1", Seconds(1));
  for (int i = 0; i < 1000; ++i) Call();
  const CallError& error = Call().record().error;
  EXPECT_EQ(error.reason, "QUEUE_FULL");
  EXPECT_THAT(error.message, HasSubstr("max_length 1000"));
  EXPECT_EQ(error.retry_after, Seconds(1));
  h.loop.RunUntilIdle();
  EXPECT_EQ(calls_[999]->record().outcome, CallOutcome::kComplete);
}

TEST_F(WaitingTest, SoAreTheBytesOfTheRequestsThatWait) {
  h.route.queue = QueueConfig{.max_bytes = 10'000};
  h.request.add_messages()->set_text(std::string(3000, 'x'));
  Begin();
  Rest("a/1", Seconds(1));
  for (int i = 0; i < 3; ++i) Call();
  const CallError& error = Call().record().error;
  EXPECT_EQ(error.reason, "QUEUE_FULL");
  EXPECT_THAT(error.message, HasSubstr("max_bytes 10000"));
  // A small one fits, and what left is given back.
  h.request.mutable_messages(0)->set_text("x");
  EXPECT_EQ(Call().sink.finishes, 0);
  h.loop.RunUntilIdle();
  h.request.mutable_messages(0)->set_text(std::string(9000, 'x'));
  Rest("a/1", Seconds(1));
  EXPECT_EQ(Call().sink.finishes, 0);
  h.loop.RunUntilIdle();
}

// --- only where nothing else will do -----------------------------------------

TEST_F(WaitingTest, AnUntriedTargetComesFirst) {
  h.Add("b/1");
  h.On("a/1", {Limited("1")});
  h.On("b/1", {SlowAnswer(Milliseconds(10))});
  Running& call = Call();
  h.loop.RunUntilIdle();
  EXPECT_THAT(h.Places(), ElementsAre("a/1", "b/1"));
  EXPECT_EQ(call.record().queued, absl::ZeroDuration());
}

TEST_F(WaitingTest, ACredentialThatDoesNotRestComesFirst) {
  h.upstream("a").credentials = {{"env:ONE", "1"}, {"env:TWO", "2"}};
  h.endpoint("a/1").cooldowns.push_back(std::make_shared<Cooldown>());
  h.On("a/1", {Limited("1"), SlowAnswer(Milliseconds(10))});
  Running& call = Call();
  h.loop.RunUntilIdle();
  EXPECT_EQ(call.record().outcome, CallOutcome::kComplete);
  EXPECT_EQ(call.record().queued, absl::ZeroDuration());
  EXPECT_NE(call.record().attempts.at(0).credential, call.record().attempts.at(1).credential);
}

TEST_F(WaitingTest, AStaticFallbackComesFirst) {
  auto fallback = std::make_shared<FallbackConfig>();
  fallback->static_answer = "busy";
  h.route.fallback = fallback;
  Begin();
  Rest("a/1", Seconds(1));
  Running& call = Call();
  EXPECT_EQ(call.record().outcome, CallOutcome::kFallback);
  EXPECT_EQ(h.observer.queued, 0);
}

class FallbackRouteTest : public WaitingTest {
 protected:
  FallbackRouteTest() {
    auto other = std::make_shared<RouteConfig>(h.route);
    h.Add("b/1");
    other->targets = {h.route.targets.back()};
    h.route.targets.pop_back();
    other->name = "other";
    other->state = std::make_shared<RouteState>();
    auto fallback = std::make_shared<FallbackConfig>();
    fallback->route = other;
    h.route.fallback = fallback;
    h.On("b/1", {SlowAnswer(Milliseconds(10))});
    Begin();
  }
};

TEST_F(FallbackRouteTest, ARouteThatCanTakeItComesFirst) {
  Rest("a/1", Seconds(1));
  Running& call = Call();
  h.loop.RunUntilIdle();
  EXPECT_EQ(call.record().outcome, CallOutcome::kFallback);
  EXPECT_EQ(call.record().queued, absl::ZeroDuration());
}

// Also on the way of the call that was refused itself.
TEST_F(FallbackRouteTest, AfterARefusalToo) {
  h.On("a/1", {Limited("1")});
  Running& call = Call();
  h.loop.RunUntilIdle();
  EXPECT_THAT(h.Places(), ElementsAre("a/1", "b/1"));
  EXPECT_EQ(call.record().outcome, CallOutcome::kFallback);
  EXPECT_EQ(call.record().queued, absl::ZeroDuration());
}

TEST_F(FallbackRouteTest, OneThatRestsItselfIsNoReasonToLeave) {
  Rest("a/1", Seconds(1));
  Rest("b/1", Seconds(60));
  Running& call = Call();
  h.loop.RunUntilIdle();
  EXPECT_EQ(call.record().outcome, CallOutcome::kComplete);
  EXPECT_EQ(call.record().queued, Seconds(1));
}

TEST_F(FallbackRouteTest, WhereTheOwnTimeIsTooLongTheFallbacksIsWaitedFor) {
  Rest("a/1", Seconds(60));
  Rest("b/1", Seconds(1));
  Running& call = Call();
  h.loop.RunUntilIdle();
  EXPECT_EQ(call.record().outcome, CallOutcome::kFallback);
  EXPECT_EQ(call.record().queued, Seconds(1));
}

// One that may not go where others wait (they do not know its model, say) holds
// up nobody who may.
TEST_F(WaitingTest, WhoWaitsForOnePlaceHoldsUpNobodyWhoHasAnother) {
  h.Add("b/1");
  h.On("b/1", {Script::Status(404), SlowAnswer(Milliseconds(10))});
  Begin();
  Rest("a/1", Seconds(2));
  Running& barred = Call();
  h.loop.RunFor(Milliseconds(10));
  EXPECT_EQ(waiting().length, 1u);
  Running& other = Call();
  h.loop.RunFor(Milliseconds(50));
  EXPECT_EQ(other.record().outcome, CallOutcome::kComplete);
  EXPECT_EQ(other.record().queued, absl::ZeroDuration());
  h.loop.RunUntilIdle();
  EXPECT_EQ(barred.record().outcome, CallOutcome::kComplete);
}

// b has room again before the time that was known for a; nobody is woken by room.
TEST_F(WaitingTest, WhoComesToAPlaceThatIsFreeAgainLetsTheOldestGoFirst) {
  h.Add("b/1");
  h.On("b/1", {SlowAnswer(Milliseconds(100))});
  h.upstream("b").limits = ConcurrencyConfig{.max_requests = 1};
  Begin();
  Rest("a/1", Seconds(3));
  Call();
  Running& older = Call("anna");
  h.loop.RunFor(Milliseconds(200));
  EXPECT_EQ(waiting().length, 1u);
  Running& newcomer = Call("anna");
  h.loop.RunFor(Milliseconds(150));
  EXPECT_EQ(older.record().outcome, CallOutcome::kComplete);
  EXPECT_EQ(older.record().queued, Milliseconds(200));
  EXPECT_EQ(newcomer.sink.finishes, 0);
  h.loop.RunUntilIdle();
  EXPECT_THAT(Outcomes(), Each(CallOutcome::kComplete));
}

TEST_F(WaitingTest, AConcurrencyLimitIsNotWaitedFor) {
  h.upstream("a").limits = ConcurrencyConfig{.max_requests = 1};
  Begin();
  Call();
  EXPECT_EQ(Call().record().error.reason, "UPSTREAM_LIMIT");
  EXPECT_EQ(h.observer.queued, 0);
  h.loop.RunUntilIdle();
}

TEST_F(WaitingTest, ARateLimitIsNot) {
  h.Limit("one", {.requests = 1, .per = Seconds(2)});
  Begin();
  Call();
  EXPECT_EQ(Call().record().error.reason, "RATE_LIMIT");
  EXPECT_EQ(h.observer.queued, 0);
  h.loop.RunUntilIdle();
}

TEST_F(WaitingTest, ARateLimitOfAnUpstreamIsNot) {
  h.Limit("each", {.requests = 1, .per = Seconds(2)}, RateLimitUse::Scope::kUpstream);
  Begin();
  Call();
  EXPECT_EQ(Call().record().error.reason, "RATE_LIMIT");
  EXPECT_EQ(h.observer.queued, 0);
  h.loop.RunUntilIdle();
}

}  // namespace
}  // namespace sluice
