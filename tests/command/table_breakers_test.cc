// The breakers of a route table, with the engine's real states.
#include "server/command/table_breakers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

const TimePoint kNow = absl::UnixEpoch() + absl::Seconds(1000);

class TableBreakersTest : public testing::Test {
 protected:
  TableBreakersTest() {
    auto z = MakeUpstream("z");
    auto a = MakeUpstream("a");
    a->overall_breaker.emplace().min_calls = 5;
    a->breaker.min_calls = 9;
    a->endpoints[1].active = false;
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

  std::shared_ptr<const RouteTable> table_;
  TableBreakers breakers_{[this] { return table_; }};
};

TEST_F(TableBreakersTest, ListsUpstreamsAndEndpointsByName) {
  EXPECT_THAT(Names(), testing::ElementsAre("a", "a/one", "a/two", "z/one", "z/two"));
  const std::vector<BreakerView> all = breakers_.List(kNow);
  EXPECT_EQ(all[0].config.min_calls, 5);
  EXPECT_EQ(all[1].config.min_calls, 9);
  EXPECT_FALSE(all[1].active);
  EXPECT_TRUE(all[2].active);
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
