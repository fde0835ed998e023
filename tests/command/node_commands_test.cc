// The commands over real breakers: what is answered, and what is done.
#include "server/command/node_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/policy/duration_text.h"
#include "tests/command/fake_registry.h"

namespace sluice {
namespace {

using absl::StatusCode;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// The node's clock says 1970-01-12 while its monotonic one is at 1000 s.
const TimePoint kStart = absl::UnixEpoch() + absl::Seconds(1000);
const absl::Time kWallStart = absl::FromUnixSeconds(1000000);

class NodeCommandsTest : public testing::Test {
 protected:
  NodeCommandsTest() {
    registry_.Add("openai", "primary", {}, kStart);
    registry_.Add("openai", "backup", {}, kStart);
    registry_.Add("local", "", {}, kStart);
    registry_.Add("local", "one", {}, kStart);
  }

  Moment Now() const { return {kStart + passed_, kWallStart + passed_}; }

  v1::Answer AskBreakers(const std::string& target = "") {
    v1::Query query;
    query.mutable_breakers()->set_target(target);
    return commands_.Answer(query);
  }

  v1::Answer Trip(const std::string& target, Duration lasting = absl::InfiniteDuration()) {
    v1::NodeCommand command;
    command.mutable_trip_breaker()->set_target(target);
    if (lasting != absl::InfiniteDuration()) *command.mutable_trip_breaker()->mutable_lasting() = ToProto(lasting);
    command.set_author("ann");
    command.set_reason("provider incident");
    return commands_.Answer(command);
  }

  v1::Answer Reset(const std::string& target) {
    v1::NodeCommand command;
    command.mutable_reset_breaker()->set_target(target);
    return commands_.Answer(command);
  }

  static std::vector<std::string> Names(const v1::Answer& answer) {
    std::vector<std::string> names;
    for (const v1::BreakerStatus& breaker : answer.breakers().breakers()) {
      names.push_back(breaker.upstream() + "/" + breaker.endpoint());
    }
    return names;
  }

  bool Admits(const std::string& upstream, const std::string& endpoint) {
    return registry_.At(upstream, endpoint).Admits(Now().now);
  }

  void FailCalls(int failed, int all) {
    CircuitBreaker& breaker = registry_.At("openai", "primary");
    for (int i = 0; i < all; ++i) {
      const auto permit = breaker.TryAcquire(Now().now, random_);
      if (!permit) return;
      const bool fails = i >= all - failed;
      breaker.Record(*permit, fails ? CircuitBreaker::Outcome::kFailure : CircuitBreaker::Outcome::kSuccess,
                     absl::Milliseconds(100), fails ? "503" : "", Now().now, random_);
    }
  }

  Random random_{7};
  Duration passed_;
  FakeRegistry registry_;
  LiveCounters live_;
  ConfigStatus status_;
  std::shared_ptr<const RouteTable> table_;
  NodeCommands commands_{{.breakers = registry_,
                          .live = live_,
                          .table = [this] { return table_; },
                          .status = [this] { return status_; },
                          .clock = [this] { return Now(); },
                          .policies =
                              [](uint64_t offset) {
                                v1::PoliciesInForce piece;
                                piece.set_revision(offset + 1);
                                return piece;
                              },
                          .check = [this](const v1::PolicyCheckQuery& query) {
                            asked_ = query;
                            v1::PolicyCheck check;
                            check.add_violations()->set_code("CREDENTIAL");
                            return check;
                          }}};
  v1::PolicyCheckQuery asked_;
};

TEST_F(NodeCommandsTest, TellsWhatItWouldMakeOfPolicies) {
  v1::Query query;
  query.mutable_check()->add_removals()->set_name("chat");
  const v1::Answer answer = commands_.Answer(query);
  EXPECT_EQ(asked_.removals(0).name(), "chat");
  ASSERT_EQ(answer.check().violations_size(), 1);
  EXPECT_EQ(answer.check().violations(0).code(), "CREDENTIAL");
}

TEST_F(NodeCommandsTest, ListsEveryBreakerInOrder) {
  const v1::Answer answer = AskBreakers();
  EXPECT_EQ(answer.code(), 0);
  EXPECT_THAT(Names(answer), testing::ElementsAre("local/", "local/one", "openai/backup", "openai/primary"));
  EXPECT_EQ(answer.breakers().breakers(3).state(), v1::BREAKER_STATE_CLOSED);
}

TEST_F(NodeCommandsTest, ATargetIsAnUpstreamWithAllOrOneEndpoint) {
  EXPECT_THAT(Names(AskBreakers("openai")), testing::ElementsAre("openai/backup", "openai/primary"));
  EXPECT_THAT(Names(AskBreakers("local")), testing::ElementsAre("local/", "local/one"));
  EXPECT_THAT(Names(AskBreakers("openai/backup")), testing::ElementsAre("openai/backup"));
}

TEST_F(NodeCommandsTest, AnUnknownTargetIsToldWithWhatThereIs) {
  EXPECT_EQ(AskBreakers("opnai").code(), static_cast<int>(StatusCode::kNotFound));
  EXPECT_EQ(AskBreakers("opnai").message(), "there is no upstream \"opnai\"; did you mean \"openai\"?");
  EXPECT_THAT(AskBreakers("anthropic").message(), HasSubstr("there is no upstream \"anthropic\""));
  EXPECT_THAT(AskBreakers("anthropic").message(), HasSubstr("local"));
  EXPECT_EQ(AskBreakers("openai/primry").message(), "there is no endpoint \"openai/primry\"; did you mean \"openai/primary\"?");
  EXPECT_EQ(AskBreakers("opnai/primary").message(), "there is no endpoint \"opnai/primary\"; did you mean \"openai/primary\"?");
  EXPECT_EQ(Trip("opnai").message(), AskBreakers("opnai").message());
  EXPECT_EQ(Reset("opnai").message(), AskBreakers("opnai").message());
  v1::Query live;
  live.mutable_live()->set_target("opnai");
  EXPECT_EQ(commands_.Answer(live).message(), AskBreakers("opnai").message());
}

TEST_F(NodeCommandsTest, AnOpenBreakerTellsWhyWithTheNumbers) {
  FailCalls(31, 52);
  passed_ = absl::Seconds(4);
  const v1::Answer answer = AskBreakers("openai/primary");
  const v1::BreakerStatus& breaker = answer.breakers().breakers(0);
  EXPECT_EQ(breaker.state(), v1::BREAKER_STATE_OPEN);
  EXPECT_EQ(ToAbsl(breaker.since()), kWallStart);
  EXPECT_EQ(ToAbsl(breaker.age()), absl::Seconds(4));
  EXPECT_EQ(breaker.times_in_a_row(), 1);
  EXPECT_EQ(breaker.last_opening().cause(), v1::BREAKER_CAUSE_FAILURES);
  EXPECT_THAT(breaker.last_opening().reason(), HasSubstr("calls failed in the last 60 s"));
  ASSERT_EQ(breaker.last_opening().by_failure_size(), 1);
  EXPECT_EQ(breaker.last_opening().by_failure(0).failure(), "503");
  EXPECT_EQ(breaker.last_opening().by_failure(0).count(), breaker.last_opening().failures());
  EXPECT_EQ(ToAbsl(breaker.open_until()) - ToAbsl(breaker.since()), ToAbsl(breaker.open_for()));
  EXPECT_EQ(breaker.probes().permits(), 3);
  EXPECT_EQ(breaker.window().min_calls(), 20);
  EXPECT_EQ(breaker.window().max_failure_percent(), 50);
}

TEST_F(NodeCommandsTest, TripOfAnEndpointHoldsItsCallsBackForThatTime) {
  const v1::Answer answer = Trip("openai/primary", absl::Minutes(5));
  EXPECT_EQ(answer.code(), 0);
  ASSERT_THAT(Names(answer), SizeIs(1));
  const v1::BreakerStatus& breaker = answer.breakers().breakers(0);
  EXPECT_EQ(breaker.state(), v1::BREAKER_STATE_OPEN);
  EXPECT_EQ(breaker.last_opening().cause(), v1::BREAKER_CAUSE_OPERATOR);
  EXPECT_EQ(breaker.last_opening().reason(), "by ann: provider incident");
  EXPECT_EQ(ToAbsl(breaker.open_for()), absl::Minutes(5));
  EXPECT_EQ(ToAbsl(breaker.open_until()), kWallStart + absl::Minutes(5));
  EXPECT_FALSE(Admits("openai", "primary"));
  EXPECT_TRUE(Admits("openai", "backup"));
  passed_ = absl::Minutes(5);
  EXPECT_TRUE(Admits("openai", "primary"));
}

TEST_F(NodeCommandsTest, TripWithoutATimeLastsUntilReset) {
  const v1::Answer answer = Trip("openai/primary");
  EXPECT_FALSE(answer.breakers().breakers(0).has_open_until());
  EXPECT_FALSE(answer.breakers().breakers(0).has_open_for());
  passed_ = absl::Hours(1000);
  EXPECT_FALSE(Admits("openai", "primary"));
  EXPECT_EQ(Reset("openai/primary").breakers().breakers(0).state(), v1::BREAKER_STATE_CLOSED);
  EXPECT_TRUE(Admits("openai", "primary"));
}

TEST_F(NodeCommandsTest, AnUpstreamIsTrippedAndResetWithAllItsEndpoints) {
  EXPECT_THAT(Names(Trip("local")), testing::ElementsAre("local/", "local/one"));
  EXPECT_FALSE(Admits("local", ""));
  EXPECT_FALSE(Admits("local", "one"));
  EXPECT_TRUE(Admits("openai", "primary"));
  EXPECT_EQ(Reset("local").code(), 0);
  EXPECT_TRUE(Admits("local", ""));
  EXPECT_TRUE(Admits("local", "one"));
}

TEST_F(NodeCommandsTest, AResetTellsTheRestThatItEndedAndWakesWhoWaited) {
  registry_.rest = EndpointHold{EndpointHold::Cause::kCooling, kStart + absl::Hours(1), 2, 2};
  const v1::Answer answer = Reset("local");
  ASSERT_THAT(answer.breakers().breakers(), SizeIs(2));
  EXPECT_FALSE(answer.breakers().breakers(0).has_ended()) << "the upstream as a whole rests nowhere";
  const v1::EndpointHold& ended = answer.breakers().breakers(1).ended();
  EXPECT_EQ(ended.cause(), v1::HOLD_CAUSE_COOLING);
  EXPECT_EQ(ToAbsl(ended.until()), kWallStart + absl::Hours(1));
  EXPECT_EQ(ToAbsl(ended.remaining()), absl::Hours(1));
  EXPECT_EQ(ended.resting(), 2u);
  EXPECT_THAT(registry_.woken, testing::ElementsAre("local"));
  EXPECT_FALSE(AskBreakers("local").breakers().breakers(1).has_ended());
}

TEST_F(NodeCommandsTest, AModeThatLetsCallsThroughIsToldByTrip) {
  registry_.Add("watched", "a", {.mode = BreakerMode::kObserveOnly}, kStart);
  const v1::Answer answer = Trip("watched/a");
  EXPECT_EQ(answer.code(), static_cast<int>(StatusCode::kFailedPrecondition));
  EXPECT_EQ(answer.message(),
            "calls go through by policy: watched/a (mode OBSERVE_ONLY); change the mode of the CircuitBreaker");
}

TEST_F(NodeCommandsTest, AnUpstreamsOwnBreakerSufficesWhereItsEndpointsHaveNone) {
  registry_.Add("mixed", "", {}, kStart);
  registry_.Add("mixed", "a", {.mode = BreakerMode::kDisabled}, kStart);
  EXPECT_EQ(Trip("mixed").code(), 0);
  EXPECT_EQ(Trip("mixed/a").code(), static_cast<int>(StatusCode::kFailedPrecondition));
}

TEST_F(NodeCommandsTest, AModeThatHoldsCallsBackIsToldByReset) {
  registry_.Add("forced", "a", {.mode = BreakerMode::kForcedOpen}, kStart);
  EXPECT_EQ(Trip("forced/a").code(), 0);
  const v1::Answer answer = Reset("forced/a");
  EXPECT_EQ(answer.code(), static_cast<int>(StatusCode::kFailedPrecondition));
  EXPECT_THAT(answer.message(), HasSubstr("calls are still held back by policy: forced/a (mode FORCED_OPEN)"));
}

TEST_F(NodeCommandsTest, AReasonIsMadeOneLineAndATimeMustBePositive) {
  v1::NodeCommand command;
  command.mutable_trip_breaker()->set_target("openai/primary");
  command.set_reason("a\nb");
  EXPECT_EQ(commands_.Answer(command).breakers().breakers(0).last_opening().reason(), "by an operator: a b");
  *command.mutable_trip_breaker()->mutable_lasting() = ToProto(absl::ZeroDuration());
  EXPECT_EQ(commands_.Answer(command).code(), static_cast<int>(StatusCode::kInvalidArgument));
}

TEST_F(NodeCommandsTest, ABreakerThatOnlyObservesTellsWhatItWouldDo) {
  registry_.Add("watched", "a", {.min_calls = 1, .mode = BreakerMode::kObserveOnly}, kStart);
  CircuitBreaker& breaker = registry_.At("watched", "a");
  breaker.Record(*breaker.TryAcquire(kStart, random_), CircuitBreaker::Outcome::kFailure, std::nullopt, "503", kStart,
                 random_);
  ASSERT_TRUE(breaker.TryAcquire(kStart, random_).has_value());
  const v1::Answer answer = AskBreakers("watched/a");
  const v1::BreakerStatus& status = answer.breakers().breakers(0);
  EXPECT_EQ(status.state(), v1::BREAKER_STATE_OBSERVE_ONLY);
  EXPECT_EQ(status.automatic(), v1::BREAKER_STATE_OPEN);
  EXPECT_EQ(status.refused_total(), 1);
  EXPECT_FALSE(status.has_open_until());
}

TEST_F(NodeCommandsTest, LiveTellsEveryEndpointAndWhatItDid) {
  LiveCounter& loop = live_.AddLoop();
  AttemptRecord attempt;
  attempt.upstream = "openai";
  attempt.endpoint = "primary";
  attempt.started = kStart + absl::Seconds(3);
  attempt.duration = absl::Seconds(1);
  attempt.outcome = AttemptOutcome::kOk;
  attempt.time_to_first_token = absl::Milliseconds(300);
  loop.AttemptEnded({}, attempt);
  passed_ = absl::Seconds(5);
  Trip("openai/backup");
  passed_ = absl::Seconds(6);
  v1::Query query;
  query.mutable_live();
  const v1::Answer answer = commands_.Answer(query);
  EXPECT_EQ(ToAbsl(answer.live().window()), absl::Seconds(6));
  ASSERT_EQ(answer.live().endpoints_size(), 3);
  const v1::EndpointFigures& backup = answer.live().endpoints(1);
  EXPECT_EQ(backup.endpoint(), "backup");
  EXPECT_EQ(backup.breaker(), v1::BREAKER_STATE_OPEN);
  EXPECT_EQ(ToAbsl(backup.breaker_age()), absl::Seconds(1));
  EXPECT_EQ(backup.attempts(), 0);
  EXPECT_EQ(backup.in_flight(), 7);
  EXPECT_FALSE(backup.has_first_token_p50());
  const v1::EndpointFigures& primary = answer.live().endpoints(2);
  EXPECT_EQ(primary.attempts(), 1);
  EXPECT_EQ(primary.errors(), 0);
  ASSERT_EQ(primary.first_token_size(), 1);
  EXPECT_NEAR(absl::ToDoubleMilliseconds(ToAbsl(primary.first_token_p95())), 300, 30);
}

TEST_F(NodeCommandsTest, BothFiguresAndBreakersTellWhatElseHoldsCallsBack) {
  using Cause = EndpointHold::Cause;
  registry_.holds = {{Cause::kUnhealthy}, {Cause::kEjected, kStart + absl::Seconds(30)},
                     {Cause::kCooling, kStart + absl::Seconds(8), 1, 2}};
  passed_ = absl::Seconds(5);
  v1::Query query;
  query.mutable_live()->set_target("openai/primary");
  const v1::EndpointFigures live = commands_.Answer(query).live().endpoints(0);
  const v1::BreakerStatus breaker = AskBreakers("openai/primary").breakers().breakers(0);
  for (const auto& holds : {live.holds(), breaker.holds()}) {
    ASSERT_EQ(holds.size(), 3);
    EXPECT_EQ(holds[0].cause(), v1::HOLD_CAUSE_UNHEALTHY);
    EXPECT_FALSE(holds[0].has_until());
    EXPECT_EQ(holds[1].cause(), v1::HOLD_CAUSE_EJECTED);
    EXPECT_EQ(ToAbsl(holds[1].until()), kWallStart + absl::Seconds(30));
    EXPECT_EQ(ToAbsl(holds[1].remaining()), absl::Seconds(25));
    EXPECT_EQ(holds[2].cause(), v1::HOLD_CAUSE_COOLING);
    EXPECT_EQ(holds[2].resting(), 1u);
    EXPECT_EQ(holds[2].credentials(), 2u);
  }
}

TEST_F(NodeCommandsTest, ConfigTellsWhatIsInForce) {
  status_.source = ConfigSource::kLastKnownGood;
  status_.epoch = "e";
  status_.revision = 7;
  status_.applied_at = kWallStart;
  status_.last_error = "refused";
  auto upstream = std::make_shared<UpstreamConfig>();
  upstream->name = "openai";
  upstream->endpoints.resize(2);
  upstream->endpoints[0].name = "primary";
  upstream->endpoints[1].name = "resting";
  upstream->endpoints[1].active = false;
  auto route = std::make_shared<RouteConfig>();
  route->name = "chat";
  table_ = std::make_shared<RouteTable>("e", 7, std::vector<std::shared_ptr<const RouteConfig>>{route},
                                        std::vector<std::shared_ptr<const UpstreamConfig>>{upstream});
  v1::Query query;
  query.mutable_config();
  const v1::ConfigInForce config = commands_.Answer(query).config();
  EXPECT_EQ(config.source(), v1::CONFIG_SOURCE_LAST_KNOWN_GOOD);
  EXPECT_EQ(config.revision(), 7);
  EXPECT_EQ(ToAbsl(config.applied()), kWallStart);
  EXPECT_EQ(config.last_error(), "refused");
  EXPECT_THAT(config.routes(), testing::ElementsAre("chat"));
  EXPECT_THAT(config.endpoints(), testing::ElementsAre("openai/primary"));
}

TEST_F(NodeCommandsTest, PoliciesAreToldFromTheOffsetThatIsAskedFor) {
  v1::Query query;
  query.mutable_policies()->set_offset(6);
  EXPECT_EQ(commands_.Answer(query).code(), 0);
  EXPECT_EQ(commands_.Answer(query).policies().revision(), 7u);
}

TEST_F(NodeCommandsTest, BeforeTheFirstConfigurationThereIsNothing) {
  v1::Query query;
  query.mutable_config();
  EXPECT_EQ(commands_.Answer(query).config().source(), v1::CONFIG_SOURCE_NONE);
  FakeRegistry none;
  NodeCommands commands({.breakers = none,
                         .live = live_,
                         .table = [this] { return table_; },
                         .status = [this] { return status_; },
                         .clock = [this] { return Now(); },
                         .policies = [](uint64_t) { return v1::PoliciesInForce(); },
                         .check = [](const v1::PolicyCheckQuery&) { return v1::PolicyCheck(); }});
  query.mutable_breakers();
  EXPECT_THAT(Names(commands.Answer(query)), IsEmpty());
  query.mutable_breakers()->set_target("openai");
  EXPECT_EQ(commands.Answer(query).message(), "there is no upstream \"openai\"; none is in force");
}

}  // namespace
}  // namespace sluice
