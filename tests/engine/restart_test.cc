// After a cut: the stream begins anew where route and caller allow it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/call_harness.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Script Cut(const std::string& text) {
  return Script().Connect().Head(200).Body("text " + text + "\nusage 3 1\n").Fail(HttpFailure::kReset, "reset by peer");
}

class RestartTest : public testing::Test {
 protected:
  RestartTest() {
    h.route.after_cut = AfterCut::kRestart;
    h.request.mutable_stream_options()->set_allow_restart(true);
    h.Add("b/1");
    h.Add("c/1");
    h.On("b/1", {Cut("half")});
    h.On("c/1", {Script::Answer("blue")});
  }
  ~RestartTest() override { EXPECT_THAT(h.Violations(), IsEmpty()); }

  CallHarness h;
};

TEST_F(RestartTest, TheAnswerBeginsAnewElsewhere) {
  const CallRecord& record = h.Run();
  EXPECT_EQ(record.outcome, CallOutcome::kComplete);
  EXPECT_EQ(h.sink.text, "blue");
  EXPECT_EQ(h.sink.restarts, 1);
  EXPECT_EQ(record.restarts, 1);
  EXPECT_EQ(record.served_by, "c/1");
  EXPECT_EQ(h.Attempts(), "b/1 failed truncated; c/1 ok");
  EXPECT_THAT(h.observer.restarts, ElementsAre("b/1"));
  EXPECT_EQ(record.abandoned.output_tokens, 1);
}

TEST_F(RestartTest, NotWithoutTheCallersConsent) {
  h.request.mutable_stream_options()->set_allow_restart(false);
  EXPECT_EQ(h.Run().outcome, CallOutcome::kTruncated);
  EXPECT_EQ(h.sink.text, "half");
  EXPECT_EQ(h.sink.record.error.reason, "STREAM_TRUNCATED");
}

TEST_F(RestartTest, NotWithoutTheRoutes) {
  h.route.after_cut = AfterCut::kFail;
  EXPECT_EQ(h.Run().outcome, CallOutcome::kTruncated);
}

TEST_F(RestartTest, WhatWasShownStaysWhenNothingBetterComes) {
  h.On("c/1", {Script::Status(503)});
  h.On("b/1", {Cut("half"), Script::Status(503)});
  EXPECT_EQ(h.Run().outcome, CallOutcome::kTruncated);
  EXPECT_EQ(h.sink.text, "half");
  EXPECT_EQ(h.sink.restarts, 0);
  EXPECT_EQ(h.sink.record.served_by, "b/1");
  EXPECT_EQ(h.sink.record.delivered.output_tokens, 1);
}

TEST_F(RestartTest, RowB4TheCountGoesOnWithoutTransientMode) {
  h.route.retry.max_attempts = 2;
  h.On("c/1", {Cut("more")});
  EXPECT_EQ(h.Run().outcome, CallOutcome::kTruncated);
  EXPECT_EQ(h.Attempts(), "b/1 failed truncated; c/1 failed truncated");
  EXPECT_EQ(h.sink.text, "more");
}

TEST_F(RestartTest, RowB4ProgressStartsTheCountAnewInTransientMode) {
  h.route.retry.max_attempts = 2;
  h.route.retry.transient = true;
  h.On("b/1", {Cut("half"), Script::Answer("blue")});
  h.On("c/1", {Cut("more")});
  EXPECT_EQ(h.Run().outcome, CallOutcome::kComplete);
  EXPECT_EQ(h.Attempts(), "b/1 failed truncated; c/1 failed truncated; b/1 ok");
  EXPECT_EQ(h.sink.text, "blue");
  EXPECT_EQ(h.sink.restarts, 2);
}

TEST_F(RestartTest, RowB4FailuresWithoutProgressCountInARow) {
  h.route.retry.max_attempts = 2;
  h.route.retry.transient = true;
  h.On("b/1", {Cut("half"), Script::Status(503)});
  h.On("c/1", {Script::Status(503)});
  EXPECT_EQ(h.Run().outcome, CallOutcome::kTruncated);
  EXPECT_EQ(h.Attempts(), "b/1 failed truncated; c/1 failed overload; b/1 failed overload");
}

TEST_F(RestartTest, RestartsAreBounded) {
  h.route.max_restarts = 2;
  h.route.retry.max_attempts = 10;
  h.route.retry.transient = true;
  h.On("c/1", {Cut("more")});
  EXPECT_EQ(h.Run().outcome, CallOutcome::kTruncated);
  EXPECT_EQ(h.sink.restarts, 2);
  EXPECT_EQ(h.sink.record.attempts.size(), 3u);
}

}  // namespace
}  // namespace sluice
