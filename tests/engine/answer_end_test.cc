// An answer that is whole though its stream does not end well: it is the answer,
// soon, and its connection is never used again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/call_harness.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using testing::HasSubstr;
using testing::IsEmpty;

class AnswerEndTest : public testing::Test {
 protected:
  AnswerEndTest() { h_.Add("a/1"); }

  // An answer that lacks its stream's end only.
  static Script Whole() { return Script().Connect().Head(200).Body("text blue\nwhole\n"); }

  const CallRecord& Run(const Script& script) {
    h_.On("a/1", {script});
    return h_.Run();
  }

  void ExpectComplete(const CallRecord& record) {
    EXPECT_EQ(record.outcome, CallOutcome::kComplete) << record.error.message;
    EXPECT_EQ(h_.sink.text, "blue");
    EXPECT_EQ(h_.Attempts(), "a/1 ok");
    EXPECT_THAT(h_.Violations(), IsEmpty());
  }

  CallHarness h_;
};

TEST_F(AnswerEndTest, TheConnectionStaysOpen) {
  h_.route.timeouts.end_grace = Seconds(2);
  ExpectComplete(Run(Whole()));
  EXPECT_EQ(h_.sink.record.total, Seconds(2) + Milliseconds(3));
  EXPECT_EQ(h_.transport.closed_early, 1);
  EXPECT_EQ(h_.transport.live, 0);
}

TEST_F(AnswerEndTest, TheConnectionIsReset) {
  ExpectComplete(Run(Whole().Fail(HttpFailure::kReset, "", Milliseconds(20))));
  EXPECT_EQ(h_.sink.record.total, Milliseconds(23));
}

TEST_F(AnswerEndTest, CommentsDoNotHoldItOpen) {
  h_.route.timeouts.end_grace = Seconds(2);
  Script script = Whole();
  for (int i = 0; i < 100; ++i) script.Body("role\n", Milliseconds(300));
  ExpectComplete(Run(script));
  EXPECT_LE(h_.sink.record.total, Milliseconds(2303));
}

TEST_F(AnswerEndTest, LateContentIsTaken) {
  h_.route.timeouts.end_grace = Seconds(2);
  const CallRecord& record = Run(Whole().Body("text !\n", Seconds(1)).Body("text ?\n", Seconds(3)));
  EXPECT_EQ(record.outcome, CallOutcome::kComplete);
  EXPECT_EQ(h_.sink.text, "blue!");
  EXPECT_EQ(record.total, Seconds(3) + Milliseconds(3));
}

TEST_F(AnswerEndTest, WithoutGraceItEndsAtOnce) {
  h_.route.timeouts.end_grace = absl::ZeroDuration();
  ExpectComplete(Run(Whole()));
  EXPECT_EQ(h_.sink.record.total, Milliseconds(3));
}

TEST_F(AnswerEndTest, TheCallersDeadlineComesFirst) {
  h_.route.timeouts.end_grace = Seconds(30);
  h_.On("a/1", {Whole()});
  h_.Start(h_.loop.Now() + Seconds(1));
  ExpectComplete(h_.Run());
}

TEST_F(AnswerEndTest, ACallersBackPressureIsNotTheEnd) {
  h_.route.timeouts.end_grace = Seconds(2);
  h_.route.stream.max_pending_bytes = 2;
  h_.sink.slow = true;
  h_.On("a/1", {Whole().Body("text !\ndone\n", Milliseconds(1)).End()});
  h_.Start();
  h_.loop.RunFor(Seconds(10));
  EXPECT_EQ(h_.sink.finishes, 0);
  h_.sink.slow = false;
  h_.Drain();
  h_.loop.RunUntilIdle();
  EXPECT_EQ(h_.sink.record.outcome, CallOutcome::kComplete);
  EXPECT_EQ(h_.sink.text, "blue!");
}

TEST_F(AnswerEndTest, UnaryIsNotPaidForTwice) {
  h_.Add("b/1", 1);
  h_.sink.shows = false;
  ExpectComplete(Run(Whole().Fail(HttpFailure::kReset)));
}

TEST_F(AnswerEndTest, WhatIsNotWholeIsCut) {
  const CallRecord& record = Run(Script().Connect().Head(200).Body("text blue\n").Fail(HttpFailure::kReset));
  EXPECT_EQ(record.outcome, CallOutcome::kTruncated);
}

TEST_F(AnswerEndTest, HeartbeatsAreNoProgress) {
  h_.route.timeouts.idle = Seconds(5);
  Script script = Script().Connect().Head(200).Body("text blue\n");
  for (int i = 0; i < 100; ++i) script.Body("role\n", Seconds(1));
  const CallRecord& record = Run(script);
  EXPECT_EQ(record.outcome, CallOutcome::kTruncated);
  EXPECT_THAT(record.error.message, HasSubstr("idle timeout after 5s"));
}

TEST_F(AnswerEndTest, AnUnusualContentTypeExplainsWhatIsNoAnswer) {
  const CallRecord& record =
      Run(Script().Connect().Head(200, {{"content-type", "text/html"}}).Body("what\n").End());
  EXPECT_THAT(record.error.message, HasSubstr("(content type: text/html)"));
}

}  // namespace
}  // namespace sluice
