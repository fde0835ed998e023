// The request of a call: how often it is made, how long it is kept, what each
// attempt gets of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/call_harness.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::Not;
using testing::HasSubstr;
using testing::IsEmpty;

class CallRequestTest : public testing::Test {
 protected:
  ~CallRequestTest() override { EXPECT_THAT(h.Violations(), IsEmpty()); }

  // Two upstreams, b before c.
  void BAndC(Script b, Script c) {
    h.Add("b/1");
    h.Add("c/1");
    h.On("b/1", {std::move(b)});
    h.On("c/1", {std::move(c)});
  }

  CallHarness h;
};

TEST_F(CallRequestTest, TheRequestIsEncodedOnceAndSharedByAttempts) {
  h.Add("b/1");
  h.Add("c/1");
  h.On("b/1", {Script::Status(500)});
  h.On("c/1", {Script::Answer("blue")});
  h.upstream("b").credentials[0].secret = "sk-1";
  h.upstream("b").headers = {{"User-Agent", "sluice"}};
  h.Run();
  EXPECT_EQ(h.format.encoded, 1);
  EXPECT_EQ(h.transport.started[0].request.body, h.transport.started[1].request.body);
  EXPECT_EQ(h.transport.started[0].request.path, "/lines");
  using P = std::pair<std::string, std::string>;
  // Without a credential nothing is sent in its place.
  EXPECT_THAT(h.transport.started[1].request.headers, Not(Contains(testing::Key("authorization"))));
  EXPECT_THAT(h.transport.started[0].request.headers,
              ElementsAre(P("content-type", "text/plain"), P("authorization", "Bearer sk-1"),
                          testing::Pair("traceparent", testing::MatchesRegex("00-[0-9a-f]+-[0-9a-f]+-01")), P("User-Agent", "sluice")));
}

TEST_F(CallRequestTest, WhatWasSentIsNotKeptWhileTheAnswerStreams) {
  h.Add("a/1");
  h.On("a/1", {Script().Connect().Head(200).Body("text half\n").Body("text more\ndone\n", Seconds(5)).End()});
  h.Start();
  h.loop.RunFor(Milliseconds(2));
  EXPECT_GT(h.transport.started[0].request.body.use_count(), 1);
  h.loop.RunFor(Milliseconds(100));
  EXPECT_EQ(h.sink.text, "half");
  EXPECT_EQ(h.transport.started[0].request.body.use_count(), 1);
  h.Run();
}

TEST_F(CallRequestTest, TheRequestItselfIsKeptOnlyUntilContentIsShown) {
  h.Add("a/1");
  h.On("a/1", {Script().Connect().Head(200).Body("text half\n").Body("text more\ndone\n", Seconds(5)).End()});
  h.Start();
  h.loop.RunFor(Milliseconds(2));
  EXPECT_FALSE(h.kept_request.expired());
  h.loop.RunFor(Milliseconds(100));
  EXPECT_EQ(h.sink.text, "half");
  EXPECT_TRUE(h.kept_request.expired());
  h.Run();
  EXPECT_EQ(h.sink.text, "halfmore");
}

TEST_F(CallRequestTest, TheRequestIsKeptWhereTheAnswerMayBeginAnew) {
  h.Add("a/1");
  h.route.after_cut = AfterCut::kRestart;
  h.request.mutable_stream_options()->set_allow_restart(true);
  h.On("a/1", {Script().Connect().Head(200).Body("text half\n").Body("text more\ndone\n", Seconds(5)).End()});
  h.Start();
  h.loop.RunFor(Milliseconds(100));
  EXPECT_EQ(h.sink.text, "half");
  EXPECT_FALSE(h.kept_request.expired());
  h.Run();
}

TEST_F(CallRequestTest, ARequestThatAPooledConnectionTookIsGivenTheTimeForContentAtOnce) {
  h.Add("a/1");
  h.route.timeouts.connect = Seconds(1);
  h.route.timeouts.first_content = Seconds(3);
  h.route.retry.max_attempts = 1;
  h.On("a/1", {Script::Silent().Pooled()});
  h.Start();
  h.loop.RunFor(Milliseconds(1));
  // Connected: it waits for no connection.
  EXPECT_EQ(h.upstream("a").state->figures().pending, 0);
  const CallRecord& record = h.Run();
  EXPECT_THAT(record.attempts[0].message, HasSubstr("first content timeout after 3s"));
  EXPECT_EQ(record.attempts[0].duration, Seconds(3));
}

TEST_F(CallRequestTest, ATargetRenamesTheModel) {
  BAndC(Script::Status(500), Script().Connect().Head(200).Body("text x\ndone\n").End());
  h.route.targets[1].model = "big-2";
  h.Run();
  EXPECT_EQ(*h.transport.started[0].request.body, "model chat\n");
  EXPECT_EQ(*h.transport.started[1].request.body, "model big-2\n");
  EXPECT_THAT(h.sink.started, ElementsAre("c/1 big-2"));
}

TEST_F(CallRequestTest, ARequestThatNoTargetCanCarryIsTheCallersError) {
  h.Add("a/1");
  h.format.refuses_requests = true;
  const CallRecord& record = h.Run();
  EXPECT_EQ(record.error.grpc_code, 3);
  EXPECT_EQ(record.error.field, "messages[0].media");
  EXPECT_THAT(h.Places(), IsEmpty());
}

TEST_F(CallRequestTest, AnotherFormatMayCarryWhatTheFirstCannot) {
  LineFormat narrow("narrow");
  narrow.refuses_requests = true;
  BAndC(Script::Answer("never"), Script::Answer("blue"));
  h.upstream("b").format = &narrow;
  EXPECT_EQ(h.Run().outcome, CallOutcome::kComplete);
  EXPECT_THAT(h.Places(), ElementsAre("c/1"));
}

}  // namespace
}  // namespace sluice
