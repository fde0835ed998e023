// Waiting for times that are known, which every route does: who waits, for how
// long, and how those that waited go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/call_harness.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Script Limited(std::string seconds) { return Script::Status(429, "", {{"retry-after", std::move(seconds)}}); }
// Content after `time`.
Script SlowAnswer(Duration time) {
  return Script().Connect(absl::ZeroDuration()).Head(200).Body("text x\n", time).Body("done\n").End();
}

// Several calls of one route at a time, without a queue in its policy.
class WaitingTest : public testing::Test {
 protected:
  struct Running {
    FakeSink sink;
    std::unique_ptr<Call> call;
    const CallRecord& record() const { return sink.record; }
  };

  WaitingTest() {
    h.Add("a/1");
    h.On("a/1", {SlowAnswer(Milliseconds(100))});
  }

  void Begin() {
    h.PutInForce();
    route_ = std::make_shared<const RouteConfig>(h.route);
  }

  Running& Call(const std::string& tenant = "", TimePoint deadline = absl::InfiniteFuture()) {
    if (!route_) Begin();
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

  void Rest(const std::string& place, Duration time) { h.endpoint(place).cooldowns[0]->RestUntil(h.loop.Now() + time); }
  QueueFigures waiting() { return h.route.state->figures(h.loop.Now()).queue; }
  std::vector<CallOutcome> Outcomes() const {
    std::vector<CallOutcome> outcomes;
    for (const auto& running : calls_) outcomes.push_back(running->record().outcome);
    return outcomes;
  }
  // How many requests began at each moment from `from` on.
  std::vector<int> Waves(TimePoint from) const {
    std::vector<int> waves;
    TimePoint last = absl::InfinitePast();
    for (const auto& started : h.transport.started) {
      if (started.when < from) continue;
      if (started.when != last) waves.push_back(0);
      last = started.when;
      ++waves.back();
    }
    return waves;
  }

  std::vector<std::unique_ptr<Running>> calls_;
  std::shared_ptr<const RouteConfig> route_;
  CallHarness h;
};

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

// --- how those that waited go ------------------------------------------------

TEST_F(WaitingTest, OneGoesFirstThenTwiceAsManyForEachSuccess) {
  Begin();
  Rest("a/1", Seconds(1));
  const TimePoint end = h.loop.Now() + Seconds(1);
  for (int i = 0; i < 20; ++i) Call();
  EXPECT_EQ(waiting().length, 20u);
  h.loop.RunUntilIdle();
  EXPECT_THAT(Outcomes(), Each(CallOutcome::kComplete));
  EXPECT_THAT(Waves(end), ElementsAre(1, 2, 4, 8, 5));
}

TEST_F(WaitingTest, LongAnswersDoNotHoldUpThoseBehind) {
  h.On("a/1", {SlowAnswer(Seconds(20))});
  Begin();
  Rest("a/1", Seconds(1));
  const TimePoint end = h.loop.Now() + Seconds(1);
  for (int i = 0; i < 20; ++i) Call();
  h.loop.RunUntilIdle();
  EXPECT_THAT(Outcomes(), Each(CallOutcome::kComplete));
  EXPECT_THAT(Waves(end), ElementsAre(1, 2, 4, 8, 5));
  EXPECT_EQ(h.transport.started[1].when - end, ReleaseRamp::kPatience);
}

// The success of a long stream is its first content.
TEST_F(WaitingTest, ALongStreamCountsAtItsFirstContent) {
  Script stream = Script().Connect(absl::ZeroDuration()).Head(200).Body("text x\n", Milliseconds(50));
  stream.Body("text y\n", Seconds(20)).Body("done\n").End();
  h.On("a/1", {stream});
  Begin();
  Rest("a/1", Seconds(1));
  const TimePoint end = h.loop.Now() + Seconds(1);
  for (int i = 0; i < 7; ++i) Call();
  h.loop.RunFor(Milliseconds(1200));
  EXPECT_THAT(Waves(end), ElementsAre(1, 2, 4));
  h.loop.RunUntilIdle();
}

TEST_F(WaitingTest, AFailureStopsTheReleaseUntilTheNextTime) {
  // Of the second wave one is told to come back later.
  h.transport.script = [](const HttpRequest&, size_t n) { return n == 2 ? Limited("1") : SlowAnswer(Milliseconds(100)); };
  Begin();
  Rest("a/1", Seconds(1));
  const TimePoint end = h.loop.Now() + Seconds(1);
  for (int i = 0; i < 20; ++i) Call();
  h.loop.RunUntilIdle();
  EXPECT_THAT(Outcomes(), Each(CallOutcome::kComplete));
  // 1, 2, then one first again: one of the 20 went twice.
  EXPECT_THAT(Waves(end), ElementsAre(1, 2, 1, 2, 4, 8, 3));
}

TEST_F(WaitingTest, AFailureWithoutATimeStopsItForAMoment) {
  h.route.retry.max_attempts = 1;
  h.transport.script = [](const HttpRequest&, size_t n) {
    return n < 1 ? Script::Status(500) : SlowAnswer(Milliseconds(100));
  };
  Begin();
  Rest("a/1", Seconds(1));
  const TimePoint end = h.loop.Now() + Seconds(1);
  for (int i = 0; i < 8; ++i) Call();
  h.loop.RunUntilIdle();
  EXPECT_THAT(Waves(end), ElementsAre(1, 1, 2, 4));
  EXPECT_GE(h.transport.started[1].when - h.transport.started[0].when, ReleaseRamp::kPause);
  int failed = 0;
  for (const auto& running : calls_) failed += running->record().outcome == CallOutcome::kFailed;
  EXPECT_EQ(failed, 1);
}

TEST_F(WaitingTest, OneThatIsCancelledAfterItWasLetGoHoldsUpNobody) {
  h.On("a/1", {Script::Silent(), SlowAnswer(Milliseconds(100))});
  Begin();
  Rest("a/1", Seconds(1));
  const TimePoint end = h.loop.Now() + Seconds(1);
  for (int i = 0; i < 4; ++i) Call();
  h.loop.RunFor(Milliseconds(1010));
  calls_[0]->call->Cancel();
  h.loop.RunUntilIdle();
  EXPECT_THAT(Waves(end), ElementsAre(1, 1, 2));
  EXPECT_EQ(h.transport.started[1].when - end, Milliseconds(10));
}

TEST_F(WaitingTest, WhenTheCrowdIsThroughTheRoadIsOpen) {
  Begin();
  Rest("a/1", Seconds(1));
  for (int i = 0; i < 2; ++i) Call();
  h.loop.RunFor(Milliseconds(1101));
  EXPECT_EQ(waiting().length, 0u);
  // The second is under way still, and nobody waits.
  const size_t before = h.transport.started.size();
  for (int i = 0; i < 50; ++i) Call();
  EXPECT_EQ(h.transport.started.size(), before + 50);
  h.loop.RunUntilIdle();
}

TEST_F(WaitingTest, NewcomersStandBehind) {
  Begin();
  Rest("a/1", Seconds(1));
  for (int i = 0; i < 8; ++i) Call();
  h.loop.RunFor(Milliseconds(1050));  // the first is under way
  Running& newcomer = Call();
  EXPECT_EQ(newcomer.record().attempts.size(), 0u);
  h.loop.RunUntilIdle();
  EXPECT_EQ(newcomer.record().outcome, CallOutcome::kComplete);
  for (const auto& running : calls_) {
    EXPECT_LE(running->record().attempts.at(0).started, newcomer.record().attempts.at(0).started);
  }
}

TEST_F(WaitingTest, TenantsTakeTurns) {
  Begin();
  Rest("a/1", Seconds(1));
  for (int i = 0; i < 20; ++i) Call("greedy");
  Running& modest = Call("modest");
  h.loop.RunFor(Milliseconds(1210));
  EXPECT_EQ(modest.sink.finishes, 1) << "with the second wave, not with the last";
  h.loop.RunUntilIdle();
  EXPECT_THAT(Outcomes(), Each(CallOutcome::kComplete));
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

// --- breakers ----------------------------------------------------------------

class BreakerWaitTest : public WaitingTest {
 protected:
  void Begin(uint32_t permits, Duration open) {
    CircuitBreakerConfig& breaker = h.upstream("a").breaker;
    breaker = {};
    breaker.half_open_permits = permits;
    WaitingTest::Begin();
    h.endpoint("a/1").state->TripBreaker(h.loop.Now(), open, "a test");
  }
};

TEST_F(BreakerWaitTest, AnOpenBreakerIsWaitedForAndItsProbesGoFirst) {
  Begin(3, Seconds(2));
  const TimePoint end = h.loop.Now() + Seconds(2);
  for (int i = 0; i < 20; ++i) Call();
  h.loop.RunUntilIdle();
  EXPECT_THAT(Outcomes(), Each(CallOutcome::kComplete));
  EXPECT_THAT(Waves(end), ElementsAre(1, 2, 4, 8, 5));
  EXPECT_EQ(calls_[0]->record().queued, Seconds(2));
}

TEST_F(BreakerWaitTest, AProbeThatFailsSendsTheOthersAwayAtOnce) {
  h.route.retry.max_attempts = 1;
  h.On("a/1", {Script::Status(503)});
  Begin(1, Seconds(2));
  for (int i = 0; i < 5; ++i) Call();
  h.loop.RunUntilIdle();
  EXPECT_THAT(h.transport.started, SizeIs(1));
  // It is open anew, for 10 s.
  for (size_t i = 1; i < 5; ++i) {
    EXPECT_EQ(calls_[i]->record().error.reason, "ALL_ENDPOINTS_OUT") << i;
    EXPECT_LT(calls_[i]->record().queued, Seconds(2) + Milliseconds(10)) << i;
    EXPECT_TRUE(calls_[i]->record().error.retry_after.has_value()) << i;
  }
}

// Its permits are gone, and nobody knows when an answer comes.
TEST_F(BreakerWaitTest, WithoutATimeTheOthersAreRefusedAtOnce) {
  h.On("a/1", {SlowAnswer(Seconds(20))});
  Begin(1, Seconds(2));
  h.loop.RunFor(Seconds(2));
  Call();
  const CallError& error = Call().record().error;
  EXPECT_EQ(error.reason, "ALL_ENDPOINTS_OUT");
  EXPECT_EQ(error.grpc_code, 14);
  EXPECT_TRUE(error.retry_after.has_value());
  EXPECT_EQ(h.observer.queued, 0);
  h.loop.RunUntilIdle();
}

// Who waited for the same time, and was not first, hears of the first one's end:
// with one permit each success closes the breaker.
TEST_F(BreakerWaitTest, TheEndOfTheOneThatWentFirstIsAwaited) {
  h.On("a/1", {SlowAnswer(Milliseconds(600))});
  Begin(1, Seconds(2));
  const TimePoint end = h.loop.Now() + Seconds(2);
  for (int i = 0; i < 4; ++i) Call();
  h.loop.RunUntilIdle();
  EXPECT_THAT(Outcomes(), Each(CallOutcome::kComplete));
  EXPECT_EQ(Waves(end)[0], 1);
}

TEST_F(BreakerWaitTest, OneThatIsHeldOpenIsNotWaitedFor) {
  Begin(1, absl::InfiniteDuration());
  EXPECT_EQ(Call().record().error.reason, "NO_ENDPOINT");
  EXPECT_EQ(h.observer.queued, 0);
}

// --- rests without a time, and rests that are lifted -------------------------

TEST_F(WaitingTest, ARateLimitWithoutATimeRestsForTheRoutesBackoff) {
  h.route.retry.backoff = ExponentialBackoff{.base = Milliseconds(400), .max = Seconds(2), .jitter = Jitter::kNone};
  h.route.retry.max_attempts = 1;
  h.On("a/1", {Script::Status(429)});
  Begin();
  std::vector<Duration> rests;
  for (int i = 0; i < 5; ++i) {
    const CallRecord& record = Call().record();
    h.loop.RunUntilIdle();
    rests.push_back(*record.error.retry_after);
    EXPECT_EQ(h.endpoint("a/1").cooldowns[0]->until() - h.loop.Now(), rests.back());
    h.loop.RunFor(rests.back());
  }
  EXPECT_THAT(rests, ElementsAre(Milliseconds(400), Milliseconds(800), Milliseconds(1600), Seconds(2), Seconds(2)));
  // A success begins the row anew.
  h.On("a/1", {SlowAnswer(Milliseconds(1))});
  Call();
  h.loop.RunUntilIdle();
  h.On("a/1", {Script::Status(429)});
  const CallRecord& again = Call().record();
  h.loop.RunUntilIdle();
  EXPECT_EQ(again.error.retry_after, Milliseconds(400));
}

TEST_F(WaitingTest, ItRestsForAQuarterOfASecondAtLeast) {
  h.route.retry.backoff = FixedBackoff{Milliseconds(1)};
  h.On("a/1", {Script::Status(429), SlowAnswer(Milliseconds(1))});
  Running& call = Call();
  h.loop.RunUntilIdle();
  EXPECT_EQ(call.record().outcome, CallOutcome::kComplete);
  EXPECT_EQ(call.record().queued, Milliseconds(250));
}

// Those that are under way when the first is refused learn nothing new.
TEST_F(WaitingTest, ManyRefusalsOfOneMomentAreOneInTheRow) {
  h.route.retry.backoff = ExponentialBackoff{.base = Milliseconds(400), .max = Seconds(5), .jitter = Jitter::kNone};
  h.route.retry.max_attempts = 1;
  h.On("a/1", {Script::Status(429)});
  for (int i = 0; i < 20; ++i) Call();
  h.loop.RunUntilIdle();
  EXPECT_EQ(h.endpoint("a/1").cooldowns[0]->until() - h.loop.Now(), Milliseconds(400));
  for (const auto& running : calls_) EXPECT_EQ(running->record().error.retry_after, Milliseconds(400));
}

TEST_F(WaitingTest, AnOverloadWithoutATimeRestsNothing) {
  h.route.retry.max_attempts = 1;
  h.On("a/1", {Script::Status(503)});
  Call();
  h.loop.RunUntilIdle();
  EXPECT_EQ(h.endpoint("a/1").cooldowns[0]->until(), absl::InfinitePast());
}

TEST_F(WaitingTest, WhatAnOperatorLiftsIsWaitedForNoLonger) {
  Begin();
  Rest("a/1", Seconds(4));
  for (int i = 0; i < 3; ++i) Call("tenant " + std::to_string(i));
  h.loop.RunFor(Milliseconds(1500));
  h.endpoint("a/1").cooldowns[0]->Lift();
  h.route.state->queue().PokeAll();
  h.loop.RunUntilIdle();
  EXPECT_THAT(Outcomes(), Each(CallOutcome::kComplete));
  EXPECT_EQ(calls_[0]->record().queued, Milliseconds(1500));
}

// --- together with the policy's queue ----------------------------------------

TEST_F(WaitingTest, AWrittenQueueReleasesStepByStepToo) {
  h.route.queue = QueueConfig{.max_length = 100, .max_wait = Seconds(10)};
  Begin();
  Rest("a/1", Seconds(8));
  const TimePoint end = h.loop.Now() + Seconds(8);
  for (int i = 0; i < 10; ++i) Call();
  h.loop.RunUntilIdle();
  EXPECT_THAT(Outcomes(), Each(CallOutcome::kComplete));
  EXPECT_THAT(Waves(end), ElementsAre(1, 2, 4, 3));
}

// Room comes for several at once, and nobody waited for a time.
TEST_F(WaitingTest, RoomIsNotGivenOutStepByStep) {
  h.route.queue = QueueConfig{.max_length = 100, .max_wait = Seconds(10)};
  h.upstream("a").limits = ConcurrencyConfig{.max_requests = 5};
  Begin();
  for (int i = 0; i < 15; ++i) Call();
  h.loop.RunUntilIdle();
  EXPECT_THAT(Outcomes(), Each(CallOutcome::kComplete));
  EXPECT_THAT(Waves(h.transport.started[0].when), ElementsAre(5, 5, 5));
}

TEST_F(WaitingTest, WhoWaitsIsSeen) {
  Begin();
  Rest("a/1", Seconds(3));
  Call();
  h.loop.RunFor(Seconds(1));
  Call();
  h.loop.RunFor(Seconds(1));
  EXPECT_EQ(waiting().length, 2u);
  EXPECT_EQ(waiting().oldest, Seconds(2));
  h.loop.RunUntilIdle();
}

TEST_F(WaitingTest, CancelledWhileItWaits) {
  Begin();
  Rest("a/1", Seconds(3));
  Running& call = Call();
  Running& other = Call();
  h.loop.RunFor(Seconds(1));
  call.call->Cancel();
  EXPECT_EQ(call.record().error.grpc_code, 1);
  EXPECT_EQ(call.record().queued, Seconds(1));
  h.loop.RunUntilIdle();
  EXPECT_EQ(other.record().outcome, CallOutcome::kComplete);
  EXPECT_EQ(other.record().queued, Seconds(3));
}

// It was told that it would fit: that others went first is not its fault.
TEST_F(WaitingTest, WhoseWaitEndsDuringTheReleaseGoesAllTheSame) {
  h.On("a/1", {SlowAnswer(Seconds(20))});
  Begin();
  Rest("a/1", Milliseconds(4900));
  for (int i = 0; i < 10; ++i) Call();
  h.loop.RunUntilIdle();
  EXPECT_THAT(Outcomes(), Each(CallOutcome::kComplete));
  for (const auto& running : calls_) EXPECT_LE(running->record().queued, Seconds(5));
}

}  // namespace
}  // namespace sluice
