// What was learned outlives a revision, and not the thing that it is about.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "server/config/policy_compiler.h"
#include "tests/config/compile_fixture.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Each word after a $ is a place where a revision may differ.
constexpr char kPolicies[] = R"(
{kind: Upstream, name: one, format: OPENAI, $CREDENTIAL, $ONE
 endpoints: [{name: a, url: "http://a:1/v1" $A}, {name: b, url: "$B"}]}
---
{kind: Upstream, name: two, format: OPENAI, endpoints: [{url: "http://c:3"}]}
---
{kind: Route, name: chat, match: {model: chat}, targets: [{upstream: one}], rate_limits: [l] $CHAT}
---
{kind: Route, name: other, match: {model: other}, targets: [{upstream: two}],
 fallback: {target: {upstream: one}}}
---
{kind: RateLimit, name: l, requests: $LIMIT}
)";

using Changes = std::map<std::string, std::string>;

std::string Policies(Changes changes = {}) {
  changes.insert({{"$CREDENTIAL", "credential: env:CONFIG_TEST_API_KEY"},
                  {"$ONE", ""},
                  {"$A", ""},
                  {"$B", "http://b:2/v1"},
                  {"$CHAT", ""},
                  {"$LIMIT", "10"}});
  return absl::StrReplaceAll(kPolicies, changes);
}

class KeptStatesTest : public CompileFixture {
 protected:
  // Every state that a table holds, by what it is about.
  static std::map<std::string, const void*> StatesOf(const RouteTable& table) {
    std::map<std::string, const void*> out;
    for (const auto& upstream : table.upstreams()) {
      out["upstream " + upstream->name] = upstream->state.get();
      for (const EndpointConfig& endpoint : upstream->endpoints) {
        const std::string name = upstream->name + "/" + endpoint.name;
        out["endpoint " + name] = endpoint.state.get();
        for (size_t i = 0; i < endpoint.cooldowns.size(); ++i) {
          out["cooldown " + name + " " + upstream->credentials[i].name] = endpoint.cooldowns[i].get();
        }
      }
    }
    for (const auto& route : table.routes()) {
      out["route " + route->name] = route->state.get();
      if (route->fallback && route->fallback->route) out["fallback of " + route->name] = route->fallback->route->state.get();
      for (const RateLimitUse& use : route->rate_limits) out["limit " + use.name] = use.state.get();
    }
    return out;
  }

  // What is new or gone after this change of the policies.
  std::vector<std::string> Changed(const Changes& changes) {
    PolicyCompiler compiler{ConfigAllowLists()};
    const auto before = Table(Policies(), compiler);
    const auto after = Table(Policies(changes), compiler);
    std::vector<std::string> changed;
    if (before == nullptr || after == nullptr) return {"not compiled"};
    const auto old_states = StatesOf(*before);
    const auto new_states = StatesOf(*after);
    for (const auto& [name, state] : new_states) {
      const auto found = old_states.find(name);
      if (found == old_states.end() || found->second != state) changed.push_back(name);
    }
    for (const auto& [name, state] : old_states) {
      if (new_states.count(name) == 0) changed.push_back("no " + name);
    }
    return changed;
  }
};

TEST_F(KeptStatesTest, AChangeOfThresholdsKeepsEveryState) {
  EXPECT_THAT(Changed({{"$ONE", "circuit_breaker: {failure_percent: 10}, limits: {max_requests: 3}, "}}), IsEmpty());
  EXPECT_THAT(Changed({{"$ONE", "balance: peak_ewma, throttle: {}, outlier_detection: {}, health_check: {}, "}}),
              IsEmpty());
  EXPECT_THAT(Changed({{"$CHAT", ", retry: {max_attempts: 5, budget: {min_retries: 9}}, hedge: p95, queue: {}"}}),
              IsEmpty());
  EXPECT_THAT(Changed({{"$LIMIT", "20"}}), IsEmpty());
}

TEST_F(KeptStatesTest, AWeightAPriorityOrADrainKeepsTheEndpoint) {
  EXPECT_THAT(Changed({{"$A", ", weight: 5, priority: 1, state: draining, zone: eu"}}), IsEmpty());
}

TEST_F(KeptStatesTest, AnotherUrlIsAnotherEndpointAndNothingElse) {
  EXPECT_THAT(Changed({{"$B", "http://moved:2/v1"}}),
              ElementsAre("cooldown one/b env:CONFIG_TEST_API_KEY", "endpoint one/b"));
}

TEST_F(KeptStatesTest, AnotherCredentialIsAnotherCooldownAndTheSameBreaker) {
  setenv("CONFIG_TEST_2_API_KEY", "sk-two", 1);
  PolicyCompiler compiler{ConfigAllowLists()};
  const auto before = Table(Policies(), compiler);
  const auto after = Table(
      Policies({{"$CREDENTIAL", "credentials: [env:CONFIG_TEST_2_API_KEY, env:CONFIG_TEST_API_KEY]"}}), compiler);
  const EndpointConfig& old_a = before->upstreams().at(0)->endpoints.at(0);
  const EndpointConfig& new_a = after->upstreams().at(0)->endpoints.at(0);
  EXPECT_EQ(old_a.state, new_a.state);
  ASSERT_EQ(new_a.cooldowns.size(), 2u);
  EXPECT_EQ(new_a.cooldowns[1], old_a.cooldowns[0]);
  EXPECT_NE(new_a.cooldowns[0], old_a.cooldowns[0]);
}

TEST_F(KeptStatesTest, AnOpenBreakerACooldownAndAnEjectionStayOverARevision) {
  PolicyCompiler compiler{ConfigAllowLists()};
  const auto before = Table(Policies(), compiler);
  before->ConfigureStates(kCompileTime);
  const EndpointConfig& a = before->upstreams().at(0)->endpoints.at(0);
  const TimePoint rest = kCompileTime + absl::Minutes(1);
  EXPECT_TRUE(a.state->TripBreaker(kCompileTime, absl::Minutes(1), "test"));
  a.cooldowns.at(0)->RestUntil(rest);
  before->upstreams().at(0)->endpoints.at(1).state->Eject(OutlierConfig(), kCompileTime);

  const auto after = Table(Policies({{"$ONE", "circuit_breaker: {failure_percent: 10}, "}, {"$LIMIT", "99"}}), compiler);
  after->ConfigureStates(kCompileTime + absl::Seconds(1));
  const auto& endpoints = after->upstreams().at(0)->endpoints;
  EXPECT_EQ(endpoints.at(0).state->breaker_figures(kCompileTime + absl::Seconds(1)).state, BreakerState::kOpen);
  EXPECT_EQ(endpoints.at(0).cooldowns.at(0)->until(), rest);
  EXPECT_EQ(endpoints.at(1).state->ejections(), 1u);
  EXPECT_GT(endpoints.at(1).state->View(kCompileTime + absl::Seconds(1)).ejected_until, kCompileTime);
}

TEST_F(KeptStatesTest, ARevisionThatIsNotPutInForceTeachesNothing) {
  PolicyCompiler compiler{ConfigAllowLists()};
  const auto before = Table(Policies({{"$LIMIT", "1"}}), compiler);
  before->ConfigureStates(kCompileTime);
  RateLimitState& limit = *before->Find("chat")->rate_limits.at(0).state;
  EXPECT_FALSE(limit.TryTake("chat", 0, kCompileTime).has_value());
  // Compiled, and refused for what another part found: never configured.
  const auto never = Table(Policies({{"$LIMIT", "1000"}, {"$ONE", "circuit_breaker: {mode: FORCED_OPEN}, "}}), compiler);
  EXPECT_TRUE(limit.TryTake("chat", 0, kCompileTime).has_value());
  EXPECT_EQ(before->upstreams().at(0)->endpoints.at(0).state->breaker_figures(kCompileTime).state,
            BreakerState::kClosed);
  never->ConfigureStates(kCompileTime);
  EXPECT_FALSE(limit.TryTake("chat", 0, kCompileTime + absl::Seconds(1)).has_value());
  EXPECT_EQ(before->upstreams().at(0)->endpoints.at(0).state->breaker_figures(kCompileTime).state,
            BreakerState::kForcedOpen);
}

TEST_F(KeptStatesTest, WhatIsGoneIsForgotten) {
  PolicyCompiler compiler{ConfigAllowLists()};
  auto first = Table(Policies(), compiler);
  EXPECT_EQ(compiler.states().size(), StatesOf(*first).size());
  first.reset();
  compiler.Compile("e", 8, {}, kCompileTime);
  EXPECT_EQ(compiler.states().size(), 0u);
}

TEST_F(KeptStatesTest, ANewEndpointBeginsItsSlowStartAndAnOldOneDoesNot) {
  PolicyCompiler compiler{ConfigAllowLists()};
  const auto table = Table(Policies(), compiler);
  EXPECT_EQ(table->upstreams().at(0)->endpoints.at(0).state->View(kCompileTime).available_since, kCompileTime);
  const std::vector<v1::Resource> resources = Parse(Policies());
  std::vector<const v1::Resource*> all;
  for (const v1::Resource& resource : resources) all.push_back(&resource);
  const auto later = compiler.Compile("epoch", 8, all, kCompileTime + absl::Hours(1)).table;
  EXPECT_EQ(later->upstreams().at(0)->endpoints.at(0).state->View(kCompileTime).available_since, kCompileTime);
}

}  // namespace
}  // namespace sluice
