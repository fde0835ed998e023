// PushHub: what is sent when, and what is made of the answers.
#include "controlplane/push/push_hub.h"

#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/controlplane/push_fixture.h"

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

TEST_F(PushHubTest, ANewNodeGetsASnapshotAndThenDifferences) {
  Commit({MakeUpstream("u")});
  FakeStream stream;
  ASSERT_TRUE(Connect(stream, Hello("edge-1")).ok());
  ASSERT_THAT(stream.plans, SizeIs(1));
  EXPECT_TRUE(stream.plans[0]->snapshot);
  Ack(stream, *stream.plans[0]);
  EXPECT_EQ(Status("edge-1").state(), v1::NODE_STATE_ACKED);
  Commit({MakeUpstream("v")});
  EXPECT_EQ(Status("edge-1").state(), v1::NODE_STATE_PENDING);
  hub_->Tick();
  ASSERT_THAT(stream.plans, SizeIs(2));
  EXPECT_FALSE(stream.plans[1]->snapshot);
  EXPECT_EQ(stream.plans[1]->chunks[0].update().upserts_size(), 1);
}

TEST_F(PushHubTest, WhileOneUpdateIsUnansweredTheNextOnesBecomeOne) {
  Commit({MakeRetryPolicy("p", 1)});
  FakeStream stream;
  ASSERT_TRUE(Connect(stream, Hello("edge-1")).ok());
  for (int i = 2; i <= 9; ++i) {
    Commit({MakeRetryPolicy("p", i)});
    Advance(absl::Seconds(1));
  }
  ASSERT_THAT(stream.plans, SizeIs(1));
  Ack(stream, *stream.plans[0]);
  ASSERT_THAT(stream.plans, SizeIs(2));
  EXPECT_EQ(stream.plans[1]->target->revision, 9);
}

TEST_F(PushHubTest, TheFirstChangeGoesAtOnceTheNextAreMergedRemovalsDoNotWait) {
  Commit({MakeEndpointList("l", 3)});
  hub_->Tick();
  FakeStream stream;
  ASSERT_TRUE(Connect(stream, Hello("edge-1")).ok());
  Ack(stream, *stream.plans[0]);
  Advance(absl::Seconds(1));

  CommitNow({MakeRetryPolicy("p", 1)});
  hub_->Tick();
  ASSERT_THAT(stream.plans, SizeIs(2));
  Ack(stream, *stream.plans[1]);
  CommitNow({MakeRetryPolicy("p", 2)});
  EXPECT_EQ(hub_->Tick(), now_ + absl::Milliseconds(50));
  EXPECT_THAT(stream.plans, SizeIs(2));
  Advance(absl::Milliseconds(50));
  ASSERT_THAT(stream.plans, SizeIs(3));
  Ack(stream, *stream.plans[2]);

  CommitNow({MakeEndpointList("l", 2)});
  hub_->Tick();
  EXPECT_THAT(stream.plans, SizeIs(4));
}

TEST_F(PushHubTest, ARefusalParksUntilThereIsSomethingNew) {
  Commit({MakeUpstream("u")});
  FakeStream stream;
  ASSERT_TRUE(Connect(stream, Hello("edge-1")).ok());
  Nack(stream, *stream.plans[0]);
  for (int i = 0; i < 10; ++i) Advance(absl::Seconds(5));
  EXPECT_THAT(stream.plans, SizeIs(1));
  EXPECT_EQ(observer_.nacks, 1);
  v1::NodeStatus status = Status("edge-1");
  EXPECT_EQ(status.state(), v1::NODE_STATE_NACKED);
  EXPECT_EQ(status.last_error(), "upstream/u: credential: env KEY is not set here");
  EXPECT_EQ(status.acked_revision(), 0);

  Commit({MakeUpstream("u", "http://127.0.0.1:2/v1")});
  hub_->Tick();
  ASSERT_THAT(stream.plans, SizeIs(2));
  EXPECT_TRUE(stream.plans[1]->snapshot);  // it still has nothing
  Ack(stream, *stream.plans[1]);
  EXPECT_EQ(Status("edge-1").state(), v1::NODE_STATE_ACKED);
  EXPECT_EQ(Status("edge-1").last_error(), "");
}

TEST_F(PushHubTest, AnswersToOtherNoncesMeanNothing) {
  Commit({MakeUpstream("u")});
  FakeStream stream;
  ASSERT_TRUE(Connect(stream, Hello("edge-1")).ok());
  UpdatePlan other = *stream.plans[0];
  other.nonce = "made-up";
  Ack(stream, other);
  EXPECT_EQ(Status("edge-1").state(), v1::NODE_STATE_PENDING);
  Nack(stream, other);
  EXPECT_EQ(Status("edge-1").state(), v1::NODE_STATE_PENDING);
}

TEST_F(PushHubTest, ResumingNamesWhatIsGoneMeanwhile) {
  Commit({MakeUpstream("a"), MakeUpstream("b")});
  Commit({MakeUpstream("c")}, {{"Upstream", "a"}});
  v1::Hello hello = Hello("edge-1");
  hello.set_epoch(store_->epoch());
  hello.set_revision(1);
  for (const char* name : {"a", "b"}) {
    v1::ResourceVersion& have = *hello.add_have();
    have.set_kind("Upstream");
    have.set_name(name);
    have.set_version(1);
  }
  FakeStream stream;
  hub_->Tick();
  ASSERT_TRUE(Connect(stream, hello).ok());
  ASSERT_THAT(stream.plans, SizeIs(1));
  const v1::Update& update = stream.plans[0]->chunks[0].update();
  EXPECT_FALSE(update.snapshot());
  ASSERT_EQ(update.upserts_size(), 1);
  EXPECT_EQ(update.upserts(0).name(), "c");
  ASSERT_EQ(update.removals_size(), 1);
  EXPECT_EQ(update.removals(0).name(), "a");
}

TEST_F(PushHubTest, ANodeInStepIsToldSo) {
  Commit({MakeUpstream("a")});
  hub_->Tick();
  v1::Hello hello = Hello("edge-1");
  hello.set_epoch(store_->epoch());
  hello.set_revision(1);
  v1::ResourceVersion& have = *hello.add_have();
  have.set_kind("Upstream");
  have.set_name("a");
  have.set_version(1);
  FakeStream stream;
  ASSERT_TRUE(Connect(stream, hello).ok());
  ASSERT_THAT(stream.plans, SizeIs(1));
  EXPECT_EQ(stream.plans[0]->chunks[0].update().upserts_size(), 0);
}

TEST_F(PushHubTest, ANodeThatDoesNotAnswerIsDroppedAndCounted) {
  Commit({MakeUpstream("u")});
  FakeStream stream;
  ASSERT_TRUE(Connect(stream, Hello("edge-1")).ok());
  Advance(absl::Seconds(29));
  EXPECT_FALSE(stream.ended.has_value());
  Advance(absl::Seconds(1));
  ASSERT_TRUE(stream.ended.has_value());
  EXPECT_EQ(stream.ended->code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(observer_.dropped, testing::ElementsAre(DropReason::kNoAck));
  EXPECT_EQ(Status("edge-1").state(), v1::NODE_STATE_LOST);
  EXPECT_THAT(Status("edge-1").last_error(), HasSubstr("no answer to revision 1 within 30s"));
}

TEST_F(PushHubTest, FiguresHaveAnAgeAndNoneAreMadeUp) {
  FakeStream stream;
  ASSERT_TRUE(Connect(stream, Hello("edge-1")).ok());
  EXPECT_FALSE(Status("edge-1").has_health());
  v1::SubscribeRequest message;
  message.mutable_health()->set_open_calls(7);
  ASSERT_TRUE(hub_->OnMessage(stream.id, message).ok());
  now_ += absl::Seconds(4);
  EXPECT_EQ(Status("edge-1").health().open_calls(), 7);
  EXPECT_EQ(Status("edge-1").health_age().seconds(), 4);
}

TEST_F(PushHubTest, NewStreamsPassATokenBucket) {
  Make({.admission_rate = 2, .admission_burst = 3});
  std::vector<FakeStream> streams(6);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(hub_->Admit(&streams[i]).ok());
  EXPECT_EQ(hub_->Admit(&streams[3]).status().code(), absl::StatusCode::kResourceExhausted);
  now_ += absl::Milliseconds(500);
  EXPECT_TRUE(hub_->Admit(&streams[4]).ok());
  EXPECT_FALSE(hub_->Admit(&streams[5]).ok());
}

TEST_F(PushHubTest, AStreamThatNeverSaysHelloIsEnded) {
  FakeStream stream;
  ASSERT_TRUE(hub_->Admit(&stream).ok());
  Advance(absl::Seconds(30));
  ASSERT_TRUE(stream.ended.has_value());
  EXPECT_THAT(std::string(stream.ended->message()), HasSubstr("no hello"));
}

TEST_F(PushHubTest, HelloMustNameTheNodeProperly) {
  for (const std::string& id : {std::string(), std::string("a b"), std::string(64, 'x')}) {
    FakeStream stream;
    EXPECT_EQ(Connect(stream, Hello(id)).code(), absl::StatusCode::kInvalidArgument) << id;
  }
  EXPECT_THAT(hub_->ListNodes(), SizeIs(0));
}

TEST_F(PushHubTest, AWrongDigestIsCountedAndRepairedBySnapshotButNotInALoop) {
  Commit({MakeUpstream("u")});
  FakeStream stream;
  ASSERT_TRUE(Connect(stream, Hello("edge-1")).ok());
  Ack(stream, *stream.plans[0]);
  v1::SubscribeRequest message;
  message.mutable_digest()->set_epoch(store_->epoch());
  message.mutable_digest()->set_revision(1);
  message.mutable_digest()->set_sha256(DigestOf(*stream.plans[0]->target));
  ASSERT_TRUE(hub_->OnMessage(stream.id, message).ok());
  EXPECT_EQ(observer_.mismatches, 0);
  message.mutable_digest()->set_sha256("something else");
  ASSERT_TRUE(hub_->OnMessage(stream.id, message).ok());
  EXPECT_EQ(observer_.mismatches, 1);
  ASSERT_THAT(stream.plans, SizeIs(2));
  EXPECT_TRUE(stream.plans[1]->snapshot);
  EXPECT_NE(stream.plans[1]->nonce, stream.plans[0]->nonce);
  Ack(stream, *stream.plans[1]);
  ASSERT_TRUE(hub_->OnMessage(stream.id, message).ok());
  EXPECT_EQ(observer_.mismatches, 2);
  EXPECT_THAT(stream.plans, SizeIs(2));
}

TEST_F(PushHubTest, OldStreamsAreAskedToMoveAndThenEnded) {
  FakeStream stream;
  ASSERT_TRUE(Connect(stream, Hello("edge-1")).ok());
  Advance(absl::Minutes(26));
  EXPECT_THAT(stream.drains, SizeIs(0));
  Advance(absl::Minutes(8));
  ASSERT_THAT(stream.drains, SizeIs(1));
  EXPECT_FALSE(stream.ended.has_value());
  Advance(absl::Seconds(21));
  EXPECT_TRUE(stream.ended.has_value());
}

TEST_F(PushHubTest, NodesWithTheSamePastShareOnePlan) {
  Commit({MakeUpstream("u")});
  hub_->Tick();
  FakeStream a, b;
  ASSERT_TRUE(Connect(a, Hello("a")).ok());
  ASSERT_TRUE(Connect(b, Hello("b")).ok());
  EXPECT_EQ(a.plans.at(0), b.plans.at(0));
  Ack(a, *a.plans[0]);
  Ack(b, *b.plans[0]);
  Commit({MakeUpstream("v")});
  Advance(absl::Seconds(1));
  EXPECT_EQ(a.plans.at(1), b.plans.at(1));
}

TEST_F(PushHubTest, NoncesOfAnotherRunAreOthers) {
  Commit({MakeUpstream("u")});
  FakeStream before, after;
  ASSERT_TRUE(Connect(before, Hello("a")).ok());
  Make({}, /*seed=*/2);
  ASSERT_TRUE(Connect(after, Hello("a")).ok());
  EXPECT_NE(before.plans.at(0)->nonce, after.plans.at(0)->nonce);
}

TEST_F(PushHubTest, AwaitAnswersWhenTheLastNodeHas) {
  FakeStream a, b;
  ASSERT_TRUE(Connect(a, Hello("a")).ok());
  ASSERT_TRUE(Connect(b, Hello("b")).ok());
  Commit({MakeUpstream("u")});
  std::optional<v1::AwaitRevisionResponse> answer;
  ASSERT_TRUE(hub_->Await(1, absl::Seconds(10), [&](v1::AwaitRevisionResponse r) { answer = std::move(r); }).ok());
  hub_->Tick();
  now_ += absl::Milliseconds(20);
  Ack(a, *a.plans.at(0));
  EXPECT_FALSE(answer.has_value());
  now_ += absl::Milliseconds(20);
  Nack(b, *b.plans.at(0));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->acked(), 1);
  EXPECT_EQ(answer->nacked(), 1);
  EXPECT_EQ(answer->pending(), 0);
  ASSERT_EQ(answer->nodes_size(), 1);
  EXPECT_EQ(answer->nodes(0).node_id(), "b");
  EXPECT_EQ(answer->elapsed().nanos(), 40000000);
  EXPECT_THAT(observer_.latencies, testing::ElementsAre(absl::Milliseconds(20)));
}

TEST_F(PushHubTest, AwaitAnswersAtItsTimeWithWhoIsMissing) {
  FakeStream a;
  ASSERT_TRUE(Connect(a, Hello("a")).ok());
  Commit({MakeUpstream("u")});
  std::optional<v1::AwaitRevisionResponse> answer;
  ASSERT_TRUE(hub_->Await(1, absl::Seconds(10), [&](v1::AwaitRevisionResponse r) { answer = std::move(r); }).ok());
  Advance(absl::Seconds(9));
  EXPECT_FALSE(answer.has_value());
  Advance(absl::Seconds(1));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->pending(), 1);
}

TEST_F(PushHubTest, AwaitWithoutNodesAnswersAtOnceAndRefusesTheFuture) {
  Commit({MakeUpstream("u")});
  bool answered = false;
  ASSERT_TRUE(hub_->Await(1, absl::Seconds(10), [&](v1::AwaitRevisionResponse) { answered = true; }).ok());
  EXPECT_TRUE(answered);
  EXPECT_EQ(hub_->Await(2, absl::Seconds(10), [](v1::AwaitRevisionResponse) {}).code(),
            absl::StatusCode::kOutOfRange);
}

TEST_F(PushHubTest, DrainingAsksEverybodyAnswersWaitersAndAdmitsNobody) {
  Commit({MakeUpstream("u")});
  FakeStream a, b;
  ASSERT_TRUE(Connect(a, Hello("a")).ok());
  bool answered = false;
  ASSERT_TRUE(hub_->Await(1, absl::Seconds(10), [&](v1::AwaitRevisionResponse) { answered = true; }).ok());
  hub_->Drain(absl::Seconds(2));
  EXPECT_THAT(a.drains, SizeIs(1));
  EXPECT_TRUE(answered);
  EXPECT_EQ(Connect(b, Hello("b")).code(), absl::StatusCode::kUnavailable);
  // It would keep the program from ending until its time is over.
  EXPECT_EQ(hub_->Await(1, absl::Seconds(10), [](v1::AwaitRevisionResponse) {}).code(), absl::StatusCode::kUnavailable);
  hub_->EndAll();
  EXPECT_TRUE(a.ended.has_value());
}

}  // namespace
}  // namespace sluice
