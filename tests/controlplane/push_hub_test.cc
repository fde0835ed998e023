// PushHub under a clock of its own, with streams that only note what they get.
#include "controlplane/push/push_hub.h"

#include <deque>
#include <optional>
#include <sstream>

#include "controlplane/store/sqlite_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "spdlog/sinks/ostream_sink.h"
#include "spdlog/spdlog.h"
#include "tests/controlplane/policies.h"

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class FakeStream : public SubscriberStream {
 public:
  void Send(UpdatePlanPtr plan) override { plans.push_back(std::move(plan)); }
  bool SendCommand(std::shared_ptr<const v1::SubscribeResponse>) override { return true; }
  void Drain(const v1::Drain& drain) override { drains.push_back(drain); }
  void End(const absl::Status& status) override { ended = status; }

  std::vector<UpdatePlanPtr> plans;
  std::vector<v1::Drain> drains;
  std::optional<absl::Status> ended;
  uint64_t id = 0;
};

class CountingObserver : public PushObserver {
 public:
  void OnAck(absl::Duration latency) override { latencies.push_back(latency); }
  void OnNack() override { ++nacks; }
  void OnDropped(DropReason reason) override { dropped.push_back(reason); }
  void OnDigestMismatch() override { ++mismatches; }

  std::vector<absl::Duration> latencies;
  std::vector<DropReason> dropped;
  int nacks = 0;
  int mismatches = 0;
};

class PushHubTest : public testing::Test {
 protected:
  void SetUp() override {
    store_ = *OpenSqliteStore(folder_.File("store.db"), {}, [this] { return now_; });
    Make({});
  }

  void Make(PushSettings settings, uint32_t seed = 1) {
    watch_.reset();
    PushHub::Options options;
    options.settings = settings;
    options.epoch = store_->epoch();
    options.clock = [this] { return now_; };
    options.observer = &observer_;
    options.seed = seed;
    hub_ = std::make_unique<PushHub>(std::move(options));
    watch_ = *hub_->Follow(*store_);
  }

  // A change after a quiet time: published at once.
  void Commit(std::vector<v1::Resource> puts, std::vector<ResourceKey> deletes = {}) {
    now_ += absl::Seconds(1);
    CommitNow(std::move(puts), std::move(deletes));
    hub_->Tick();
  }

  void CommitNow(std::vector<v1::Resource> puts, std::vector<ResourceKey> deletes = {}) {
    StoreWrite write;
    write.expected_revision = (*store_->Current())->revision;
    write.puts = std::move(puts);
    write.deletes = std::move(deletes);
    ASSERT_TRUE(store_->Commit(std::move(write)).ok());
  }

  void Advance(absl::Duration by) {
    now_ += by;
    hub_->Tick();
  }

  v1::Hello Hello(const std::string& id) {
    v1::Hello hello;
    hello.set_node_id(id);
    hello.set_schema_version(1);
    return hello;
  }

  absl::Status Connect(FakeStream& stream, const v1::Hello& hello, const std::string& peer = "peer") {
    auto id = hub_->Admit(&stream);
    if (!id.ok()) return id.status();
    stream.id = *id;
    return hub_->Attach(stream.id, hello, peer);
  }

  void Ack(FakeStream& stream, const UpdatePlan& plan) {
    v1::SubscribeRequest message;
    message.mutable_ack()->set_nonce(plan.nonce);
    message.mutable_ack()->set_revision(plan.target->revision);
    ASSERT_TRUE(hub_->OnMessage(stream.id, message).ok());
  }

  void Nack(FakeStream& stream, const UpdatePlan& plan) {
    v1::SubscribeRequest message;
    message.mutable_nack()->set_nonce(plan.nonce);
    v1::Violation& violation = *message.mutable_nack()->add_violations();
    violation.mutable_resource()->set_kind("Upstream");
    violation.mutable_resource()->set_name("u");
    violation.set_path("credential");
    violation.set_message("env KEY is not set here");
    ASSERT_TRUE(hub_->OnMessage(stream.id, message).ok());
  }

  v1::NodeStatus Status(const std::string& id) {
    for (v1::NodeStatus& node : hub_->ListNodes()) {
      if (node.node_id() == id) return node;
    }
    return {};
  }

  TempFolder folder_;
  absl::Time now_ = absl::FromUnixSeconds(1000000);
  CountingObserver observer_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<PushHub> hub_;
  std::unique_ptr<StoreWatch> watch_;
};

TEST_F(PushHubTest, AnEmptyStoreSaysNothingAndWipesNobody) {
  FakeStream stream;
  v1::Hello hello = Hello("edge-1");
  hello.set_epoch("another");
  hello.set_revision(7);
  ASSERT_TRUE(Connect(stream, hello).ok());
  EXPECT_THAT(stream.plans, SizeIs(0));
}

TEST_F(PushHubTest, ANodeThatRunsAnotherStoresPoliciesIsNotInStepWithAnEmptyOne) {
  FakeStream stream;
  v1::Hello hello = Hello("a");
  hello.set_epoch("another");
  hello.set_revision(7);
  ASSERT_TRUE(Connect(stream, hello).ok());
  EXPECT_THAT(stream.plans, SizeIs(0));
  EXPECT_EQ(hub_->ListNodes().at(0).state(), v1::NODE_STATE_PENDING);
  EXPECT_THAT(hub_->ListNodes().at(0).last_error(), HasSubstr("runs revision 7 of another store"));
  Commit({MakeUpstream("u")});
  Ack(stream, *stream.plans.at(0));
  EXPECT_EQ(hub_->ListNodes().at(0).state(), v1::NODE_STATE_ACKED);
  EXPECT_EQ(hub_->ListNodes().at(0).last_error(), "");
}

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

TEST_F(PushHubTest, ANodeThatIsAheadOfARestoredStoreTellsHowToMendIt) {
  Commit({MakeUpstream("u")});
  FakeStream stream;
  v1::Hello hello = Hello("a");
  hello.set_epoch(store_->epoch());
  hello.set_revision(9);
  ASSERT_TRUE(Connect(stream, hello).ok());
  v1::SubscribeRequest message;
  message.mutable_nack()->set_nonce(stream.plans.at(0)->nonce);
  v1::Violation& violation = *message.mutable_nack()->add_violations();
  violation.set_path("revision");
  violation.set_code("REVISION_BEHIND");
  violation.set_message("revision 1 is below 9, which is in force here");
  ASSERT_TRUE(hub_->OnMessage(stream.id, message).ok());
  EXPECT_THAT(Status("a").last_error(), HasSubstr("revision 1 is below 9"));
  EXPECT_THAT(Status("a").last_error(), HasSubstr("'sluice-controlplane restore', which begins a new epoch"));
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

TEST_F(PushHubTest, AnotherEpochOrARevisionFromTheFutureGetsASnapshot) {
  Commit({MakeUpstream("a")});
  hub_->Tick();
  v1::Hello hello = Hello("edge-1");
  hello.set_epoch("another");
  hello.set_revision(1);
  FakeStream other_epoch;
  ASSERT_TRUE(Connect(other_epoch, hello).ok());
  EXPECT_TRUE(other_epoch.plans.at(0)->snapshot);
  hello = Hello("edge-2");
  hello.set_epoch(store_->epoch());
  hello.set_revision(99);
  FakeStream future;
  ASSERT_TRUE(Connect(future, hello).ok());
  EXPECT_TRUE(future.plans.at(0)->snapshot);
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

TEST_F(PushHubTest, OfTwoStreamsWithOneNameTheNewerWins) {
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

TEST_F(PushHubTest, TwoDataPlanesWithOneNameAreShownAsSuchAndToldWhatToDo) {
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

TEST_F(PushHubTest, TwoDataPlanesWithOneNameAreLoggedOnceAMinute) {
  std::ostringstream log;
  const auto before = spdlog::default_logger();
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log)));
  std::deque<FakeStream> streams;
  const auto connect = [&](const std::string& peer) {
    now_ += absl::Seconds(1);
    ASSERT_TRUE(Connect(streams.emplace_back(), Hello("edge-1"), peer).ok());
  };
  connect("A");
  connect("B");
  EXPECT_EQ(log.str(), "");
  connect("A");
  EXPECT_THAT(log.str(), HasSubstr("two data planes are called \"edge-1\", at B and A"));
  EXPECT_THAT(log.str(), HasSubstr("give each a --node-id of its own"));
  const std::string once = log.str();
  for (int i = 0; i < 10; ++i) connect(i % 2 ? "A" : "B");
  EXPECT_EQ(log.str(), once);
  now_ += absl::Minutes(1);
  connect("B");
  EXPECT_GT(log.str().size(), once.size());
  spdlog::set_default_logger(before);
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

TEST_F(PushHubTest, LostNodesAreForgottenAfterATime) {
  FakeStream stream;
  ASSERT_TRUE(Connect(stream, Hello("edge-1")).ok());
  hub_->Detach(stream.id);
  EXPECT_EQ(Status("edge-1").state(), v1::NODE_STATE_LOST);
  Advance(absl::Minutes(59));
  EXPECT_THAT(hub_->ListNodes(), SizeIs(1));
  Advance(absl::Minutes(2));
  EXPECT_THAT(hub_->ListNodes(), SizeIs(0));
}

TEST_F(PushHubTest, TheRegistryIsBoundedAndGivesUpLostNodesFirst) {
  Make({.max_nodes = 2});
  FakeStream a, b, c, d;
  ASSERT_TRUE(Connect(a, Hello("a")).ok());
  ASSERT_TRUE(Connect(b, Hello("b")).ok());
  EXPECT_EQ(Connect(c, Hello("c")).code(), absl::StatusCode::kResourceExhausted);
  hub_->Detach(a.id);
  EXPECT_TRUE(Connect(d, Hello("d")).ok());
  EXPECT_EQ(Status("a").node_id(), "");
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
