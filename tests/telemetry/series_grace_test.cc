#include "server/telemetry/series_grace.h"

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/telemetry/call_metrics.h"
#include "server/telemetry/families.h"
#include "server/telemetry/kept_series.h"

namespace sluice {
namespace {

constexpr absl::Duration kKeep = absl::Minutes(10);
const absl::Time kStart = absl::FromUnixSeconds(1795374000);

TEST(SeriesGraceTest, RunsFromWhenTheThingWentAlsoWhereAScrapeComesLate) {
  SeriesGrace grace(kKeep);
  grace.Begin(kStart, kStart - absl::Hours(1));
  grace.End();
  // Deleted a minute after that scrape, looked at four minutes later.
  const absl::Time gone = kStart + absl::Minutes(1);
  const auto over_at = [&](absl::Time now) {
    grace.Begin(now, gone);
    const bool over = grace.Over("a", 1);
    grace.End();
    return over;
  };
  EXPECT_FALSE(over_at(kStart + absl::Minutes(5)));
  EXPECT_FALSE(over_at(gone + kKeep - absl::Milliseconds(1)));
  EXPECT_TRUE(over_at(gone + kKeep));
}

TEST(SeriesGraceTest, APolicyOlderThanTheProcessEndsNothingAtOnce) {
  SeriesGrace grace(kKeep);
  grace.Begin(kStart, kStart - absl::Hours(24));
  grace.End();
  grace.Begin(kStart + absl::Seconds(1), kStart - absl::Hours(24));
  EXPECT_FALSE(grace.Over("a", 1)) << "it was there a second ago";
}

TEST(SeriesGraceTest, AChangeBeginsItAnew) {
  SeriesGrace grace(kKeep);
  const auto over = [&](absl::Duration after, double value) {
    grace.Begin(kStart + after, kStart);
    const bool result = grace.Over("a", value);
    grace.End();
    return result;
  };
  EXPECT_FALSE(over(absl::ZeroDuration(), 1));
  EXPECT_FALSE(over(absl::Minutes(9), 2));
  EXPECT_FALSE(over(absl::Minutes(18), 2));
  EXPECT_TRUE(over(absl::Minutes(19), 2));
}

TEST(SeriesGraceTest, WhatWasInForceBetweenBeginsAnew) {
  SeriesGrace grace(kKeep);
  grace.Begin(kStart, kStart);
  EXPECT_FALSE(grace.Over("a", 1));
  grace.End();
  grace.Begin(kStart + absl::Minutes(5), kStart + absl::Minutes(5));
  grace.End();  // not asked for: in force
  grace.Begin(kStart + absl::Minutes(11), kStart + absl::Minutes(6));
  EXPECT_FALSE(grace.Over("a", 1));
  grace.End();
}

// A policy with these routes, each to one endpoint of an upstream of its name.
PolicyNames NamesWith(const std::vector<std::string>& routes) {
  std::vector<std::shared_ptr<const RouteConfig>> configs;
  std::vector<std::shared_ptr<const UpstreamConfig>> upstreams;
  for (const std::string& name : routes) {
    auto http = std::make_shared<HttpEndpoint>();
    http->tls = true;
    http->host = name + ".example";
    http->port = 443;
    auto upstream = std::make_shared<UpstreamConfig>();
    upstream->name = name;
    upstream->endpoints.emplace_back().name = "a";
    upstream->endpoints.back().http = http;
    auto route = std::make_shared<RouteConfig>();
    route->name = name;
    route->model = name + "-model";
    route->targets.push_back({upstream, name + "-at-upstream"});
    upstreams.push_back(upstream);
    configs.push_back(route);
  }
  return NamesOf(RouteTable("epoch", 1, std::move(configs), std::move(upstreams)));
}

struct NamesCase {
  const char* name;
  PolicyNames::LabelViews labels;
  bool in_force;
};

class PolicyNamesTest : public testing::TestWithParam<NamesCase> {};

TEST_P(PolicyNamesTest, KnowWhatIsInForce) {
  EXPECT_EQ(NamesWith({"chat", "embed"}).InForce(GetParam().labels), GetParam().in_force);
}

INSTANTIATE_TEST_SUITE_P(
    All, PolicyNamesTest,
    testing::Values(NamesCase{"None", {}, true}, NamesCase{"Route", {{"route", "chat"}}, true},
                    NamesCase{"DeletedRoute", {{"route", "old"}}, false},
                    NamesCase{"OtherRoutes", {{"route", "other"}}, true},
                    NamesCase{"DeletedUpstream", {{"route", "chat"}, {"upstream", "old"}}, false},
                    NamesCase{"Endpoint", {{"upstream", "embed"}, {"endpoint", "a"}}, true},
                    NamesCase{"DeletedEndpoint", {{"upstream", "embed"}, {"endpoint", "b"}}, false},
                    NamesCase{"UpstreamAsAWhole", {{"upstream", "embed"}, {"endpoint", ""}}, true},
                    NamesCase{"Connection", {{"endpoint", "https://chat.example:443"}}, true},
                    NamesCase{"DeletedHost", {{"endpoint", "https://old.example:443"}}, false},
                    NamesCase{"DeletedFallback", {{"route", "chat"}, {"fallback", "old"}}, false},
                    NamesCase{"Model",
                              {{"gen_ai_request_model", "chat-model"}, {"gen_ai_response_model", "chat-at-upstream"}}, true},
                    NamesCase{"NoAnswer",
                              {{"gen_ai_request_model", "chat-model"}, {"gen_ai_response_model", "chat-model"}}, true},
                    NamesCase{"DeletedModel", {{"gen_ai_request_model", "old-model"}}, false},
                    NamesCase{"DeletedTarget",
                              {{"gen_ai_request_model", "chat-model"}, {"gen_ai_response_model", "old"}}, false},
                    NamesCase{"NoPolicysLabel", {{"route", "chat"}, {"code", "OK"}, {"limit", "old"}}, true}),
    [](const auto& info) { return info.param.name; });

TEST(PolicyNamesTest, FallbacksAreKnownByTheirNameOrTheirRoutes) {
  auto last = std::make_shared<RouteConfig>();
  last->name = "chat";
  last->targets.push_back({nullptr, "last-model"});
  auto route = std::make_shared<RouteConfig>();
  route->name = "chat";
  route->fallback = std::make_shared<FallbackConfig>(FallbackConfig{"named", {}, last, ""});
  auto other = std::make_shared<RouteConfig>();
  other->name = "embed";
  other->fallback = std::make_shared<FallbackConfig>(FallbackConfig{"", {}, nullptr, "sorry"});
  const PolicyNames names = NamesOf(RouteTable("epoch", 1, {route, other}));
  EXPECT_TRUE(names.InForce({{"fallback", "named"}}));
  EXPECT_TRUE(names.InForce({{"fallback", "embed"}}));
  EXPECT_FALSE(names.InForce({{"fallback", "chat"}}));
  EXPECT_TRUE(names.InForce({{"gen_ai_response_model", "last-model"}}));
}

// A policy that changes and a clock, as collectors ask for them.
class Policy {
 public:
  SeriesKeeping keeping() {
    return {kKeep, [this] { return NamesInForce{names_, since_}; }, [this] { return now_; }};
  }
  void Set(const std::vector<std::string>& routes) {
    names_ = std::make_shared<PolicyNames>(NamesWith(routes));
    since_ = now_;
  }
  void Pass(absl::Duration time) { now_ += time; }

 private:
  absl::Time now_ = kStart;
  std::shared_ptr<const PolicyNames> names_;
  absl::Time since_ = absl::InfinitePast();
};

std::string Rendered(const prometheus::Collectable& collector) {
  return prometheus::TextSerializer().Serialize(collector.Collect());
}
bool Shows(const prometheus::Collectable& collector, const std::string& sample) {
  return ("\n" + Rendered(collector)).find("\n" + sample) != std::string::npos;
}

// One of all that a call of this route leaves, whatever its type.
void Call(CallMetrics& loop, const std::string& route) {
  CallInfo info;
  info.operation = "chat";
  info.route = route;
  info.model_label = route + "-model";
  CallRecord record;
  record.outcome = CallOutcome::kComplete;
  AttemptRecord& attempt = record.attempts.emplace_back();
  attempt.upstream = route;
  attempt.endpoint = "a";
  attempt.provider = "openai";
  attempt.model = route + "-at-upstream";
  record.time_to_first_token = absl::Milliseconds(50);
  record.delivered.output_tokens = 21;
  loop.CallStarted(info);
  loop.AttemptEnded(info, attempt);
  loop.LeftQueue(info, QueueExit::kAdmitted, absl::Milliseconds(3));
  loop.FallbackEntered(info, route, FailureKind::kTimeout);
  loop.HealthChecked(route, "a", true);
  loop.CallEnded(info, record);
}

TEST(CallSeriesTest, AllOfADeletedRouteGoAfterTheGrace) {
  Policy policy;
  policy.Set({"chat", "old"});
  CallMetricsCollector collector(2000, policy.keeping());
  CallMetrics& first = collector.AddLoop();
  CallMetrics& second = collector.AddLoop();
  Call(first, "chat");
  Call(first, "old");
  Call(second, "old");
  EXPECT_TRUE(Shows(collector, R"(sluice_calls_total{route="old",outcome="complete",code="OK"} 2)"));
  policy.Pass(absl::Minutes(1));
  policy.Set({"chat"});
  policy.Pass(kKeep - absl::Seconds(1));
  EXPECT_TRUE(Shows(collector, R"(sluice_calls_total{route="old",outcome="complete",code="OK"} 2)"));
  policy.Pass(absl::Seconds(1));
  const std::string text = Rendered(collector);
  EXPECT_EQ(text.find("\"old"), std::string::npos) << text.substr(0, text.find("\"old") + 20);
  EXPECT_TRUE(Shows(collector, R"(sluice_calls_total{route="chat",outcome="complete",code="OK"} 1)"));
}

TEST(CallSeriesTest, ARunningCallOfADeletedRouteStillCounts) {
  Policy policy;
  policy.Set({"chat", "old"});
  CallMetricsCollector collector(2000, policy.keeping());
  CallMetrics& loop = collector.AddLoop();
  Call(loop, "old");
  policy.Set({"chat"});
  Rendered(collector);
  policy.Pass(absl::Minutes(9));
  Call(loop, "old");
  EXPECT_TRUE(Shows(collector, R"(sluice_call_errors_total{route="old"} 0)"));
  policy.Pass(absl::Minutes(9));
  EXPECT_TRUE(Shows(collector, R"(sluice_calls_total{route="old",outcome="complete",code="OK"} 2)"));
  policy.Pass(absl::Minutes(1));
  EXPECT_FALSE(Shows(collector, R"(sluice_calls_total{route="old")"));
}

TEST(CallSeriesTest, WhatComesBackWithinTheGraceCountsOnAndLaterBeginsAnew) {
  Policy policy;
  policy.Set({"chat", "old"});
  CallMetricsCollector collector(2000, policy.keeping());
  CallMetrics& loop = collector.AddLoop();
  const std::string calls = R"(sluice_calls_total{route="old",outcome="complete",code="OK"} )";
  Call(loop, "old");
  policy.Set({"chat"});
  Rendered(collector);
  policy.Pass(absl::Minutes(9));
  policy.Set({"chat", "old"});
  policy.Pass(absl::Hours(1));
  Call(loop, "old");
  EXPECT_TRUE(Shows(collector, calls + "2"));
  policy.Set({"chat"});
  policy.Pass(kKeep);
  EXPECT_FALSE(Shows(collector, calls));
  policy.Set({"chat", "old"});
  Call(loop, "old");
  EXPECT_TRUE(Shows(collector, calls + "1"));
}

TEST(CallSeriesTest, DeletedOnesMakeRoomForNewOnes) {
  Policy policy;
  policy.Set({"a", "b"});
  CallMetricsCollector collector(2, policy.keeping());
  CallMetrics& loop = collector.AddLoop();
  Call(loop, "a");
  Call(loop, "b");
  Rendered(collector);
  policy.Set({"c"});
  policy.Pass(kKeep);
  Rendered(collector);
  Call(loop, "c");
  EXPECT_TRUE(Shows(collector, R"(sluice_call_errors_total{route="c"} 0)"));
}

// Figures that the test sets, as states and pools give them.
class Figures : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override {
    prometheus::MetricFamily count{"refused_total", "Help.", prometheus::MetricType::Counter, {}};
    prometheus::MetricFamily level{"open", "Help.", prometheus::MetricType::Gauge, {}};
    for (const auto& [upstream, figure] : figures) {
      AddSample(count, {{"upstream", upstream}}, figure.first);
      AddSample(level, {{"upstream", upstream}}, figure.second);
    }
    return {count, level};
  }
  std::map<std::string, std::pair<double, double>> figures;
};

class KeptSeriesTest : public testing::Test {
 protected:
  bool Shows(const std::string& sample) const { return sluice::Shows(kept_, sample); }

  Policy policy_;
  std::shared_ptr<Figures> source_ = std::make_shared<Figures>();
  KeptSeries kept_{source_, policy_.keeping()};
};

TEST_F(KeptSeriesTest, ACounterWhoseStateIsGoneStaysForTheGrace) {
  policy_.Set({"chat", "old"});
  source_->figures = {{"chat", {1, 1}}, {"old", {5, 1}}};
  EXPECT_TRUE(Shows(R"(refused_total{upstream="old"} 5)"));
  policy_.Set({"chat"});
  source_->figures.erase("old");
  EXPECT_TRUE(Shows(R"(refused_total{upstream="old"} 5)"));
  EXPECT_FALSE(Shows(R"(open{upstream="old"})")) << "a level without a state is none";
  policy_.Pass(kKeep);
  EXPECT_FALSE(Shows(R"(refused_total{upstream="old"})"));
  EXPECT_TRUE(Shows(R"(refused_total{upstream="chat"} 1)"));
}

TEST_F(KeptSeriesTest, ANewStateOfWhatCameBackCountsOn) {
  policy_.Set({"old"});
  source_->figures = {{"old", {5, 0}}};
  EXPECT_TRUE(Shows(R"(refused_total{upstream="old"} 5)"));
  source_->figures.clear();
  policy_.Pass(absl::Minutes(9));
  Rendered(kept_);
  source_->figures = {{"old", {2, 0}}};
  EXPECT_TRUE(Shows(R"(refused_total{upstream="old"} 7)"));
  source_->figures = {{"old", {3, 0}}};
  EXPECT_TRUE(Shows(R"(refused_total{upstream="old"} 8)"));
}

TEST_F(KeptSeriesTest, FiguresOfWhatIsNotInForceGoOnceNothingIsOpen) {
  policy_.Set({"chat", "old"});
  source_->figures = {{"old", {5, 1}}};
  Rendered(kept_);
  policy_.Set({"chat"});
  policy_.Pass(kKeep);
  EXPECT_TRUE(Shows(R"(open{upstream="old"} 1)"));
  source_->figures = {{"old", {5, 0}}};
  Rendered(kept_);
  policy_.Pass(kKeep);
  EXPECT_FALSE(Shows(R"(open{upstream="old"})"));
  EXPECT_FALSE(Shows(R"(refused_total{upstream="old"})"));
  EXPECT_FALSE(Shows(R"(refused_total{upstream="old"})")) << "nor at the next scrape";
}

}  // namespace
}  // namespace sluice
