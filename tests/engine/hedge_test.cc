// Hedging: a second attempt beside a slow one, before any content.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/call_harness.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using testing::ElementsAre;
using testing::IsEmpty;

Script Slow(const std::string& text, Duration first_content) {
  return Script().Connect().Head(200).Body("text " + text + "\n", first_content).Body("usage 3 1\ndone\n").End();
}

class HedgeTest : public testing::Test {
 protected:
  HedgeTest() {
    h.route.hedge = HedgeConfig{.delay = Milliseconds(500), .max_percent = 100};
    h.Add("a/1");
    h.Add("b/1");
  }
  ~HedgeTest() override { EXPECT_THAT(h.Violations(), IsEmpty()); }

  std::vector<Duration> StartTimes() const {
    std::vector<Duration> times;
    for (const auto& started : h.transport.started) times.push_back(started.when - h.transport.started[0].when);
    return times;
  }

  CallHarness h;
};

TEST_F(HedgeTest, AFastAnswerIsNotHedged) {
  h.On("a/1", {Slow("blue", Milliseconds(400))});
  EXPECT_EQ(h.Run().outcome, CallOutcome::kComplete);
  EXPECT_EQ(h.observer.hedges, 0);
}

TEST_F(HedgeTest, RowA3TheFirstContentWinsAndTheLoserIsCancelled) {
  h.On("a/1", {Slow("late", Seconds(3))});
  h.On("b/1", {Slow("blue", Milliseconds(100))});
  EXPECT_EQ(h.Run().outcome, CallOutcome::kComplete);
  EXPECT_EQ(h.sink.text, "blue");
  EXPECT_EQ(h.Attempts(), "a/1 abandoned; b/1 ok");
  EXPECT_EQ(h.sink.record.served_by, "b/1");
  EXPECT_TRUE(h.sink.record.attempts[1].hedge);
  EXPECT_EQ(h.transport.closed_early, 1);
  EXPECT_EQ(h.observer.hedges_won, 1);
}

TEST_F(HedgeTest, TheFirstAttemptMayStillWin) {
  h.On("a/1", {Slow("blue", Milliseconds(700))});
  h.On("b/1", {Slow("late", Seconds(3))});
  h.Run();
  EXPECT_EQ(h.sink.text, "blue");
  EXPECT_EQ(h.Attempts(), "a/1 ok; b/1 abandoned");
  EXPECT_EQ(h.observer.hedges_won, 0);
}

TEST_F(HedgeTest, TheLosersTokensAreTold) {
  h.On("a/1", {Script().Connect().Head(200).Body("usage 7 0\n").Body("text late\n", Seconds(3))});
  h.On("b/1", {Slow("blue", Milliseconds(100))});
  const CallRecord& record = h.Run();
  EXPECT_EQ(record.abandoned.input_tokens, 7);
  EXPECT_EQ(record.delivered.input_tokens, 3);
}

// gRFC A6: hedges at 0, 500, 1000, 1500 ms.
TEST_F(HedgeTest, TheTimelineIsThatOfA6) {
  h.route.retry.max_attempts = 4;
  h.route.hedge->max_hedges = 3;
  h.PutInForce();
  for (int i = 0; i < 3; ++i) h.route.state->CallStarted();  // each allows one
  h.On("a/1", {Slow("late", Seconds(9))});
  h.On("b/1", {Slow("late", Seconds(9))});
  h.Run();
  EXPECT_THAT(StartTimes(), ElementsAre(Milliseconds(0), Milliseconds(500), Milliseconds(1000), Milliseconds(1500)));
}

TEST_F(HedgeTest, AFailureBesideARunningAttemptWaitsForIt) {
  h.On("a/1", {Slow("blue", Seconds(1))});
  h.On("b/1", {Script::Status(503)});
  EXPECT_EQ(h.Run().outcome, CallOutcome::kComplete);
  EXPECT_EQ(h.Attempts(), "a/1 ok; b/1 failed overload");
  EXPECT_THAT(h.observer.retries, IsEmpty());
}

TEST_F(HedgeTest, BothFailedItIsRetried) {
  h.On("a/1", {Script().Connect().Fail(HttpFailure::kReset, "", Seconds(1)), Script::Answer("blue")});
  h.On("b/1", {Script::Status(503)});
  EXPECT_EQ(h.Run().outcome, CallOutcome::kComplete);
  EXPECT_EQ(h.sink.record.attempts.size(), 3u);
}

TEST_F(HedgeTest, RowA4ACallersErrorEndsBoth) {
  h.On("a/1", {Slow("late", Seconds(9))});
  h.On("b/1", {Script::Status(400, "caller no")});
  EXPECT_EQ(h.Run().error.grpc_code, 3);
  EXPECT_EQ(h.Attempts(), "a/1 abandoned; b/1 failed caller");
}

TEST_F(HedgeTest, RowA4ACallersErrorOfTheFirstOneIsToldThoughAHedgeRan) {
  h.On("a/1", {Script().Connect().Head(400, {}, Seconds(1)).Body("caller no").End()});
  h.On("b/1", {Slow("late", Seconds(9))});
  EXPECT_EQ(h.Run().error.grpc_code, 3);
  EXPECT_EQ(h.Attempts(), "a/1 failed caller; b/1 abandoned");
}

TEST_F(HedgeTest, APromptTooLongForOneIsNotTooLongForTheOther) {
  h.upstream("a").context_tokens = 100;
  h.upstream("b").context_tokens = 100000;
  h.On("a/1", {Script().Connect().Head(400, {}, Seconds(1)).Body("context too long").End()});
  h.On("b/1", {Slow("blue", Seconds(2))});
  EXPECT_EQ(h.Run().outcome, CallOutcome::kComplete);
  EXPECT_EQ(h.Attempts(), "a/1 failed caller; b/1 ok");
}

TEST_F(HedgeTest, TheShareIsABound) {
  h.route.hedge->max_percent = 0;
  h.On("a/1", {Slow("blue", Seconds(1))});
  h.Run();
  EXPECT_EQ(h.observer.hedges, 0);
  EXPECT_THAT(h.observer.refusals, ElementsAre(RetryRefusal::kHedgeShare));
}

TEST_F(HedgeTest, ItSpendsTheRetryBudget) {
  h.route.retry.budget.retry_percent = 0;
  h.route.retry.budget.min_retries = 0;
  h.On("a/1", {Slow("blue", Seconds(1))});
  h.Run();
  EXPECT_EQ(h.observer.hedges, 0);
  EXPECT_THAT(h.observer.refusals, ElementsAre(RetryRefusal::kBudgetConcurrency));
}

TEST_F(HedgeTest, AtP95OnlyOnceItIsKnown) {
  h.route.hedge->delay.reset();
  h.On("a/1", {Slow("blue", Seconds(1))});
  h.PutInForce();
  h.Start();
  h.Run();
  EXPECT_EQ(h.observer.hedges, 0);
  for (int i = 0; i < 20; ++i) h.route.state->AttemptSucceeded("a", Milliseconds(100), h.loop.Now());
  EXPECT_NEAR(absl::ToDoubleMilliseconds(*h.route.state->TimeToFirstTokenP95(h.loop.Now())), 100, 6);
}

TEST_F(HedgeTest, AtP95OfWhatWasMeasured) {
  h.route.hedge->delay.reset();
  h.On("a/1", {Slow("late", Seconds(3))});
  h.On("b/1", {Slow("blue", Milliseconds(50))});
  h.PutInForce();
  for (int i = 0; i < 20; ++i) h.route.state->AttemptSucceeded("a", Milliseconds(100), h.loop.Now());
  h.Run();
  EXPECT_EQ(h.sink.text, "blue");
  EXPECT_EQ(h.observer.hedges, 1);
  ASSERT_EQ(StartTimes().size(), 2u);
  EXPECT_NEAR(absl::ToDoubleMilliseconds(StartTimes()[1]), 100, 6);
}

TEST_F(HedgeTest, AUnaryCallIsHedgedToo) {
  h.sink.shows = h.streaming = false;
  h.On("a/1", {Slow("late", Seconds(3))});
  h.On("b/1", {Slow("blue", Milliseconds(100))});
  h.Run();
  EXPECT_EQ(h.sink.text, "blue");
}

}  // namespace
}  // namespace sluice
