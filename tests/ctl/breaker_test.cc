// breaker and top against a control plane in this process: what is printed
// where, and the exit status.
#include <sstream>

#include "controlplane/ctl/breaker_text.h"
#include "controlplane/ctl/ctl.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/policy/duration_text.h"
#include "tests/ctl/fake_admin.h"

namespace sluice::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// 03:12:18 of some day.
const absl::Time kNow = absl::UnixEpoch() + absl::Hours(3) + absl::Minutes(12) + absl::Seconds(18);
const Clock kClock{kNow, absl::UTCTimeZone()};

void AddFailure(google::protobuf::RepeatedPtrField<v1::FailureCount>* failures, const std::string& what, uint64_t count) {
  v1::FailureCount* failure = failures->Add();
  failure->set_failure(what);
  failure->set_count(count);
}

v1::BreakerStatus Closed(const std::string& endpoint = "primary", uint64_t failures = 2, uint64_t calls = 480) {
  v1::BreakerStatus breaker;
  breaker.set_upstream("openai");
  breaker.set_endpoint(endpoint);
  breaker.set_state(v1::BREAKER_STATE_CLOSED);
  breaker.set_automatic(v1::BREAKER_STATE_CLOSED);
  *breaker.mutable_since() = ToProto(kNow - absl::Minutes(7));
  *breaker.mutable_age() = ToProto(absl::Minutes(7));
  v1::BreakerWindow& window = *breaker.mutable_window();
  *window.mutable_time_span() = ToProto(absl::Seconds(60));
  window.set_calls(calls);
  window.set_failures(failures);
  window.set_failure_percent(calls == 0 ? 0 : 100.0 * failures / calls);
  window.set_min_calls(20);
  window.set_max_failure_percent(50);
  window.set_max_slow_percent(100);
  *window.mutable_slow_after() = ToProto(absl::Seconds(60));
  if (failures > 0) AddFailure(window.mutable_by_failure(), "503", failures);
  breaker.mutable_probes()->set_permits(3);
  return breaker;
}

v1::BreakerStatus Open() {
  v1::BreakerStatus breaker = Closed("primary", 31, 52);
  breaker.set_state(v1::BREAKER_STATE_OPEN);
  breaker.set_automatic(v1::BREAKER_STATE_OPEN);
  *breaker.mutable_since() = ToProto(kNow - absl::Seconds(14));
  *breaker.mutable_age() = ToProto(absl::Seconds(14));
  *breaker.mutable_open_until() = ToProto(kNow + absl::Seconds(6));
  *breaker.mutable_open_for() = ToProto(absl::Seconds(20));
  breaker.set_times_in_a_row(3);
  v1::BreakerOpening& opening = *breaker.mutable_last_opening();
  opening.set_cause(v1::BREAKER_CAUSE_FAILURES);
  *opening.mutable_at() = breaker.since();
  opening.set_reason("31 of 52 calls failed in the last 60 s (59.6 % >= 50 %)");
  AddFailure(opening.mutable_by_failure(), "503", 22);
  AddFailure(opening.mutable_by_failure(), "first content later than 30 s", 9);
  return breaker;
}

v1::BreakerStatus TrippedByHand() {
  v1::BreakerStatus breaker = Open();
  breaker.set_times_in_a_row(0);
  breaker.clear_open_until();
  breaker.clear_open_for();
  breaker.mutable_last_opening()->set_cause(v1::BREAKER_CAUSE_OPERATOR);
  breaker.mutable_last_opening()->set_reason("by ann: provider incident");
  breaker.mutable_last_opening()->clear_by_failure();
  return breaker;
}

TEST(BreakerTextTest, AnOpenBreakerIsExplainedAsAt3InTheMorning) {
  EXPECT_EQ(ExplainBreaker(Open(), kClock),
            "OPEN since 03:12:04 (14 s of 20 s, third time in a row): 31 of 52 calls failed in the last 60 s (59.6 % >= 50 %)\n"
            "  22 × 503, 9 × first content later than 30 s\n"
            "  probes: 3 at 03:12:24\n");
}

TEST(BreakerTextTest, OneWhoseTimeIsOverWaitsForACall) {
  v1::BreakerStatus breaker = Open();
  *breaker.mutable_age() = ToProto(absl::Seconds(25));
  EXPECT_THAT(ExplainBreaker(breaker, kClock), HasSubstr("  probes: 3, beginning with the next call\n"));
  EXPECT_EQ(OpenUntilText(breaker, kClock), "next call");
}

TEST(BreakerTextTest, OneTrippedByHandNamesWhoAndWhy) {
  EXPECT_EQ(ExplainBreaker(TrippedByHand(), kClock),
            "OPEN since 03:12:04 (14 s, until it is reset): tripped by ann: provider incident\n");
  EXPECT_EQ(OpenUntilText(TrippedByHand(), kClock), "reset");
}

TEST(BreakerTextTest, AHalfOpenOneTellsItsProbes) {
  v1::BreakerStatus breaker = Open();
  breaker.set_state(v1::BREAKER_STATE_HALF_OPEN);
  *breaker.mutable_since() = ToProto(kNow - absl::Seconds(2));
  *breaker.mutable_age() = ToProto(absl::Seconds(2));
  breaker.mutable_probes()->set_taken(2);
  breaker.mutable_probes()->set_answered(1);
  EXPECT_EQ(ExplainBreaker(breaker, kClock),
            "HALF_OPEN since 03:12:16 (2 s, third time in a row): 1 of 3 probes answered, 0 failed, 1 under way\n"
            "  opened at 03:12:04: 31 of 52 calls failed in the last 60 s (59.6 % >= 50 %)\n"
            "  22 × 503, 9 × first content later than 30 s\n");
}

TEST(BreakerTextTest, AClosedOneTellsHowFarItIsFromOpening) {
  EXPECT_EQ(ExplainBreaker(Closed(), kClock),
            "CLOSED: 2 of 480 calls failed in the last 60 s (0.4 % < 50 %)\n  2 × 503\n");
  EXPECT_EQ(ExplainBreaker(Closed("primary", 3, 4), kClock),
            "CLOSED: 3 of 4 calls failed in the last 60 s; 20 are needed to judge\n  3 × 503\n");
  EXPECT_EQ(ExplainBreaker(Closed("primary", 0, 0), kClock), "CLOSED: no calls in the last 60 s\n");
  v1::BreakerStatus counted = Closed("primary", 0, 50);
  counted.mutable_window()->set_call_span(100);
  counted.mutable_window()->set_slow(5);
  counted.mutable_window()->set_slow_percent(10);
  EXPECT_EQ(ExplainBreaker(counted, kClock),
            "CLOSED: 0 of 50 calls failed in the last 100 calls (0 % < 50 %)\n"
            "  5 of 50 waited longer than 60 s for the first token (10 % < 100 %)\n");
}

TEST(BreakerTextTest, AClosedOneRemembersWhenItWasOpen) {
  v1::BreakerStatus breaker = Closed();
  *breaker.mutable_last_opening() = Open().last_opening();
  EXPECT_THAT(ExplainBreaker(breaker, kClock), HasSubstr("  opened last at 03:12:04: 31 of 52 calls failed"));
}

TEST(BreakerTextTest, ModesOfThePolicyAreNamedAsSuch) {
  v1::BreakerStatus breaker = Open();
  breaker.set_refused_total(17);
  breaker.set_state(v1::BREAKER_STATE_OBSERVE_ONLY);
  EXPECT_EQ(ExplainBreaker(breaker, kClock),
            "OBSERVE_ONLY by policy: lets everything through; would be OPEN and have held back 17 calls so far\n"
            "  would have opened at 03:12:04: 31 of 52 calls failed in the last 60 s (59.6 % >= 50 %)\n"
            "  22 × 503, 9 × first content later than 30 s\n");
  breaker.set_state(v1::BREAKER_STATE_FORCED_OPEN);
  EXPECT_EQ(ExplainBreaker(breaker, kClock),
            "FORCED_OPEN by policy since 03:12:04: lets nothing through; held back 17 calls so far\n");
  breaker.set_state(v1::BREAKER_STATE_DISABLED);
  EXPECT_THAT(ExplainBreaker(breaker, kClock), StartsWith("DISABLED by policy"));
}

TEST(BreakerTextTest, SpansHaveTwoUnitsAtMost) {
  EXPECT_EQ(SpanText(absl::Milliseconds(350)), "350 ms");
  EXPECT_EQ(SpanText(absl::Milliseconds(19700)), "20 s");
  EXPECT_EQ(SpanText(absl::Seconds(119)), "119 s");
  EXPECT_EQ(SpanText(absl::Minutes(5)), "5 m");
  EXPECT_EQ(SpanText(absl::Seconds(310)), "5 m 10 s");
  EXPECT_EQ(SpanText(absl::Minutes(200)), "3 h 20 m");
  EXPECT_EQ(SpanText(absl::Hours(50)), "2 d 2 h");
}

class BreakerCtlTest : public ::testing::Test {
 protected:
  ExitCode Run(std::vector<std::string> args) {
    std::ostringstream out, err;
    args.insert(args.begin(), {"--server", admin_.address(), "--author", "ann"});
    CtlIo io{out, err};
    io.now = [] { return kNow; };
    io.zone = absl::UTCTimeZone();
    const ExitCode code = RunCtl(args, io);
    out_ = out.str();
    err_ = err.str();
    return code;
  }

  v1::Answer& Node(const std::string& id) {
    v1::NodeAnswer* answer = admin_.command_answer.add_answers();
    answer->set_node_id(id);
    *admin_.command_answer.mutable_elapsed() = ToProto(absl::Milliseconds(12));
    return *answer->mutable_answer();
  }

  void NodeFails(const std::string& id, grpc::StatusCode code, const std::string& message) {
    v1::Answer& answer = Node(id);
    answer.set_code(code);
    answer.set_message(message);
  }

  void Lost(const std::string& id) {
    v1::NodeStatus* node = admin_.command_answer.add_lost();
    node->set_node_id(id);
    node->set_state(v1::NODE_STATE_LOST);
    *node->mutable_since() = ToProto(kNow - absl::Minutes(3));
  }

  testing::FakeAdmin admin_;
  std::string out_;
  std::string err_;
};

TEST_F(BreakerCtlTest, ListPutsTheSameBreakerOfAllNodesTogether) {
  *Node("edge-1").mutable_breakers()->add_breakers() = Open();
  *admin_.command_answer.mutable_answers(0)->mutable_answer()->mutable_breakers()->add_breakers() = Closed("backup", 0, 0);
  *Node("edge-2").mutable_breakers()->add_breakers() = Closed();
  EXPECT_EQ(Run({"breaker", "list"}), ExitCode::kOk) << err_;
  EXPECT_EQ(out_,
            "UPSTREAM/ENDPOINT  NODE    STATE   SINCE           FAILED  SLOW  CALLS  UNTIL     WHY\n"
            "openai/backup      edge-1  CLOSED  7m (03:05:18)   –       –     0      –\n"
            "openai/primary     edge-1  OPEN    14s (03:12:04)  59.6 %  0 %   52     03:12:24  31 of 52 calls failed in the last "
            "60 s (59.6 % >= 50 %)\n"
            "openai/primary     edge-2  CLOSED  7m (03:05:18)   0.4 %   0 %   480    –\n");
  EXPECT_TRUE(admin_.command.query().has_breakers());
  EXPECT_EQ(admin_.command.node_id(), "");
  EXPECT_EQ(admin_.command.timeout().seconds(), 10);
}

TEST_F(BreakerCtlTest, ListTakesATargetANodeAndOtherForms) {
  *Node("edge-1").mutable_breakers()->add_breakers() = Open();
  EXPECT_EQ(Run({"breaker", "list", "openai", "--node", "edge-1", "-o", "name"}), ExitCode::kOk);
  EXPECT_EQ(out_, "openai/primary\n");
  EXPECT_EQ(admin_.command.query().breakers().target(), "openai");
  EXPECT_EQ(admin_.command.node_id(), "edge-1");
  EXPECT_EQ(Run({"breaker", "list", "-o", "json"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("\"state\": \"OPEN\""));
}

TEST_F(BreakerCtlTest, WithoutDataPlanesItSaysSo) {
  EXPECT_EQ(Run({"breaker", "list"}), ExitCode::kNotAcked);
  EXPECT_EQ(out_, "");
  EXPECT_EQ(err_, "sluicectl: no data plane is connected\n");
  EXPECT_EQ(Run({"breaker", "trip", "openai"}), ExitCode::kNotAcked);
}

TEST_F(BreakerCtlTest, ExplainOfOneBreakerOfOneNodeIsAsWritten) {
  *Node("edge-1").mutable_breakers()->add_breakers() = Open();
  EXPECT_EQ(Run({"breaker", "explain", "openai/primary"}), ExitCode::kOk);
  EXPECT_EQ(out_, ExplainBreaker(Open(), kClock));
}

TEST_F(BreakerCtlTest, ExplainSaysWhichNodeWhereThereAreSeveral) {
  *Node("edge-1").mutable_breakers()->add_breakers() = Open();
  *Node("edge-2").mutable_breakers()->add_breakers() = Closed();
  EXPECT_EQ(Run({"breaker", "explain", "openai/primary"}), ExitCode::kOk);
  EXPECT_THAT(out_, StartsWith("edge-1: OPEN since 03:12:04"));
  EXPECT_THAT(out_, HasSubstr("\nedge-2: CLOSED: 2 of 480"));
  *admin_.command_answer.mutable_answers(1)->mutable_answer()->mutable_breakers()->add_breakers() = Closed("backup", 0, 0);
  EXPECT_EQ(Run({"breaker", "explain", "openai"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("openai/backup on edge-2: CLOSED: no calls in the last 60 s\n"));
}

TEST_F(BreakerCtlTest, TripSaysOnHowManyAndUntilWhen) {
  Node("edge-1").mutable_breakers();
  Node("edge-2").mutable_breakers();
  EXPECT_EQ(Run({"breaker", "trip", "openai/primary", "--for", "5m", "--reason", "provider incident"}), ExitCode::kOk);
  EXPECT_EQ(out_, "openai/primary tripped on 2/2 data planes in 12 ms · until 03:17:18\n");
  EXPECT_EQ(err_, "");
  const v1::NodeCommand& command = admin_.command.command();
  EXPECT_EQ(command.trip_breaker().target(), "openai/primary");
  EXPECT_EQ(command.trip_breaker().lasting().seconds(), 300);
  EXPECT_EQ(command.reason(), "provider incident");
  EXPECT_EQ(command.author(), "ann");
}

TEST_F(BreakerCtlTest, TripWithoutATimeSaysHowItEnds) {
  Node("edge-1").mutable_breakers();
  EXPECT_EQ(Run({"breaker", "trip", "openai"}), ExitCode::kOk);
  EXPECT_EQ(out_, "openai tripped on 1/1 data plane in 12 ms · until reset (sluicectl breaker reset openai)\n");
  EXPECT_FALSE(admin_.command.command().trip_breaker().has_lasting());
}

TEST_F(BreakerCtlTest, ResetSaysOnHowMany) {
  Node("edge-1").mutable_breakers();
  Node("edge-2").mutable_breakers();
  EXPECT_EQ(Run({"breaker", "reset", "openai/primary", "--node", "edge-1"}), ExitCode::kOk);
  EXPECT_EQ(out_, "openai/primary reset on 2/2 data planes in 12 ms\n");
  EXPECT_EQ(admin_.command.command().reset_breaker().target(), "openai/primary");
  EXPECT_EQ(admin_.command.node_id(), "edge-1");
}

TEST_F(BreakerCtlTest, ResetTellsTheRestsThatItEnded) {
  v1::BreakerStatus cooled = Closed();
  v1::EndpointHold& ended = *cooled.mutable_ended();
  ended.set_cause(v1::HOLD_CAUSE_COOLING);
  *ended.mutable_until() = ToProto(kNow + absl::Minutes(50));
  *ended.mutable_remaining() = ToProto(absl::Minutes(50));
  *Node("edge-1").mutable_breakers()->add_breakers() = cooled;
  *Node("edge-2").mutable_breakers()->add_breakers() = Closed();
  EXPECT_EQ(Run({"breaker", "reset", "openai/primary"}), ExitCode::kOk);
  EXPECT_EQ(out_,
            "openai/primary reset on 2/2 data planes in 12 ms\n"
            "openai/primary on edge-1: rest ended, was until 04:02:18 (50 m left)\n");
}

TEST_F(BreakerCtlTest, ADataPlaneThatDoesNotAnswerIsNamedAndHasItsOwnStatus) {
  Node("edge-1").mutable_breakers();
  NodeFails("edge-2", grpc::StatusCode::DEADLINE_EXCEEDED, "no answer within 10s");
  EXPECT_EQ(Run({"breaker", "trip", "openai", "--for", "1m"}), ExitCode::kNotAcked);
  EXPECT_THAT(out_, StartsWith("openai tripped on 1/2 data planes in 12 ms"));
  EXPECT_EQ(err_, "edge-2: no answer within 10s\n");
}

TEST_F(BreakerCtlTest, ADataPlaneThatRefusesIsNamedAndHasItsOwnStatus) {
  Node("edge-1").mutable_breakers();
  NodeFails("edge-2", grpc::StatusCode::NOT_FOUND, "there is no upstream \"openai\"");
  NodeFails("edge-3", grpc::StatusCode::UNAVAILABLE, "its connection was lost before it answered");
  EXPECT_EQ(Run({"breaker", "trip", "openai"}), ExitCode::kNodeRefused);
  EXPECT_EQ(err_, "edge-2: there is no upstream \"openai\"\nedge-3: its connection was lost before it answered\n");
}

TEST_F(BreakerCtlTest, AnUnknownTargetIsSaidOnceAndNotFound) {
  for (const char* node : {"edge-1", "edge-2"}) {
    NodeFails(node, grpc::StatusCode::NOT_FOUND, "there is no upstream \"opnai\"; did you mean \"openai\"?");
  }
  for (const char* verb : {"list", "explain", "trip", "reset"}) {
    EXPECT_EQ(Run({"breaker", verb, "opnai"}), ExitCode::kNotFound) << verb;
    EXPECT_EQ(out_, "");
    EXPECT_EQ(err_, "sluicectl: there is no upstream \"opnai\"; did you mean \"openai\"?\n");
  }
}

TEST_F(BreakerCtlTest, WhatThePolicyForbidsIsAConflict) {
  NodeFails("edge-1", grpc::StatusCode::FAILED_PRECONDITION, "openai/primary: its policy says DISABLED");
  EXPECT_EQ(Run({"breaker", "trip", "openai/primary"}), ExitCode::kConflict);
}

TEST_F(BreakerCtlTest, NodesThatAreNotConnectedAreNamed) {
  *Node("edge-1").mutable_breakers()->add_breakers() = Closed();
  Lost("edge-3");
  for (const char* verb : {"trip", "reset"}) {
    EXPECT_EQ(Run({"breaker", verb, "openai"}), ExitCode::kNotAcked) << "not every data plane did it";
    EXPECT_THAT(out_, HasSubstr(" on 1/2 data planes"));
    EXPECT_EQ(err_, "edge-3: not connected since 3m, so it was not asked\n");
  }
  EXPECT_EQ(Run({"breaker", "list"}), ExitCode::kOk) << "what it shows is whole";
  EXPECT_EQ(err_, "edge-3: not connected since 3m, so it was not asked\n");
  admin_.command_answer.clear_answers();
  EXPECT_EQ(Run({"breaker", "trip", "openai", "--node", "edge-3"}), ExitCode::kNotAcked);
  EXPECT_EQ(out_, "");
  EXPECT_EQ(err_, "edge-3: not connected since 3m, so it was not asked\n");
}

TEST_F(BreakerCtlTest, WhatTheControlPlaneRefusesIsSaid) {
  admin_.command_status = grpc::Status(grpc::StatusCode::NOT_FOUND, "data plane \"egde-1\" is not known; did you mean \"edge-1\"?");
  EXPECT_EQ(Run({"breaker", "list", "--node", "egde-1"}), ExitCode::kNotFound);
  EXPECT_EQ(err_, "sluicectl: data plane \"egde-1\" is not known; did you mean \"edge-1\"?\n");
}

v1::EndpointFigures Figures(const std::string& endpoint, v1::BreakerState state, uint64_t attempts, uint64_t errors) {
  v1::EndpointFigures figures;
  figures.set_upstream("openai");
  figures.set_endpoint(endpoint);
  figures.set_breaker(state);
  *figures.mutable_breaker_age() = ToProto(absl::Seconds(14));
  figures.set_attempts(attempts);
  figures.set_errors(errors);
  return figures;
}

void AddBucket(v1::EndpointFigures& figures, absl::Duration within, uint64_t attempts) {
  v1::FirstTokenBucket* bucket = figures.add_first_token();
  *bucket->mutable_within() = ToProto(within);
  bucket->set_attempts(attempts);
}

TEST_F(BreakerCtlTest, TopSumsUpOverTheDataPlanes) {
  for (const char* node : {"edge-1", "edge-2"}) {
    v1::LiveFigures& live = *Node(node).mutable_live();
    *live.mutable_window() = ToProto(absl::Seconds(10));
    *live.add_endpoints() = Figures("primary", v1::BREAKER_STATE_OPEN, 0, 0);
    v1::EndpointFigures& backup = *live.add_endpoints() = Figures("backup", v1::BREAKER_STATE_CLOSED, 4200, 17);
    backup.set_in_flight(106);
    backup.set_retries(15);
    AddBucket(backup, absl::Milliseconds(310), node[5] == '1' ? 4000 : 3900);
    AddBucket(backup, absl::Milliseconds(1200), 250);
  }
  EXPECT_EQ(Run({"top"}), ExitCode::kOk) << err_;
  EXPECT_EQ(out_,
            "UPSTREAM/ENDPOINT  STATE     REQ/S  ERR%  TTFT p50/p95  IN FLIGHT  RETRIES/S\n"
            "openai/backup      CLOSED    840    0.4   310ms/1.2s    212        3\n"
            "openai/primary     OPEN 14s  0      –     –             0          0\n"
            "2 data planes · the last 10 s\n");
  EXPECT_EQ(Run({"top", "openai", "--node", "edge-1", "-o", "json"}), ExitCode::kOk);
  EXPECT_EQ(admin_.command.query().live().target(), "openai");
  EXPECT_EQ(admin_.command.node_id(), "edge-1");
  EXPECT_THAT(out_, HasSubstr("\"attempts\": 4200,"));
}

TEST_F(BreakerCtlTest, TopShowsTheWorstStateAndOnHowManyItIs) {
  for (const char* node : {"edge-1", "edge-2", "edge-3"}) {
    v1::LiveFigures& live = *Node(node).mutable_live();
    *live.mutable_window() = ToProto(absl::Seconds(10));
    *live.add_endpoints() =
        Figures("primary", node[5] == '2' ? v1::BREAKER_STATE_OPEN : v1::BREAKER_STATE_CLOSED, 10, 0);
  }
  EXPECT_EQ(Run({"top"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("openai/primary     OPEN 14s on 1/3  3"));
}

v1::EndpointHold Hold(v1::HoldCause cause, absl::Duration remaining = absl::ZeroDuration()) {
  v1::EndpointHold hold;
  hold.set_cause(cause);
  if (remaining == absl::ZeroDuration()) return hold;
  *hold.mutable_until() = ToProto(kNow + remaining);
  *hold.mutable_remaining() = ToProto(remaining);
  return hold;
}

v1::EndpointHold Cooling(uint32_t resting, uint32_t credentials) {
  v1::EndpointHold hold = Hold(v1::HOLD_CAUSE_COOLING, absl::Seconds(8));
  hold.set_resting(resting);
  hold.set_credentials(credentials);
  return hold;
}

TEST_F(BreakerCtlTest, TopTellsWhyAnEndpointWithAClosedBreakerGetsNoCalls) {
  v1::LiveFigures& live = *Node("edge-1").mutable_live();
  *live.mutable_window() = ToProto(absl::Seconds(10));
  const auto add = [&live](const std::string& name, std::vector<v1::EndpointHold> holds,
                           v1::BreakerState breaker = v1::BREAKER_STATE_CLOSED) {
    v1::EndpointFigures& figures = *live.add_endpoints() = Figures(name, breaker, 0, 0);
    for (v1::EndpointHold& hold : holds) *figures.add_holds() = hold;
  };
  add("a", {Hold(v1::HOLD_CAUSE_EJECTED, absl::Seconds(30))});
  add("b", {Cooling(2, 2)});
  add("c", {Cooling(1, 2)});
  add("d", {Hold(v1::HOLD_CAUSE_UNHEALTHY), Hold(v1::HOLD_CAUSE_EJECTED, absl::Seconds(30))});
  add("e", {Hold(v1::HOLD_CAUSE_INACTIVE)}, v1::BREAKER_STATE_OPEN);
  add("f", {Hold(v1::HOLD_CAUSE_EJECTED, absl::Seconds(30))}, v1::BREAKER_STATE_OPEN);
  add("g", {Hold(v1::HOLD_CAUSE_UPSTREAM_OPEN, absl::Seconds(5))});
  add("h", {Hold(static_cast<v1::HoldCause>(99))});
  EXPECT_EQ(Run({"top"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("\nopenai/a           EJECTED until 03:12:48        0 "));
  EXPECT_THAT(out_, HasSubstr("\nopenai/b           COOLING until 03:12:26        0 "));
  EXPECT_THAT(out_, HasSubstr("\nopenai/c           CLOSED                        0 "));
  EXPECT_THAT(out_, HasSubstr("\nopenai/d           UNHEALTHY                     0 "));
  EXPECT_THAT(out_, HasSubstr("\nopenai/e           INACTIVE                      0 "));
  EXPECT_THAT(out_, HasSubstr("\nopenai/f           OPEN 14s                      0 "));
  EXPECT_THAT(out_, HasSubstr("\nopenai/g           UPSTREAM_OPEN until 03:12:23  0 "));
  EXPECT_THAT(out_, HasSubstr("\nopenai/h           HELD                          0 "));
}

TEST_F(BreakerCtlTest, TopTellsOnHowManyAnEndpointIsOutAndUntilWhenTheLast) {
  for (const char* node : {"edge-1", "edge-2", "edge-3"}) {
    v1::LiveFigures& live = *Node(node).mutable_live();
    *live.mutable_window() = ToProto(absl::Seconds(10));
    v1::EndpointFigures& figures = *live.add_endpoints() = Figures("primary", v1::BREAKER_STATE_CLOSED, 10, 0);
    if (node[5] != '2') *figures.add_holds() = Hold(v1::HOLD_CAUSE_EJECTED, absl::Seconds(10 * (node[5] - '0')));
  }
  EXPECT_EQ(Run({"top"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("openai/primary     EJECTED until 03:12:48 on 2/3  3"));
}

TEST_F(BreakerCtlTest, ListAndExplainTellWhatHoldsCallsBackBesideTheBreaker) {
  v1::BreakerStatus breaker = Closed();
  *breaker.add_holds() = Hold(v1::HOLD_CAUSE_UNHEALTHY);
  *breaker.add_holds() = Hold(v1::HOLD_CAUSE_EJECTED, absl::Seconds(30));
  *breaker.add_holds() = Cooling(1, 2);
  *Node("edge-1").mutable_breakers()->add_breakers() = breaker;
  EXPECT_EQ(Run({"breaker", "list"}), ExitCode::kOk);
  EXPECT_EQ(out_,
            "UPSTREAM/ENDPOINT  NODE    STATE      SINCE  FAILED  SLOW  CALLS  UNTIL  WHY\n"
            "openai/primary     edge-1  UNHEALTHY  –      0.4 %   0 %   480    –      its health checks fail; EJECTED until "
            "03:12:48 (30 s left): failures in a row (outlier detection); 1 of 2 credentials rests until 03:12:26 (8 s "
            "left): it asked for a rest (Retry-After, rate limit or quota)\n");
  EXPECT_EQ(Run({"breaker", "explain", "openai/primary"}), ExitCode::kOk);
  EXPECT_EQ(out_,
            "UNHEALTHY: its health checks fail\n"
            "EJECTED until 03:12:48 (30 s left): failures in a row (outlier detection)\n"
            "breaker CLOSED: 2 of 480 calls failed in the last 60 s (0.4 % < 50 %)\n  2 × 503\n"
            "  1 of 2 credentials rests until 03:12:26 (8 s left): it asked for a rest (Retry-After, rate limit or "
            "quota)\n");
}

TEST_F(BreakerCtlTest, TopOfNothingSaysSo) {
  Node("edge-1").mutable_live();
  EXPECT_EQ(Run({"top"}), ExitCode::kOk);
  EXPECT_EQ(out_, "");
  EXPECT_EQ(err_, "no upstream is in force\n");
}

TEST_F(BreakerCtlTest, ConfigTellsWhatEachNodeHasInForceAndWhereItCameFrom) {
  v1::ConfigInForce& one = *Node("edge-1").mutable_config();
  one.set_source(v1::CONFIG_SOURCE_CONTROL_PLANE);
  one.set_revision(7);
  *one.mutable_applied() = ToProto(kNow - absl::Minutes(2));
  one.add_routes("chat");
  one.add_endpoints("openai/primary");
  one.add_endpoints("openai/backup");
  v1::ConfigInForce& two = *Node("edge-2").mutable_config();
  two.set_source(v1::CONFIG_SOURCE_LAST_KNOWN_GOOD);
  two.set_revision(6);
  two.set_last_error("upstream/openai: env OPENAI_API_KEY is not set here");
  NodeFails("edge-3", grpc::StatusCode::DEADLINE_EXCEEDED, "no answer within 10s");
  EXPECT_EQ(Run({"config"}), ExitCode::kNotAcked);
  EXPECT_EQ(out_,
            "NODE    REVISION  SOURCE           SINCE          ROUTES  ENDPOINTS  LAST ERROR\n"
            "edge-1  7         control plane    2m (03:10:18)  1       2\n"
            "edge-2  6         last known good  –              0       0          upstream/openai: env OPENAI_API_KEY is not set "
            "here\n");
  EXPECT_EQ(err_, "edge-3: no answer within 10s\n");
  EXPECT_TRUE(admin_.command.query().has_config());
  EXPECT_EQ(Run({"config", "--node", "edge-1", "-o", "json"}), ExitCode::kNotAcked);
  EXPECT_THAT(out_, HasSubstr("\"openai/primary\""));
}

TEST_F(BreakerCtlTest, HelpOfEachHasExamples) {
  for (const char* verb : {"list", "explain", "trip", "reset"}) {
    EXPECT_EQ(Run({"breaker", verb, "--help"}), ExitCode::kOk);
    EXPECT_THAT(out_, HasSubstr(std::string("sluicectl breaker ") + verb)) << verb;
    EXPECT_THAT(out_, Not(HasSubstr("Exit status"))) << verb;
  }
}

}  // namespace
}  // namespace sluice::ctl
