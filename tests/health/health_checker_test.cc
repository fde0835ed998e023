#include "server/health/health_checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "tests/support/fake_transport.h"
#include "tests/support/line_format.h"
#include "tests/support/simulated_loop.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;

class Listener : public CallObserver {
 public:
  void HealthChecked(std::string_view, std::string_view, bool passed) override { ++(passed ? passes : failures); }
  void HealthChanged(std::string_view upstream, std::string_view endpoint, bool healthy,
                     std::string_view reason) override {
    changes.push_back(absl::StrCat(std::string(upstream), "/", std::string(endpoint), healthy ? " up" : " down",
                                   reason.empty() ? "" : ": ", std::string(reason)));
  }

  uint64_t passes = 0, failures = 0;
  std::vector<std::string> changes;
};

class HealthCheckerTest : public testing::Test {
 protected:
  HealthCheckerTest() {
    transport_.script = [this](const HttpRequest& request, size_t) { return answers_[request.endpoint->host]; };
    MakeChecker({});
  }

  void MakeChecker(HealthOptions options) {
    checker_ = std::make_unique<HealthChecker>(loop_, transport_, random_, listener_, options);
  }

  // An upstream with these endpoints, which keep their states over revisions.
  std::shared_ptr<UpstreamConfig> Upstream(const std::string& name, const std::vector<std::string>& endpoints) {
    auto upstream = std::make_shared<UpstreamConfig>();
    upstream->name = name;
    upstream->format = &format_;
    upstream->credentials = {{"env:A", "first"}, {"env:B", "second"}};
    upstream->health_check = HealthCheckConfig{};
    for (const std::string& host : endpoints) {
      auto http = std::make_shared<HttpEndpoint>();
      http->host = host;
      http->base_path = "/v1";
      EndpointConfig endpoint;
      endpoint.name = host;
      endpoint.http = http;
      auto& state = states_[name + "/" + host];
      if (state == nullptr) state = std::make_shared<EndpointState>();
      endpoint.state = state;
      upstream->endpoints.push_back(endpoint);
    }
    return upstream;
  }

  void Follow(std::vector<std::shared_ptr<const UpstreamConfig>> upstreams) {
    checker_->Follow(RouteTable("epoch", ++revision_, {}, std::move(upstreams)));
  }

  bool Healthy(const std::string& place) { return states_.at(place)->View(loop_.Now()).healthy; }
  size_t Asked(const std::string& host) {
    return std::count_if(transport_.started.begin(), transport_.started.end(),
                         [&](const auto& started) { return started.host == host; });
  }
  std::vector<TimePoint> Times() {
    std::vector<TimePoint> times;
    for (const auto& started : transport_.started) times.push_back(started.when);
    return times;
  }

  SimulatedLoop loop_;
  FakeTransport transport_{loop_};
  Random random_{11};
  LineFormat format_;
  std::map<std::string, Script> answers_;  // by host; none: silence
  std::map<std::string, std::shared_ptr<EndpointState>> states_;
  Listener listener_;
  std::vector<std::string>& changes_ = listener_.changes;
  uint64_t revision_ = 0;
  std::unique_ptr<HealthChecker> checker_;
};

TEST_F(HealthCheckerTest, AsksBelowTheBaseWithTheFirstCredentialAndTheUpstreamsHeaders) {
  answers_["a"] = Script::Status(200);
  auto upstream = Upstream("u", {"a"});
  upstream->headers = {{"x-org", "team"}};
  upstream->health_check->path = "/health";
  Follow({upstream});
  loop_.RunFor(Seconds(1));
  ASSERT_EQ(transport_.started.size(), 1u);
  const HttpRequest& request = transport_.started[0].request;
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.endpoint->base_path + request.path, "/v1/health");
  EXPECT_EQ(request.body, nullptr);
  auto headers = format_.AuthHeaders("first");
  ASSERT_FALSE(headers.empty());
  headers.emplace_back("x-org", "team");
  EXPECT_EQ(request.headers, headers);
}

TEST_F(HealthCheckerTest, AnOperatorsHeaderReplacesTheCredentials) {
  auto upstream = Upstream("u", {"a"});
  const std::string name = format_.AuthHeaders("first").front().first;
  upstream->headers = {{name, "mine"}};
  Follow({upstream});
  loop_.RunFor(Seconds(1));
  EXPECT_THAT(transport_.started.at(0).request.headers, ElementsAre(Pair(name, "mine")));
}

TEST_F(HealthCheckerTest, WithoutACredentialNoneIsSent) {
  auto upstream = Upstream("u", {"a"});
  upstream->credentials = {{}};
  Follow({upstream});
  loop_.RunFor(Seconds(1));
  EXPECT_TRUE(transport_.started.at(0).request.headers.empty());
}

TEST_F(HealthCheckerTest, FailuresInARowTakeAnEndpointOutAndPassesBringItBack) {
  answers_["a"] = Script::Status(503);
  answers_["b"] = Script::Status(204);
  Follow({Upstream("u", {"a", "b"})});
  loop_.RunFor(Seconds(13));  // two checks, or the third a moment ago
  EXPECT_TRUE(Asked("a") == 2) << Asked("a");
  EXPECT_TRUE(Healthy("u/a"));
  loop_.RunFor(Seconds(11));
  EXPECT_FALSE(Healthy("u/a"));
  EXPECT_TRUE(Healthy("u/b"));
  answers_["a"] = Script::Status(200);
  loop_.RunFor(Seconds(9));
  EXPECT_FALSE(Healthy("u/a"));  // one pass at most
  loop_.RunFor(Seconds(15));
  EXPECT_TRUE(Healthy("u/a"));
  EXPECT_THAT(changes_, ElementsAre("u/a down: HTTP 503", "u/a up"));
}

TEST_F(HealthCheckerTest, WhatIsBackStartsSlowly) {
  answers_["a"] = Script::Refused();
  Follow({Upstream("u", {"a"})});
  loop_.RunFor(Seconds(40));
  ASSERT_FALSE(Healthy("u/a"));
  answers_["a"] = Script::Status(200);
  loop_.RunFor(Seconds(40));
  const TimePoint since = states_["u/a"]->View(loop_.Now()).available_since;
  EXPECT_GT(since, loop_.Now() - Seconds(40));
  EXPECT_LT(since, loop_.Now());
}

TEST_F(HealthCheckerTest, ChecksComeByTheIntervalMoreOrLess) {
  answers_["a"] = Script::Status(200);
  Follow({Upstream("u", {"a"})});
  const TimePoint start = loop_.Now();
  loop_.RunFor(Seconds(5000));
  const auto times = Times();
  EXPECT_LE(times.front(), start + Seconds(1));
  Duration least = absl::InfiniteDuration(), most = absl::ZeroDuration();
  for (size_t i = 1; i < times.size(); ++i) {
    least = std::min(least, times[i] - times[i - 1]);
    most = std::max(most, times[i] - times[i - 1]);
  }
  EXPECT_GE(least, Seconds(9));
  EXPECT_LE(least, Milliseconds(9100));
  EXPECT_GE(most, Milliseconds(10900));
  EXPECT_LE(most, Seconds(11));
}

TEST_F(HealthCheckerTest, SilenceIsAFailureWhenItsTimeIsOver) {
  Follow({Upstream("u", {"a"})});
  loop_.RunFor(Seconds(1));
  EXPECT_EQ(transport_.live, 1);
  loop_.RunFor(Seconds(2));
  EXPECT_EQ(transport_.live, 0);
  EXPECT_EQ(transport_.closed_early, 1);
  loop_.RunFor(Seconds(40));
  EXPECT_THAT(changes_, ElementsAre("u/a down: no answer within 2s"));
}

TEST_F(HealthCheckerTest, AnAnswerThatStallsOrBreaksIsAFailure) {
  answers_["stalls"] = Script().Connect().Head(200).Body("{");
  answers_["breaks"] = Script().Connect().Head(200).Body("{").Fail(HttpFailure::kReset, "connection reset");
  Follow({Upstream("u", {"stalls", "breaks"})});
  loop_.RunFor(Seconds(50));
  EXPECT_THAT(changes_, UnorderedElementsAre("u/stalls down: no answer within 2s", "u/breaks down: connection reset"));
}

TEST_F(HealthCheckerTest, OfAnEndlessAnswerOnlySoMuchIsRead) {
  Script endless = Script().Connect().Head(200);
  for (int i = 0; i < 100; ++i) endless.Body(std::string(64 << 10, 'x'));
  answers_["a"] = endless;
  Follow({Upstream("u", {"a"})});
  loop_.RunFor(Seconds(2));
  EXPECT_EQ(transport_.closed_early, 1);
  EXPECT_EQ(transport_.live, 0);
  EXPECT_EQ(checker_->Figures().at(0).failures, 0u);
  EXPECT_EQ(checker_->Figures().at(0).checks, 1u);
}

TEST_F(HealthCheckerTest, AFullPoolOfOursSaysNothingOfTheEndpoint) {
  answers_["a"] = Script().Fail(HttpFailure::kPoolFull, "full");
  Follow({Upstream("u", {"a"})});
  loop_.RunFor(Seconds(100));
  EXPECT_GE(Asked("a"), 9u);
  EXPECT_TRUE(Healthy("u/a"));
  EXPECT_EQ(checker_->Figures().at(0).checks, 0u);
}

TEST_F(HealthCheckerTest, OnlySoManyChecksAreUnderWayAtATime) {
  MakeChecker({.max_concurrent = 4});
  std::vector<std::string> hosts;
  for (int i = 0; i < 30; ++i) hosts.push_back("h" + std::to_string(i));
  auto upstream = Upstream("u", hosts);
  upstream->health_check->timeout = Seconds(1);
  Follow({upstream});
  int most = 0;
  for (int i = 0; i < 900; ++i) {
    loop_.RunFor(Milliseconds(10));
    most = std::max(most, transport_.live);
  }
  EXPECT_EQ(most, 4);
  // Late, but each had its turn.
  std::set<std::string> asked;
  for (const auto& started : transport_.started) asked.insert(started.host);
  EXPECT_EQ(asked.size(), 30u);
}

TEST_F(HealthCheckerTest, WhatTakesNoCallsOrWantsNoChecksIsNotAsked) {
  auto some = Upstream("u", {"active", "disabled"});
  some->endpoints[1].active = false;
  auto none = Upstream("v", {"unchecked"});
  none->health_check.reset();
  Follow({some, none});
  loop_.RunFor(Seconds(30));
  EXPECT_GT(Asked("active"), 0u);
  EXPECT_EQ(Asked("disabled") + Asked("unchecked"), 0u);
}

TEST_F(HealthCheckerTest, AVerdictOutlastsARevision) {
  answers_["a"] = Script::Status(500);
  Follow({Upstream("u", {"a"})});
  loop_.RunFor(Seconds(40));
  ASSERT_FALSE(Healthy("u/a"));
  const size_t asked = Asked("a");
  for (int i = 0; i < 20; ++i) {
    Follow({Upstream("u", {"a", "new"})});
    loop_.RunFor(Milliseconds(100));
  }
  EXPECT_FALSE(Healthy("u/a"));
  // Revisions in quick succession do not hasten checks.
  EXPECT_LE(Asked("a"), asked + 1);
  EXPECT_EQ(Asked("new"), 1u);
}

TEST_F(HealthCheckerTest, ANewIntervalHoldsAtOnce) {
  answers_["a"] = Script::Status(200);
  auto slow = Upstream("u", {"a"});
  slow->health_check->interval = absl::Hours(1);
  Follow({slow});
  loop_.RunFor(absl::Minutes(10));
  ASSERT_EQ(Asked("a"), 1u);
  Follow({Upstream("u", {"a"})});
  loop_.RunFor(Seconds(100));
  EXPECT_GE(Asked("a"), 9u);
}

TEST_F(HealthCheckerTest, WhatIsNoLongerCheckedIsHealthy) {
  for (const char* host : {"a", "b", "c"}) answers_[host] = Script::Status(500);
  Follow({Upstream("u", {"a", "b"}), Upstream("v", {"c"})});
  loop_.RunFor(Seconds(40));
  ASSERT_FALSE(Healthy("u/a") || Healthy("u/b") || Healthy("v/c"));
  auto without = Upstream("v", {"c"});
  without->health_check.reset();
  auto one = Upstream("u", {"a", "b"});
  one->endpoints[1].active = false;
  changes_.clear();
  Follow({one, without});
  EXPECT_FALSE(Healthy("u/a"));
  EXPECT_TRUE(Healthy("u/b"));
  EXPECT_TRUE(Healthy("v/c"));
  EXPECT_THAT(changes_, UnorderedElementsAre("u/b up", "v/c up"));
  const size_t asked = Asked("b") + Asked("c");
  loop_.RunFor(Seconds(40));
  EXPECT_EQ(Asked("b") + Asked("c"), asked);
  ASSERT_EQ(checker_->Figures().size(), 1u);
}

TEST_F(HealthCheckerTest, AnEndpointThatGoesWhileItIsAskedLeavesItsTurnToOthers) {
  MakeChecker({.max_concurrent = 1});
  Follow({Upstream("u", {"hangs"})});
  loop_.RunFor(Seconds(1));
  ASSERT_EQ(transport_.live, 1);
  Follow({Upstream("u", {"other"})});
  EXPECT_EQ(transport_.live, 0);
  loop_.RunFor(Seconds(1));
  EXPECT_EQ(Asked("other"), 1u);
  EXPECT_EQ(transport_.live, 1);
}

TEST_F(HealthCheckerTest, CountsChecksAndFailures) {
  answers_["a"] = Script::Status(500);
  answers_["b"] = Script::Status(200);
  Follow({Upstream("u", {"a", "b"})});
  loop_.RunFor(Seconds(60));
  auto figures = checker_->Figures();
  std::sort(figures.begin(), figures.end(), [](const auto& x, const auto& y) { return x.endpoint < y.endpoint; });
  ASSERT_EQ(figures.size(), 2u);
  EXPECT_EQ(figures[0].upstream, "u");
  EXPECT_EQ(figures[0].checks, Asked("a"));
  EXPECT_EQ(figures[0].failures, Asked("a"));
  EXPECT_FALSE(figures[0].healthy);
  EXPECT_EQ(figures[1].checks, Asked("b"));
  EXPECT_EQ(figures[1].failures, 0u);
  EXPECT_TRUE(figures[1].healthy);
  EXPECT_EQ(listener_.failures, Asked("a"));
  EXPECT_EQ(listener_.passes, Asked("b"));
}

TEST_F(HealthCheckerTest, NothingIsLeftWhenItGoes) {
  std::vector<std::string> hosts;
  for (int i = 0; i < 10; ++i) hosts.push_back("h" + std::to_string(i));
  Follow({Upstream("u", hosts)});
  loop_.RunFor(Milliseconds(1500));
  ASSERT_GT(transport_.live, 0);
  checker_.reset();
  EXPECT_EQ(transport_.live, 0);
  EXPECT_EQ(loop_.timers(), 0u);
  // An end is no verdict.
  for (const auto& [place, state] : states_) EXPECT_TRUE(state->View(loop_.Now()).healthy) << place;
}

}  // namespace
}  // namespace sluice
