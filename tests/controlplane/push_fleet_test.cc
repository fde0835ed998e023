// PushHub: data planes that come, go, and say to be somebody else.
#include <deque>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/controlplane/push_fixture.h"

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class PushFleetTest : public PushHubTest {
 protected:
  static v1::Hello Instance(const std::string& id, const std::string& instance) {
    v1::Hello hello = Hello(id);
    hello.set_instance_id(instance);
    return hello;
  }

  void SayHealth(FakeStream& stream) {
    v1::SubscribeRequest message;
    message.mutable_health()->set_open_calls(1);
    ASSERT_TRUE(hub_->OnMessage(stream.id, message).ok());
  }
};

// Programs that do not tell their starts apart.
TEST_F(PushFleetTest, OfTwoStreamsWithOneNameTheNewerWins) {
  Commit({MakeUpstream("u")});
  FakeStream older, newer;
  ASSERT_TRUE(Connect(older, Hello("edge-1")).ok());
  ASSERT_TRUE(Connect(newer, Hello("edge-1")).ok());
  ASSERT_TRUE(older.ended.has_value());
  EXPECT_EQ(older.ended->code(), absl::StatusCode::kAborted);
  EXPECT_FALSE(newer.ended.has_value());
  Ack(older, *older.plans[0]);  // too late to matter
  EXPECT_EQ(Status("edge-1").state(), v1::NODE_STATE_PENDING);
  hub_->Detach(older.id);
  Ack(newer, *newer.plans[0]);
  EXPECT_EQ(Status("edge-1").state(), v1::NODE_STATE_ACKED);
}

TEST_F(PushFleetTest, OfTwoProgramsWithOneIdTheSecondIsRefusedWhileTheFirstIsHeard) {
  FakeStream first, second;
  ASSERT_TRUE(Connect(first, Instance("edge-1", "a"), "ipv4:10.0.0.1:1000").ok());
  Advance(absl::Seconds(14));
  SayHealth(first);
  Advance(absl::Seconds(14));
  const absl::Status refused = Connect(second, Instance("edge-1", "b"), "ipv4:10.0.0.2:1000");
  EXPECT_EQ(refused.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(refused.message(), HasSubstr("node id \"edge-1\" is in use by the data plane at ipv4:10.0.0.1:1000"));
  EXPECT_THAT(refused.message(), HasSubstr("--node-id"));
  EXPECT_FALSE(first.ended.has_value());
  EXPECT_THAT(observer_.dropped, testing::ElementsAre(DropReason::kRival));
  EXPECT_EQ(Status("edge-1").peer(), "ipv4:10.0.0.1:1000");
  EXPECT_EQ(Status("edge-1").rival_peer(), "ipv4:10.0.0.2:1000");
  hub_->Detach(second.id);
  EXPECT_EQ(Status("edge-1").state(), v1::NODE_STATE_ACKED);
  now_ += absl::Minutes(5);
  EXPECT_EQ(Status("edge-1").rival_peer(), "") << "it is over";
}

TEST_F(PushFleetTest, WhoHasTheIdGivesWay) {
  struct Case {
    const char* name;
    const char* first;
    const char* second;
    absl::Duration silence;
    bool goodbye;
  };
  for (const Case& c : {Case{"the same program that connects anew", "a", "a", absl::Seconds(1), false},
                        {"an old program, to any", "", "b", absl::Seconds(1), false},
                        {"to an old program", "a", "", absl::Seconds(1), false},
                        {"one that was not heard for three reports", "a", "b", kAliveFor, false},
                        {"one that leaves", "a", "b", absl::Seconds(1), true}}) {
    SCOPED_TRACE(c.name);
    Make({});
    FakeStream first, second;
    ASSERT_TRUE(Connect(first, Instance("edge-1", c.first)).ok());
    if (c.goodbye) SayGoodbye(first);
    Advance(c.silence);
    EXPECT_TRUE(Connect(second, Instance("edge-1", c.second)).ok());
    EXPECT_TRUE(first.ended.has_value());
    EXPECT_FALSE(second.ended.has_value());
    EXPECT_EQ(Status("edge-1").rival_peer(), "");
  }
}

TEST_F(PushFleetTest, TwoOldProgramsWithOneIdAreShownAsSuchAndToldWhatToDo) {
  FakeStream a, b, again;
  ASSERT_TRUE(Connect(a, Hello("edge-1"), "ipv4:10.0.0.1:1000").ok());
  ASSERT_TRUE(Connect(b, Hello("edge-1"), "ipv4:10.0.0.2:1000").ok());
  ASSERT_TRUE(a.ended.has_value());
  EXPECT_THAT(a.ended->message(), HasSubstr("ipv4:10.0.0.2:1000"));
  EXPECT_THAT(a.ended->message(), HasSubstr("give each a --node-id of its own"));
  EXPECT_EQ(Status("edge-1").rival_peer(), "") << "one may have come back before its loss was seen";
  Advance(absl::Seconds(1));
  ASSERT_TRUE(Connect(again, Hello("edge-1"), "ipv4:10.0.0.1:1001").ok());
  EXPECT_EQ(Status("edge-1").peer(), "ipv4:10.0.0.1:1001");
  EXPECT_EQ(Status("edge-1").rival_peer(), "ipv4:10.0.0.2:1000");
  Advance(absl::Minutes(5));
  EXPECT_EQ(Status("edge-1").rival_peer(), "") << "it is over";
}

TEST_F(PushFleetTest, RivalsAreLoggedOnceAMinute) {
  LogCapture log;
  std::deque<FakeStream> streams;
  ASSERT_TRUE(Connect(streams.emplace_back(), Instance("edge-1", "a"), "A").ok());
  const auto try_again = [&] {
    SayHealth(streams.front());
    EXPECT_FALSE(Connect(streams.emplace_back(), Instance("edge-1", "b"), "B").ok());
  };
  for (int i = 0; i < 5; ++i) try_again();
  EXPECT_EQ(log.Count("two data planes are called \"edge-1\", at A and B: give each a --node-id of its own"), 1);
  now_ += absl::Minutes(1);
  try_again();
  EXPECT_EQ(log.Count("two data planes"), 2);
}

TEST_F(PushFleetTest, LostNodesAreForgottenAfterATime) {
  FakeStream stream;
  ASSERT_TRUE(Connect(stream, Hello("edge-1")).ok());
  hub_->Detach(stream.id);
  EXPECT_EQ(Status("edge-1").state(), v1::NODE_STATE_LOST);
  Advance(absl::Minutes(59));
  EXPECT_THAT(hub_->ListNodes(), SizeIs(1));
  Advance(absl::Minutes(2));
  EXPECT_THAT(hub_->ListNodes(), SizeIs(0));
}

TEST_F(PushFleetTest, ANodeThatLeftInPeaceIsGoneAndForgottenSoon) {
  Commit({MakeUpstream("u")});
  FakeStream stream, other;
  ASSERT_TRUE(Connect(stream, Hello("edge-1")).ok());
  ASSERT_TRUE(Connect(other, Hello("edge-2")).ok());
  Ack(stream, *stream.plans.at(0));
  Ack(other, *other.plans.at(0));
  SayGoodbye(stream);
  hub_->Detach(stream.id);
  EXPECT_EQ(Status("edge-1").state(), v1::NODE_STATE_GONE);
  std::optional<v1::CommandResponse> answered;
  v1::CommandRequest ask;
  ask.mutable_query()->mutable_config();
  ASSERT_TRUE(hub_->Command(ask, absl::Seconds(1), [&](v1::CommandResponse r) { answered = std::move(r); }).ok());
  hub_->Detach(other.id);
  ASSERT_TRUE(answered.has_value());
  EXPECT_EQ(answered->lost_size(), 0) << "who left in peace is missed by nobody";
  Advance(absl::Minutes(9));
  EXPECT_EQ(Status("edge-1").state(), v1::NODE_STATE_GONE);
  Advance(absl::Minutes(2));
  EXPECT_EQ(Status("edge-1").node_id(), "");
  EXPECT_EQ(Status("edge-2").state(), v1::NODE_STATE_LOST);
}

TEST_F(PushFleetTest, ANodeThatLeavesIsSentNothingAndWaitedForByNobody) {
  Commit({MakeUpstream("u")});
  FakeStream stream;
  ASSERT_TRUE(Connect(stream, Hello("edge-1")).ok());
  Ack(stream, *stream.plans.at(0));
  SayGoodbye(stream);
  Commit({MakeUpstream("v")});
  EXPECT_THAT(stream.plans, SizeIs(1));
  std::optional<v1::AwaitRevisionResponse> answer;
  ASSERT_TRUE(hub_->Await(2, absl::Seconds(10), [&](v1::AwaitRevisionResponse r) { answer = std::move(r); }).ok());
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->pending() + answer->lost(), 0);
}

TEST_F(PushFleetTest, AwaitTellsWhoIsLost) {
  Commit({MakeUpstream("u")});
  FakeStream a, b, c;
  ASSERT_TRUE(Connect(a, Hello("a")).ok());
  ASSERT_TRUE(Connect(b, Hello("b")).ok());
  ASSERT_TRUE(Connect(c, Hello("c")).ok());
  Ack(a, *a.plans.at(0));
  Ack(b, *b.plans.at(0));
  hub_->Detach(b.id);
  std::optional<v1::AwaitRevisionResponse> answer;
  ASSERT_TRUE(hub_->Await(1, absl::Seconds(10), [&](v1::AwaitRevisionResponse r) { answer = std::move(r); }).ok());
  EXPECT_FALSE(answer.has_value()) << "c has not answered";
  hub_->Detach(c.id);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->acked(), 1);
  EXPECT_EQ(answer->lost(), 2);
  EXPECT_EQ(answer->pending(), 0);
  ASSERT_EQ(answer->nodes_size(), 2);
  EXPECT_EQ(answer->nodes(0).node_id(), "b");
  EXPECT_EQ(answer->nodes(0).state(), v1::NODE_STATE_LOST);
}

TEST_F(PushFleetTest, OnlyANodeThatIsNotConnectedIsForgottenByHand) {
  FakeStream stream;
  ASSERT_TRUE(Connect(stream, Hello("edge-1"), "ipv4:10.0.0.1:1000").ok());
  const absl::Status connected = hub_->Forget("edge-1");
  EXPECT_EQ(connected.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(connected.message(), HasSubstr("data plane \"edge-1\" is connected, from ipv4:10.0.0.1:1000"));
  const absl::Status unknown = hub_->Forget("egde-1");
  EXPECT_EQ(unknown.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(unknown.message(), HasSubstr("did you mean \"edge-1\"?"));
  hub_->Detach(stream.id);
  EXPECT_TRUE(hub_->Forget("edge-1").ok());
  EXPECT_THAT(hub_->ListNodes(), SizeIs(0));
}

TEST_F(PushFleetTest, TheRegistryIsBoundedAndGivesUpLostNodesFirst) {
  Make({.max_nodes = 2});
  FakeStream a, b, c, d;
  ASSERT_TRUE(Connect(a, Hello("a")).ok());
  ASSERT_TRUE(Connect(b, Hello("b")).ok());
  EXPECT_EQ(Connect(c, Hello("c")).code(), absl::StatusCode::kResourceExhausted);
  hub_->Detach(a.id);
  EXPECT_TRUE(Connect(d, Hello("d")).ok());
  EXPECT_EQ(Status("a").node_id(), "");
}

TEST_F(PushFleetTest, TheLogTellsWhoComesRefusesAndGoes) {
  LogCapture log;
  Commit({MakeUpstream("u")});
  FakeStream a, b;
  v1::Hello hello = Hello("a");
  hello.set_version("1.2.3\n[fake] line");
  ASSERT_TRUE(Connect(a, hello, "ipv4:10.0.0.1:1000").ok());
  EXPECT_THAT(log.text(), HasSubstr("data plane a connected from ipv4:10.0.0.1:1000, version \"1.2.3\\n[fake] line\", "
                                    "runs nothing of a control plane yet"));
  Nack(a, *a.plans.at(0));
  EXPECT_THAT(log.text(), HasSubstr("data plane a refused revision 1: upstream/u: credential: env KEY is not set here"));
  hub_->Detach(a.id);
  EXPECT_THAT(log.text(), HasSubstr("data plane a lost: its connection ended"));
  ASSERT_TRUE(Connect(b, Running("b", store_->epoch(), 1)).ok());
  EXPECT_THAT(log.text(), HasSubstr("data plane b connected from peer, runs revision 1 of epoch \"" + store_->epoch() + "\""));
  Advance(absl::Seconds(31));
  EXPECT_THAT(log.text(), HasSubstr("data plane b lost: no answer to revision 1 within 30s"));
  FakeStream c;
  ASSERT_TRUE(Connect(c, Hello("c")).ok());
  SayGoodbye(c);
  hub_->Detach(c.id);
  EXPECT_THAT(log.text(), HasSubstr("data plane c left in peace"));
}

TEST_F(PushFleetTest, ANodeThatFlapsDoesNotFloodTheLog) {
  LogCapture log;
  std::deque<FakeStream> streams;
  const auto flap = [&] {
    ASSERT_TRUE(Connect(streams.emplace_back(), Instance("a", "x")).ok());
    hub_->Detach(streams.back().id);
  };
  for (int i = 0; i < 100; ++i) flap();
  EXPECT_EQ(log.Count("data plane a"), 10);
  ASSERT_TRUE(Connect(streams.emplace_back(), Hello("b")).ok());
  EXPECT_EQ(log.Count("data plane b connected"), 1) << "the budget is each node's own";
  Advance(absl::Minutes(1));
  flap();
  EXPECT_THAT(log.text(), HasSubstr("(190 lines about it left out)"));
}

TEST_F(PushFleetTest, AMoveToANewStreamIsNoNewsUnlessNobodyComes) {
  FakeStream stream, moved;
  ASSERT_TRUE(Connect(stream, Instance("a", "x")).ok());
  LogCapture log;
  Advance(absl::Minutes(34));
  ASSERT_THAT(stream.drains, SizeIs(1));
  hub_->Detach(stream.id);
  ASSERT_TRUE(Connect(moved, Instance("a", "x")).ok());
  EXPECT_EQ(log.text(), "");
  Advance(absl::Minutes(34));
  hub_->Detach(moved.id);
  EXPECT_EQ(log.text(), "");
  Advance(kAliveFor);
  EXPECT_THAT(log.text(), HasSubstr("data plane a lost: asked to connect anew, it did not"));
}

}  // namespace
}  // namespace sluice
