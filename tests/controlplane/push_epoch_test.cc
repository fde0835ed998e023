// PushHub: data planes that run another epoch, and those that refuse the newest
// revision while they have nothing.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/controlplane/push_fixture.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class PushEpochTest : public PushHubTest {
 protected:
  void CommitLineage(std::vector<std::string> replaces, bool new_epoch = false) {
    now_ += absl::Seconds(1);
    StoreWrite write;
    write.expected_revision = (*store_->Current())->revision;
    write.replaces_epochs = std::move(replaces);
    write.new_epoch = new_epoch;
    ASSERT_TRUE(store_->Commit(std::move(write)).ok());
    hub_->Tick();
  }

  v1::AwaitRevisionResponse Await(uint64_t revision) {
    std::optional<v1::AwaitRevisionResponse> answer;
    EXPECT_TRUE(
        hub_->Await(revision, absl::Seconds(10), [&](v1::AwaitRevisionResponse r) { answer = std::move(r); }).ok());
    EXPECT_TRUE(answer.has_value());
    return answer.value_or(v1::AwaitRevisionResponse());
  }
};

TEST_F(PushEpochTest, ANodeOfAnotherEpochIsSentNothingAndShownAsSuch) {
  struct Case {
    const char* name;
    bool empty;
    const char* epoch;  // null: the store's own
    uint64_t revision;
    const char* text;
  };
  for (const Case& c : {Case{"a nearly empty store", false, "another", 41, "runs revision 41 of another store"},
                        {"an empty store", true, "another", 41, "runs revision 41 of another store"},
                        {"a store that lost its newest revisions", false, nullptr, 41, "runs revision 41, which this store lost"}}) {
    SCOPED_TRACE(c.name);
    SetUpAnew();
    if (!c.empty) Commit({MakeUpstream("u")});
    FakeStream stream;
    ASSERT_TRUE(Connect(stream, Running("a", c.epoch == nullptr ? store_->epoch() : c.epoch, c.revision)).ok());
    Commit({MakeUpstream("v")});
    Advance(absl::Minutes(1));
    EXPECT_THAT(stream.plans, SizeIs(0));
    EXPECT_FALSE(stream.ended.has_value());
    const v1::NodeStatus status = Status("a");
    EXPECT_EQ(status.state(), v1::NODE_STATE_EPOCH_MISMATCH);
    EXPECT_THAT(status.last_error(), HasSubstr(c.text));
    EXPECT_THAT(status.last_error(), HasSubstr("sluicectl apply --adopt goes on from what it runs, --new-epoch replaces it"));
    EXPECT_EQ(status.acked_revision(), c.revision);
    EXPECT_EQ(status.epoch(), c.epoch == nullptr ? store_->epoch() : c.epoch);
    const v1::AwaitRevisionResponse answer = Await(1);
    EXPECT_EQ(answer.mismatched(), 1);
    EXPECT_EQ(answer.pending() + answer.acked() + answer.lost(), 0);
    ASSERT_EQ(answer.nodes_size(), 1);
    EXPECT_EQ(answer.nodes(0).node_id(), "a");
    EXPECT_EQ(hub_->CountByState()[v1::NODE_STATE_EPOCH_MISMATCH], 1);
  }
}

TEST_F(PushEpochTest, CommandsReachANodeOfAnotherEpoch) {
  FakeStream stream;
  ASSERT_TRUE(Connect(stream, Running("a", "another", 41)).ok());
  v1::CommandRequest request;
  request.mutable_command()->mutable_trip_breaker()->set_target("openai");
  ASSERT_TRUE(hub_->Command(request, absl::Seconds(1), [](v1::CommandResponse) {}).ok());
  EXPECT_EQ(stream.commands, 1);
}

TEST_F(PushEpochTest, ANodeThatIsAheadStaysSoWhenTheStoreHasCountedUpToIt) {
  Commit({MakeUpstream("u")});
  FakeStream stream, again;
  ASSERT_TRUE(Connect(stream, Running("a", store_->epoch(), 3)).ok());
  Commit({MakeUpstream("v")});
  Commit({MakeUpstream("w")});
  EXPECT_EQ(Status("a").state(), v1::NODE_STATE_EPOCH_MISMATCH);
  EXPECT_EQ(Await(3).mismatched(), 1);
  hub_->Detach(stream.id);
  ASSERT_TRUE(Connect(again, Running("a", store_->epoch(), 3)).ok());
  EXPECT_EQ(Status("a").state(), v1::NODE_STATE_EPOCH_MISMATCH);
  EXPECT_THAT(again.plans, SizeIs(0));
}

TEST_F(PushEpochTest, AReplacedEpochGetsASnapshotThatSaysSo) {
  Commit({MakeUpstream("u")});
  FakeStream stream;
  ASSERT_TRUE(Connect(stream, Running("a", "another", 41)).ok());
  CommitLineage({"another"});
  ASSERT_THAT(stream.plans, SizeIs(1));
  EXPECT_EQ(Status("a").state(), v1::NODE_STATE_PENDING);
  EXPECT_EQ(Status("a").last_error(), "");
  const v1::Update& update = stream.plans[0]->chunks[0].update();
  EXPECT_TRUE(update.snapshot());
  EXPECT_THAT(update.replaces_epochs(), ElementsAre("another"));
  Ack(stream, *stream.plans[0]);
  EXPECT_EQ(Status("a").state(), v1::NODE_STATE_ACKED);
  EXPECT_EQ(Status("a").epoch(), store_->epoch());
  Commit({MakeUpstream("v")});
  ASSERT_THAT(stream.plans, SizeIs(2));
  EXPECT_THAT(stream.plans[1]->chunks[0].update().replaces_epochs(), SizeIs(0)) << "who takes a difference has the epoch";
}

TEST_F(PushEpochTest, WhatIsReplacedIsKnownAfterARestart) {
  Commit({MakeUpstream("u")});
  CommitLineage({"another"});
  Make({});
  FakeStream stream;
  ASSERT_TRUE(Connect(stream, Running("a", "another", 41)).ok());
  ASSERT_THAT(stream.plans, SizeIs(1));
  EXPECT_TRUE(stream.plans[0]->snapshot);
  EXPECT_THAT(Status("a").last_error(), HasSubstr("runs revision 41 of another store, which the policies of this one replace"));
}

// Else a node that connects in between would be sent the nearly empty store.
TEST_F(PushEpochTest, WhatComesWithALineageIsAllThatItsNodesGet) {
  Commit({MakeUpstream("u")});
  CommitNow({MakeUpstream("v")});  // within the debounce
  now_ += absl::Milliseconds(1);
  StoreWrite write;
  write.expected_revision = 2;
  write.puts = {MakeUpstream("w")};
  write.replaces_epochs = {"another"};
  ASSERT_TRUE(store_->Commit(std::move(write)).ok());
  FakeStream stream;
  ASSERT_TRUE(Connect(stream, Running("a", "another", 41)).ok());
  ASSERT_THAT(stream.plans, SizeIs(1));
  EXPECT_EQ(stream.plans[0]->target->revision, 3);
}

TEST_F(PushEpochTest, ANewEpochReplacesTheOneBeforeEverywhere) {
  Commit({MakeUpstream("u")});
  const std::string before = store_->epoch();
  FakeStream in_step, ahead;
  ASSERT_TRUE(Connect(in_step, Hello("a")).ok());
  Ack(in_step, *in_step.plans.at(0));
  ASSERT_TRUE(Connect(ahead, Running("b", before, 41)).ok());
  CommitLineage({}, /*new_epoch=*/true);
  EXPECT_NE(store_->epoch(), before);
  ASSERT_THAT(in_step.plans, SizeIs(2));
  ASSERT_THAT(ahead.plans, SizeIs(1));
  for (const UpdatePlanPtr& plan : {in_step.plans[1], ahead.plans[0]}) {
    EXPECT_TRUE(plan->snapshot);
    EXPECT_EQ(plan->chunks[0].update().epoch(), store_->epoch());
    EXPECT_THAT(plan->chunks[0].update().replaces_epochs(), ElementsAre(before));
  }
  EXPECT_EQ(Status("a").state(), v1::NODE_STATE_PENDING);
  Ack(in_step, *in_step.plans[1]);
  Ack(ahead, *ahead.plans[0]);
  EXPECT_EQ(Status("a").state(), v1::NODE_STATE_ACKED);
  EXPECT_EQ(Status("b").state(), v1::NODE_STATE_ACKED);
}

TEST_F(PushEpochTest, AnAckOfTheEpochBeforeIsNoBaseForDifferences) {
  Commit({MakeUpstream("u")});
  FakeStream stream;
  ASSERT_TRUE(Connect(stream, Hello("a")).ok());
  CommitLineage({}, /*new_epoch=*/true);
  Ack(stream, *stream.plans.at(0));
  ASSERT_THAT(stream.plans, SizeIs(2));
  EXPECT_TRUE(stream.plans[1]->snapshot);
  EXPECT_EQ(Status("a").state(), v1::NODE_STATE_PENDING);
}

TEST_F(PushEpochTest, AnEpochThatIsTooLongIsRefused) {
  FakeStream stream;
  EXPECT_EQ(Connect(stream, Running("a", std::string(kMaxEpochBytes + 1, 'x'), 1)).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(PushEpochTest, AJoinerThatRefusesTheNewestGetsWhatWasLastInForce) {
  Commit({MakeUpstream("u")});
  FakeStream old_node, joiner;
  ASSERT_TRUE(Connect(old_node, Hello("old")).ok());
  Ack(old_node, *old_node.plans.at(0));
  Commit({MakeUpstream("bad")});
  Nack(old_node, *old_node.plans.at(1));
  EXPECT_THAT(old_node.plans, SizeIs(2)) << "it runs revision 1 and needs no other";

  ASSERT_TRUE(Connect(joiner, Hello("new")).ok());
  Nack(joiner, *joiner.plans.at(0));
  ASSERT_THAT(joiner.plans, SizeIs(2));
  EXPECT_EQ(joiner.plans[1]->target->revision, 1);
  EXPECT_TRUE(joiner.plans[1]->snapshot);
  Ack(joiner, *joiner.plans[1]);
  EXPECT_EQ(Status("new").state(), v1::NODE_STATE_NACKED);
  EXPECT_EQ(Status("new").acked_revision(), 1);
  EXPECT_EQ(Status("new").last_error(), "upstream/u: credential: env KEY is not set here");
  EXPECT_EQ(Await(2).nacked(), 2);

  Commit({MakeUpstream("good")});
  ASSERT_THAT(joiner.plans, SizeIs(3));
  EXPECT_EQ(joiner.plans[2]->target->revision, 3);
  EXPECT_FALSE(joiner.plans[2]->snapshot);
  Ack(joiner, *joiner.plans[2]);
  EXPECT_EQ(Status("new").state(), v1::NODE_STATE_ACKED);
}

TEST_F(PushEpochTest, AfterARestartWhatIsInForceIsLearnedFromTheNodes) {
  Commit({MakeUpstream("u")});
  Commit({MakeUpstream("bad")});
  Make({});
  FakeStream old_node, joiner;
  v1::Hello hello = Running("old", store_->epoch(), 1);
  hello.add_have()->set_kind("Upstream");
  hello.mutable_have(0)->set_name("u");
  hello.mutable_have(0)->set_version(1);
  ASSERT_TRUE(Connect(joiner, Hello("new")).ok());
  ASSERT_TRUE(Connect(old_node, hello).ok());
  Nack(old_node, *old_node.plans.at(0));
  Nack(joiner, *joiner.plans.at(0));
  ASSERT_THAT(joiner.plans, SizeIs(2));
  EXPECT_EQ(joiner.plans[1]->target->revision, 1);
  EXPECT_EQ(joiner.plans[1]->chunks[0].update().upserts(0).name(), "u");
}

TEST_F(PushEpochTest, WhatAJoinerRefusesTooIsOfferedOnce) {
  Commit({MakeUpstream("u")});
  FakeStream old_node, joiner;
  ASSERT_TRUE(Connect(old_node, Hello("old")).ok());
  Ack(old_node, *old_node.plans.at(0));
  Commit({MakeUpstream("bad")});
  ASSERT_TRUE(Connect(joiner, Hello("new")).ok());
  for (int i = 0; i < 2; ++i) Nack(joiner, *joiner.plans.at(i));
  EXPECT_EQ(Status("new").state(), v1::NODE_STATE_NACKED);
  EXPECT_EQ(Status("new").acked_revision(), 0);
  Commit({MakeUpstream("worse")});
  ASSERT_THAT(joiner.plans, SizeIs(3));
  Nack(joiner, *joiner.plans[2]);
  Advance(absl::Minutes(1));
  EXPECT_THAT(joiner.plans, SizeIs(3));
}

TEST_F(PushEpochTest, AJoinerAloneInRefusingGetsTheOneBefore) {
  Commit({MakeUpstream("u")});
  FakeStream old_node, joiner;
  ASSERT_TRUE(Connect(old_node, Hello("old")).ok());
  Ack(old_node, *old_node.plans.at(0));
  Commit({MakeUpstream("v")});
  Ack(old_node, *old_node.plans.at(1));
  ASSERT_TRUE(Connect(joiner, Hello("new")).ok());
  Nack(joiner, *joiner.plans.at(0));
  ASSERT_THAT(joiner.plans, SizeIs(2));
  EXPECT_EQ(joiner.plans[1]->target->revision, 1);
}

TEST_F(PushEpochTest, WhoHasPoliciesOfAnotherEpochIsOfferedNothingInPlaceOfARefusedOne) {
  Commit({MakeUpstream("u")});
  FakeStream old_node, other;
  ASSERT_TRUE(Connect(old_node, Hello("old")).ok());
  Ack(old_node, *old_node.plans.at(0));
  Commit({MakeUpstream("bad")});
  CommitLineage({"another"});
  ASSERT_TRUE(Connect(other, Running("other", "another", 41)).ok());
  Nack(other, *other.plans.at(0));
  EXPECT_THAT(other.plans, SizeIs(1));
  EXPECT_EQ(Status("other").state(), v1::NODE_STATE_NACKED);
}

}  // namespace
}  // namespace sluice
