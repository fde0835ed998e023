// The breakers of a route table, with the engine's real states.
#include "server/command/table_breakers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Cause = EndpointHold::Cause;
using testing::SizeIs;

const TimePoint kNow = absl::UnixEpoch() + absl::Seconds(1000);

MATCHER_P2(Hold, cause, until, "") { return arg.cause == cause && arg.until == until; }

class TableBreakersTest : public testing::Test {
 protected:
  TableBreakersTest() {
    auto z = MakeUpstream("z");
    auto a = MakeUpstream("a");
    a->overall_breaker.emplace().min_calls = 5;
    a->breaker.min_calls = 9;
    a->endpoints[1].active = false;
    a->endpoints[0].cooldowns = {std::make_shared<Cooldown>(), std::make_shared<Cooldown>()};
    table_ = std::make_shared<RouteTable>("e", 1, std::vector<std::shared_ptr<const RouteConfig>>{},
                                          std::vector<std::shared_ptr<const UpstreamConfig>>{z, a});
    table_->ConfigureStates(kNow);
  }

  static std::shared_ptr<UpstreamConfig> MakeUpstream(const std::string& name) {
    auto upstream = std::make_shared<UpstreamConfig>();
    upstream->name = name;
    upstream->state = std::make_shared<UpstreamState>();
    upstream->endpoints.resize(2);
    upstream->endpoints[0].name = "two";
    upstream->endpoints[1].name = "one";
    for (EndpointConfig& endpoint : upstream->endpoints) endpoint.state = std::make_shared<EndpointState>();
    return upstream;
  }

  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const BreakerView& view : breakers_.List(kNow)) names.push_back(view.name.ToString());
    return names;
  }

  BreakerState StateOf(const BreakerName& name, TimePoint now = kNow) {
    for (const BreakerView& view : breakers_.List(now)) {
      if (view.name == name) return view.figures.state;
    }
    ADD_FAILURE() << name.ToString() << " is not listed";
    return BreakerState::kDisabled;
  }

  // Of upstream a.
  std::vector<EndpointHold> HoldsOf(const std::string& endpoint, TimePoint now = kNow) {
    for (const BreakerView& view : breakers_.List(now)) {
      if (view.name == BreakerName{"a", endpoint}) return view.holds;
    }
    ADD_FAILURE() << endpoint << " is not listed";
    return {};
  }

  std::shared_ptr<const RouteTable> table_;
  TableBreakers breakers_{[this] { return table_; }};
};

TEST_F(TableBreakersTest, ListsUpstreamsAndEndpointsByName) {
  EXPECT_THAT(Names(), testing::ElementsAre("a", "a/one", "a/two", "z/one", "z/two"));
  const std::vector<BreakerView> all = breakers_.List(kNow);
  EXPECT_EQ(all[0].config.min_calls, 5);
  EXPECT_EQ(all[1].config.min_calls, 9);
}

// What the engine knows of the endpoint is what an operator is shown.
TEST_F(TableBreakersTest, TellsWhyAnEndpointGetsNoCalls) {
  EXPECT_THAT(HoldsOf("one"), ElementsAre(Hold(Cause::kInactive, absl::InfiniteFuture())));
  EXPECT_THAT(HoldsOf("two"), IsEmpty());
  EndpointState& two = *table_->upstreams()[1]->endpoints[0].state;
  const Duration out = two.Eject({}, kNow);
  EXPECT_THAT(HoldsOf("two"), ElementsAre(Hold(Cause::kEjected, kNow + out)));
  two.SetHealthy(false, kNow);
  EXPECT_THAT(HoldsOf("two"), ElementsAre(Hold(Cause::kUnhealthy, absl::InfiniteFuture()),
                                          Hold(Cause::kEjected, kNow + out)));
  EXPECT_THAT(HoldsOf("two", kNow + out), ElementsAre(Hold(Cause::kUnhealthy, absl::InfiniteFuture())));
  two.SetHealthy(true, kNow);
  EXPECT_THAT(HoldsOf("two", kNow + out), IsEmpty());
}

TEST_F(TableBreakersTest, TellsThatTheWholeUpstreamIsOpen) {
  ASSERT_TRUE(breakers_.Trip({"a", ""}, kNow, absl::Minutes(1), "by ann"));
  EXPECT_THAT(HoldsOf("two"), ElementsAre(Hold(Cause::kUpstreamOpen, kNow + absl::Minutes(1))));
}

TEST_F(TableBreakersTest, CountsTheCredentialsThatRest) {
  const auto& cooldowns = table_->upstreams()[1]->endpoints[0].cooldowns;
  cooldowns[1]->RestUntil(kNow + absl::Seconds(40));
  ASSERT_THAT(HoldsOf("two"), ElementsAre(Hold(Cause::kCooling, kNow + absl::Seconds(40))));
  EXPECT_EQ(HoldsOf("two")[0].resting, 1);
  EXPECT_EQ(HoldsOf("two")[0].credentials, 2);
  cooldowns[0]->RestUntil(kNow + absl::Seconds(8));
  ASSERT_THAT(HoldsOf("two"), ElementsAre(Hold(Cause::kCooling, kNow + absl::Seconds(8))));
  EXPECT_EQ(HoldsOf("two")[0].resting, 2);
  EXPECT_THAT(HoldsOf("two", kNow + absl::Seconds(40)), IsEmpty());
}

TEST_F(TableBreakersTest, AResetEndsTheRestOfEveryCredentialThere) {
  const auto& endpoints = table_->upstreams()[1]->endpoints;
  endpoints[0].cooldowns[0]->RestUntil(kNow + absl::Seconds(8));
  endpoints[0].cooldowns[1]->RestUntil(kNow + absl::Hours(1));
  const auto ended = breakers_.Reset({"a", "two"}, kNow);
  ASSERT_TRUE(ended.has_value());
  EXPECT_THAT(*ended, Hold(Cause::kCooling, kNow + absl::Hours(1)));
  EXPECT_EQ(ended->resting, 2);
  EXPECT_THAT(HoldsOf("two"), IsEmpty());
  EXPECT_EQ(endpoints[0].cooldowns[1]->until(), absl::InfinitePast());
  EXPECT_FALSE(breakers_.Reset({"a", "two"}, kNow).has_value()) << "nothing rests any more";
  EXPECT_FALSE(breakers_.Reset({"a", ""}, kNow).has_value());
}

TEST_F(TableBreakersTest, WhoWaitsForAnUpstreamIsWoken) {
  auto route = std::make_shared<RouteConfig>();
  route->state = std::make_shared<RouteState>();
  route->targets.push_back({table_->upstreams()[1], "", 1, 0});
  route->name = "chat";
  auto upstreams = table_->upstreams();
  table_ = std::make_shared<RouteTable>("e", 2, std::vector<std::shared_ptr<const RouteConfig>>{route}, upstreams);
  table_->ConfigureStates(kNow);
  int woken = 0;
  QueueBound bound;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(route->state->queue().Enter({"anna", "all", 1, 10}, kNow, kNow + absl::Seconds(5), [&] { ++woken; }, &bound));
  }
  breakers_.WakeWaiters("z");
  EXPECT_EQ(woken, 0);
  breakers_.WakeWaiters("a");
  EXPECT_EQ(woken, 3);
}

TEST_F(TableBreakersTest, TripAndResetReachTheEnginesState) {
  ASSERT_TRUE(breakers_.Trip({"a", "one"}, kNow, absl::Minutes(1), "by ann"));
  EXPECT_EQ(StateOf({"a", "one"}), BreakerState::kOpen);
  EXPECT_EQ(StateOf({"a", "two"}), BreakerState::kClosed);
  EXPECT_EQ(StateOf({"z", "one"}), BreakerState::kClosed);
  EXPECT_EQ(table_->upstreams()[1]->endpoints[1].state->breaker_figures(kNow).last_trip.reason, "by ann");
  breakers_.Reset({"a", "one"}, kNow);
  EXPECT_EQ(StateOf({"a", "one"}), BreakerState::kClosed);
}

TEST_F(TableBreakersTest, AnUpstreamsOwnBreakerIsTrippedAlone) {
  ASSERT_TRUE(breakers_.Trip({"a", ""}, kNow, absl::InfiniteDuration(), "by ann"));
  EXPECT_EQ(StateOf({"a", ""}), BreakerState::kOpen);
  EXPECT_EQ(StateOf({"a", "one"}), BreakerState::kClosed);
  EXPECT_EQ(table_->upstreams()[1]->state->admits_at(kNow), absl::InfiniteFuture());
  breakers_.Reset({"a", ""}, kNow);
  EXPECT_EQ(StateOf({"a", ""}), BreakerState::kClosed);
}

TEST_F(TableBreakersTest, WhatIsGoneIsNotTripped) {
  EXPECT_FALSE(breakers_.Trip({"z", ""}, kNow, absl::Minutes(1), "")) << "it has no breaker of its own";
  EXPECT_FALSE(breakers_.Trip({"z", "three"}, kNow, absl::Minutes(1), ""));
  EXPECT_FALSE(breakers_.Trip({"q", "one"}, kNow, absl::Minutes(1), ""));
  breakers_.Reset({"q", "one"}, kNow);
  table_ = nullptr;
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_FALSE(breakers_.Trip({"a", "one"}, kNow, absl::Minutes(1), ""));
}

}  // namespace
}  // namespace sluice
