// What answers when everything upstream failed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/call_harness.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class FallbackTest : public testing::Test {
 protected:
  FallbackTest() {
    h.Add("a/1");
    h.On("a/1", {Script::Refused()});
    h.route.retry.max_attempts = 2;
  }
  ~FallbackTest() override { EXPECT_THAT(h.Violations(), IsEmpty()); }

  void Static(std::string text, std::set<FailureKind> causes = {}) {
    auto fallback = std::make_shared<FallbackConfig>();
    fallback->name = "sorry";
    fallback->static_answer = std::move(text);
    fallback->causes = std::move(causes);
    h.route.fallback = fallback;
  }

  // Moves the target of this place from the route into one of its own.
  std::shared_ptr<RouteConfig> RouteOf(const std::string& place) {
    auto route = std::make_shared<RouteConfig>(h.route);
    h.Add(place);
    route->targets = {h.route.targets.back()};
    h.route.targets.pop_back();
    route->name = "other";
    route->fallback = nullptr;
    route->state = std::make_shared<RouteState>();
    return route;
  }

  void FallBackTo(std::shared_ptr<const RouteConfig> route) {
    auto fallback = std::make_shared<FallbackConfig>();
    fallback->name = "local";
    fallback->route = std::move(route);
    h.route.fallback = fallback;
  }

  CallHarness h;
};

TEST_F(FallbackTest, RowE1AStaticAnswerKnowsTheCause) {
  Static("{model} is away ({cause}).");
  const CallRecord& record = h.Run();
  EXPECT_EQ(record.outcome, CallOutcome::kFallback);
  EXPECT_EQ(h.sink.text, "chat is away (connect).");
  EXPECT_EQ(record.served_by, "fallback/sorry");
  EXPECT_THAT(record.error.message, HasSubstr("2 attempts failed"));
  EXPECT_THAT(h.observer.fallbacks, ElementsAre("sorry: connect"));
  using K = StreamEvent::Kind;
  EXPECT_THAT(h.sink.kinds, ElementsAre(K::kContent, K::kPartEnd, K::kChoiceEnd));
}

TEST_F(FallbackTest, RowE1OnlyForItsCauses) {
  Static("away", {FailureKind::kOverload});
  EXPECT_EQ(h.Run().outcome, CallOutcome::kFailed);
  EXPECT_THAT(h.observer.fallbacks, IsEmpty());
}

TEST_F(FallbackTest, RowE3ACallersErrorStaysAnError) {
  Static("away");
  h.On("a/1", {Script::Status(400, "caller no")});
  EXPECT_EQ(h.Run().error.grpc_code, 3);
}

TEST_F(FallbackTest, RowB3ExhaustionMayBeAnErrorAllTheSame) {
  Static("away");
  h.route.retry.on_exhaustion = Exhaustion::kError;
  EXPECT_EQ(h.Run().outcome, CallOutcome::kFailed);
}

TEST_F(FallbackTest, NotAfterContentWasShown) {
  Static("away");
  h.On("a/1", {Script().Connect().Head(200).Body("text half\n").Fail(HttpFailure::kReset)});
  EXPECT_EQ(h.Run().outcome, CallOutcome::kTruncated);
}

TEST_F(FallbackTest, ACutThatMayBeginAnewDoesSoAtTheFallback) {
  Static("away");
  h.route.after_cut = AfterCut::kRestart;
  h.request.mutable_stream_options()->set_allow_restart(true);
  h.On("a/1", {Script().Connect().Head(200).Body("text half\n").Fail(HttpFailure::kReset), Script::Status(503)});
  EXPECT_EQ(h.Run().outcome, CallOutcome::kFallback);
  EXPECT_EQ(h.sink.text, "away");
  EXPECT_EQ(h.sink.restarts, 1);
}

TEST_F(FallbackTest, ARateLimitIsNotAnsweredFor) {
  Static("away");
  h.route.queue = QueueConfig{.max_length = 1, .max_wait = absl::Seconds(1), .window = absl::ZeroDuration()};
  h.Limit("none", {.requests = 1, .tokens = {}, .per = absl::Minutes(1)});
  h.PutInForce();
  h.route.rate_limits[0].state->TryTake("chat", 0, h.loop.Now());
  EXPECT_EQ(h.Run().error.reason, "RATE_LIMIT");
  EXPECT_THAT(h.observer.fallbacks, IsEmpty());
}

TEST_F(FallbackTest, RowD13ALocalUpstreamAnswers) {
  FallBackTo(RouteOf("local/1"));
  h.On("local/1", {Script::Answer("small")});
  const CallRecord& record = h.Run();
  EXPECT_EQ(record.outcome, CallOutcome::kFallback);
  EXPECT_EQ(h.sink.text, "small");
  EXPECT_EQ(record.served_by, "local/1");
  EXPECT_EQ(record.fallback, "local");
  EXPECT_EQ(h.Attempts(), "a/1 failed connect; a/1 failed connect; local/1 ok");
}

TEST_F(FallbackTest, ItsOwnFailureIsToldWithTheOthers) {
  FallBackTo(RouteOf("local/1"));
  h.On("local/1", {Script::Status(503)});
  const CallRecord& record = h.Run();
  EXPECT_EQ(record.outcome, CallOutcome::kFailed);
  EXPECT_THAT(record.error.message, testing::AllOf(HasSubstr("a/1"), HasSubstr("local/1")));
  EXPECT_EQ(record.attempts.size(), 4u);  // two each
}

TEST_F(FallbackTest, AFallbacksFallback) {
  auto route = RouteOf("local/1");
  Static("away");
  route->fallback = h.route.fallback;
  FallBackTo(route);
  h.On("local/1", {Script::Status(503)});
  EXPECT_EQ(h.Run().outcome, CallOutcome::kFallback);
  EXPECT_EQ(h.sink.text, "away");
  EXPECT_THAT(h.observer.fallbacks, ElementsAre("local: connect", testing::_));
}

TEST_F(FallbackTest, WhenNoEndpointTakesCalls) {
  Static("away");
  h.endpoint("a/1").active = false;
  EXPECT_EQ(h.Run().outcome, CallOutcome::kFallback);
  EXPECT_THAT(h.Places(), IsEmpty());
}

TEST_F(FallbackTest, TheRoutesBoundLeavesTimeForAStaticOne) {
  Static("away");
  h.On("a/1", {Script().Connect()});
  h.route.timeouts.overall = absl::Seconds(1);
  EXPECT_EQ(h.Run().outcome, CallOutcome::kFallback);
}

}  // namespace
}  // namespace sluice
