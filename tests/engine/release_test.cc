// When a time is over that many waited for: how they go. Breakers, lifted rests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/waiting_fixture.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using testing::Each;
using testing::ElementsAre;
using testing::SizeIs;

class ReleaseTest : public WaitingFixture {};

// --- how those that waited go ------------------------------------------------

TEST_F(ReleaseTest, OneGoesFirstThenTwiceAsManyForEachSuccess) {
  Begin();
  Rest("a/1", Seconds(1));
  const TimePoint end = h.loop.Now() + Seconds(1);
  for (int i = 0; i < 20; ++i) Call();
  EXPECT_EQ(waiting().length, 20u);
  h.loop.RunUntilIdle();
  EXPECT_THAT(Outcomes(), Each(CallOutcome::kComplete));
  EXPECT_THAT(Waves(end), ElementsAre(1, 2, 4, 8, 5));
}

TEST_F(ReleaseTest, LongAnswersDoNotHoldUpThoseBehind) {
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
TEST_F(ReleaseTest, ALongStreamCountsAtItsFirstContent) {
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

TEST_F(ReleaseTest, AFailureStopsTheReleaseUntilTheNextTime) {
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

TEST_F(ReleaseTest, AFailureWithoutATimeStopsItForAMoment) {
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

// They are not sent after those that fail, not at the end of their waits either.
TEST_F(ReleaseTest, WhereAllFailOneTriesAtATimeAndTheOthersAreTold) {
  h.route.retry.max_attempts = 1;
  h.On("a/1", {Script::Status(500)});
  Begin();
  Rest("a/1", Seconds(1));
  for (int i = 0; i < 30; ++i) Call();
  h.loop.RunUntilIdle();
  EXPECT_LE(h.transport.started.size(), 9u);
  int told = 0;
  for (const auto& running : calls_) told += running->record().error.reason == "QUEUE_TIMEOUT";
  EXPECT_EQ(told + static_cast<int>(h.transport.started.size()), 30);
}

TEST_F(ReleaseTest, OneThatIsCancelledAfterItWasLetGoHoldsUpNobody) {
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

TEST_F(ReleaseTest, WhenTheCrowdIsThroughTheRoadIsOpen) {
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

TEST_F(ReleaseTest, NewcomersStandBehind) {
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

TEST_F(ReleaseTest, TenantsTakeTurns) {
  Begin();
  Rest("a/1", Seconds(1));
  for (int i = 0; i < 20; ++i) Call("greedy");
  Running& modest = Call("modest");
  h.loop.RunFor(Milliseconds(1210));
  EXPECT_EQ(modest.sink.finishes, 1) << "with the second wave, not with the last";
  h.loop.RunUntilIdle();
  EXPECT_THAT(Outcomes(), Each(CallOutcome::kComplete));
}

// --- breakers ----------------------------------------------------------------

class BreakerWaitTest : public ReleaseTest {
 protected:
  void Begin(uint32_t permits, Duration open) {
    CircuitBreakerConfig& breaker = h.upstream("a").breaker;
    breaker = {};
    breaker.half_open_permits = permits;
    ReleaseTest::Begin();
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

TEST_F(ReleaseTest, ARateLimitWithoutATimeRestsForTheRoutesBackoff) {
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

TEST_F(ReleaseTest, ItRestsForAQuarterOfASecondAtLeast) {
  h.route.retry.backoff = FixedBackoff{Milliseconds(1)};
  h.On("a/1", {Script::Status(429), SlowAnswer(Milliseconds(1))});
  Running& call = Call();
  h.loop.RunUntilIdle();
  EXPECT_EQ(call.record().outcome, CallOutcome::kComplete);
  EXPECT_EQ(call.record().queued, Milliseconds(250));
}

// Those that are under way when the first is refused learn nothing new.
TEST_F(ReleaseTest, ManyRefusalsOfOneMomentAreOneInTheRow) {
  h.route.retry.backoff = ExponentialBackoff{.base = Milliseconds(400), .max = Seconds(5), .jitter = Jitter::kNone};
  h.route.retry.max_attempts = 1;
  h.On("a/1", {Script::Status(429)});
  for (int i = 0; i < 20; ++i) Call();
  h.loop.RunUntilIdle();
  EXPECT_EQ(h.endpoint("a/1").cooldowns[0]->until() - h.loop.Now(), Milliseconds(400));
  for (const auto& running : calls_) EXPECT_EQ(running->record().error.retry_after, Milliseconds(400));
}

TEST_F(ReleaseTest, AnOverloadWithoutATimeRestsNothing) {
  h.route.retry.max_attempts = 1;
  h.On("a/1", {Script::Status(503)});
  Call();
  h.loop.RunUntilIdle();
  EXPECT_EQ(h.endpoint("a/1").cooldowns[0]->until(), absl::InfinitePast());
}

TEST_F(ReleaseTest, WhatAnOperatorLiftsIsWaitedForNoLonger) {
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

TEST_F(ReleaseTest, AWrittenQueueReleasesStepByStepToo) {
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
TEST_F(ReleaseTest, RoomIsNotGivenOutStepByStep) {
  h.route.queue = QueueConfig{.max_length = 100, .max_wait = Seconds(10)};
  h.upstream("a").limits = ConcurrencyConfig{.max_requests = 5};
  Begin();
  for (int i = 0; i < 15; ++i) Call();
  h.loop.RunUntilIdle();
  EXPECT_THAT(Outcomes(), Each(CallOutcome::kComplete));
  EXPECT_THAT(Waves(h.transport.started[0].when), ElementsAre(5, 5, 5));
}

TEST_F(ReleaseTest, WhoWaitsIsSeen) {
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

TEST_F(ReleaseTest, CancelledWhileItWaits) {
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
TEST_F(ReleaseTest, WhoseWaitEndsDuringTheReleaseGoesAllTheSame) {
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
