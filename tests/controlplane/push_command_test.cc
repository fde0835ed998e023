// Queries and commands through PushHub, under a clock of its own, with streams
// that only note what they get.
#include <optional>

#include "controlplane/push/push_hub.h"
#include "controlplane/store/sqlite_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/policy/duration_text.h"
#include "tests/controlplane/policies.h"

namespace sluice {
namespace {

using absl::StatusCode;
using testing::HasSubstr;
using testing::SizeIs;

class FakeStream : public SubscriberStream {
 public:
  void Send(UpdatePlanPtr plan) override { plans.push_back(std::move(plan)); }
  bool SendCommand(std::shared_ptr<const v1::SubscribeResponse> message) override {
    if (!reads) return false;
    commands.push_back(std::move(message));
    return true;
  }
  void Drain(const v1::Drain&) override {}
  void End(const absl::Status& status) override { ended = status; }

  std::vector<UpdatePlanPtr> plans;
  std::vector<std::shared_ptr<const v1::SubscribeResponse>> commands;
  std::optional<absl::Status> ended;
  bool reads = true;
  uint64_t id = 0;
};

class PushCommandTest : public testing::Test {
 protected:
  void SetUp() override {
    store_ = *OpenSqliteStore(folder_.File("store.db"), {}, [this] { return now_; });
    Make({});
  }

  void Make(CommandLimits limits) {
    watch_.reset();
    PushHub::Options options;
    options.settings.commands = limits;
    options.clock = [this] { return now_; };
    options.wake = [this] { woken_ = true; };
    hub_ = std::make_unique<PushHub>(std::move(options));
    watch_ = *hub_->Follow(*store_);
  }

  void Connect(FakeStream& stream, const std::string& node_id) {
    v1::Hello hello;
    hello.set_node_id(node_id);
    hello.set_schema_version(1);
    auto id = hub_->Admit(&stream);
    ASSERT_TRUE(id.ok()) << id.status();
    stream.id = *id;
    ASSERT_TRUE(hub_->Attach(stream.id, hello, "peer").ok());
  }

  static v1::CommandRequest Trip(const std::string& node_id = "") {
    v1::CommandRequest request;
    request.set_node_id(node_id);
    request.mutable_command()->mutable_trip_breaker()->set_target("openai");
    return request;
  }

  absl::Status Command(const v1::CommandRequest& request, absl::Duration timeout = absl::Seconds(5)) {
    return hub_->Command(request, timeout, [this](v1::CommandResponse response) { responses_.push_back(response); });
  }

  static v1::SubscribeRequest AnswerTo(const v1::SubscribeResponse& message) {
    v1::SubscribeRequest answer;
    answer.mutable_answer()->set_id(message.has_query() ? message.query().id() : message.command().id());
    answer.mutable_answer()->mutable_breakers()->add_breakers()->set_upstream("openai");
    return answer;
  }

  void Answer(FakeStream& stream, size_t which = 0) {
    ASSERT_TRUE(hub_->OnMessage(stream.id, AnswerTo(*stream.commands.at(which))).ok());
  }

  const v1::NodeAnswer& OnlyAnswer() {
    static const v1::NodeAnswer none;
    EXPECT_THAT(responses_, SizeIs(1));
    if (responses_.empty() || responses_[0].answers_size() != 1) return none;
    return responses_[0].answers(0);
  }

  TempFolder folder_;
  absl::Time now_ = absl::FromUnixSeconds(1000000);
  bool woken_ = false;
  std::unique_ptr<Store> store_;
  std::unique_ptr<PushHub> hub_;
  std::unique_ptr<StoreWatch> watch_;
  std::vector<v1::CommandResponse> responses_;
};

TEST_F(PushCommandTest, ReachesEveryNodeAndGathersTheAnswersInOrderOfNames) {
  FakeStream a, b;
  Connect(b, "edge-2");
  Connect(a, "edge-1");
  ASSERT_TRUE(Command(Trip()).ok());
  ASSERT_THAT(a.commands, SizeIs(1));
  ASSERT_THAT(b.commands, SizeIs(1));
  EXPECT_EQ(a.commands[0]->command().trip_breaker().target(), "openai");
  now_ += absl::Milliseconds(4);
  Answer(b);
  EXPECT_THAT(responses_, SizeIs(0));
  now_ += absl::Milliseconds(8);
  Answer(a);
  ASSERT_THAT(responses_, SizeIs(1));
  ASSERT_EQ(responses_[0].answers_size(), 2);
  EXPECT_EQ(responses_[0].answers(0).node_id(), "edge-1");
  EXPECT_EQ(responses_[0].answers(0).answer().code(), 0);
  EXPECT_EQ(responses_[0].answers(1).node_id(), "edge-2");
  EXPECT_EQ(responses_[0].answers(1).answer().breakers().breakers(0).upstream(), "openai");
  EXPECT_EQ(ToAbsl(responses_[0].elapsed()), absl::Milliseconds(12));
}

TEST_F(PushCommandTest, OneNamedNodeAloneIsAsked) {
  FakeStream a, b;
  Connect(a, "edge-1");
  Connect(b, "edge-2");
  ASSERT_TRUE(Command(Trip("edge-2")).ok());
  EXPECT_THAT(a.commands, SizeIs(0));
  Answer(b);
  EXPECT_EQ(OnlyAnswer().node_id(), "edge-2");
}

TEST_F(PushCommandTest, AnUnknownNodeIsNamedWithWhatWasMeant) {
  FakeStream a;
  Connect(a, "edge-1");
  absl::Status status = Command(Trip("egde-1"));
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("data plane \"egde-1\" is not known; did you mean \"edge-1\"?"));
  EXPECT_THAT(responses_, SizeIs(0));
}

TEST_F(PushCommandTest, WithoutDataPlanesItAnswersAtOnceAndEmpty) {
  ASSERT_TRUE(Command(Trip()).ok());
  ASSERT_THAT(responses_, SizeIs(1));
  EXPECT_EQ(responses_[0].answers_size() + responses_[0].lost_size(), 0);
}

TEST_F(PushCommandTest, OvertakesAnUpdateThatIsNotAnswered) {
  FakeStream a;
  StoreWrite write;
  write.puts = {MakeUpstream("u")};
  ASSERT_TRUE(store_->Commit(std::move(write)).ok());
  hub_->Tick();
  Connect(a, "edge-1");
  ASSERT_THAT(a.plans, SizeIs(1));
  ASSERT_TRUE(Command(Trip()).ok());
  ASSERT_THAT(a.commands, SizeIs(1));
  Answer(a);
  EXPECT_EQ(OnlyAnswer().answer().code(), 0);
  EXPECT_EQ(hub_->ListNodes().at(0).state(), v1::NODE_STATE_PENDING);
}

TEST_F(PushCommandTest, ANodeThatDoesNotAnswerIsToldAsSuchWhenTheTimeIsOver) {
  FakeStream a, b;
  Connect(a, "edge-1");
  Connect(b, "edge-2");
  ASSERT_TRUE(Command(Trip(), absl::Seconds(2)).ok());
  Answer(a);
  EXPECT_EQ(hub_->Tick(), now_ + absl::Seconds(2));
  now_ += absl::Seconds(2);
  hub_->Tick();
  ASSERT_THAT(responses_, SizeIs(1));
  EXPECT_EQ(responses_[0].answers(0).answer().code(), 0);
  EXPECT_EQ(responses_[0].answers(1).answer().code(), static_cast<int>(StatusCode::kDeadlineExceeded));
  EXPECT_EQ(responses_[0].answers(1).answer().message(), "no answer within 2s");
  // What comes after that is nobody's answer.
  Answer(b);
  EXPECT_THAT(responses_, SizeIs(1));
}

TEST_F(PushCommandTest, ANodeThatIsLostMeanwhileIsToldAtOnce) {
  FakeStream a;
  Connect(a, "edge-1");
  ASSERT_TRUE(Command(Trip()).ok());
  hub_->Detach(a.id);
  EXPECT_EQ(OnlyAnswer().answer().code(), static_cast<int>(StatusCode::kUnavailable));
  EXPECT_THAT(OnlyAnswer().answer().message(), HasSubstr("connection was lost before it answered"));
}

TEST_F(PushCommandTest, ANodeWhoseStreamIsReplacedIsToldSoonWithoutWaitingForTheTimeout) {
  FakeStream older, newer;
  Connect(older, "edge-1");
  ASSERT_TRUE(Command(Trip()).ok());
  woken_ = false;
  hub_->Tick();
  Connect(newer, "edge-1");
  EXPECT_TRUE(woken_);
  hub_->Tick();
  EXPECT_EQ(OnlyAnswer().answer().code(), static_cast<int>(StatusCode::kUnavailable));
}

TEST_F(PushCommandTest, NodesThatWereGoneBeforeAreListedAndNotAsked) {
  FakeStream a, b;
  Connect(a, "edge-1");
  Connect(b, "edge-2");
  hub_->Detach(b.id);
  ASSERT_TRUE(Command(Trip()).ok());
  Answer(a);
  ASSERT_THAT(responses_, SizeIs(1));
  EXPECT_EQ(responses_[0].answers_size(), 1);
  ASSERT_EQ(responses_[0].lost_size(), 1);
  EXPECT_EQ(responses_[0].lost(0).node_id(), "edge-2");
  EXPECT_EQ(responses_[0].lost(0).state(), v1::NODE_STATE_LOST);
}

TEST_F(PushCommandTest, ANodeLeavesABoundedNumberUnanswered) {
  Make({.max_per_node = 3});
  FakeStream a;
  Connect(a, "edge-1");
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Command(Trip()).ok());
  EXPECT_THAT(responses_, SizeIs(0));
  ASSERT_TRUE(Command(Trip()).ok());
  EXPECT_EQ(OnlyAnswer().answer().code(), static_cast<int>(StatusCode::kResourceExhausted));
  EXPECT_EQ(OnlyAnswer().answer().message(), "not sent: 3 commands wait for its answer already");
  EXPECT_THAT(a.commands, SizeIs(3));
  Answer(a);
  ASSERT_TRUE(Command(Trip()).ok());
  EXPECT_THAT(a.commands, SizeIs(4));
}

TEST_F(PushCommandTest, ANodeThatDoesNotReadIsRefusedNotQueuedFor) {
  FakeStream a;
  Connect(a, "edge-1");
  a.reads = false;
  ASSERT_TRUE(Command(Trip()).ok());
  EXPECT_EQ(OnlyAnswer().answer().message(), "not sent: it does not read what was sent before");
}

TEST_F(PushCommandTest, ABoundedNumberIsUnderWay) {
  Make({.max_open = 2});
  FakeStream a;
  Connect(a, "edge-1");
  ASSERT_TRUE(Command(Trip()).ok());
  ASSERT_TRUE(Command(Trip()).ok());
  EXPECT_EQ(Command(Trip()).code(), StatusCode::kResourceExhausted);
  Answer(a);
  EXPECT_TRUE(Command(Trip()).ok());
}

TEST_F(PushCommandTest, AnAnswerThatIsTooLargeIsLeftOutAndSaysSo) {
  Make({.max_answer_bytes = 100});
  FakeStream a;
  Connect(a, "edge-1");
  ASSERT_TRUE(Command(Trip()).ok());
  v1::SubscribeRequest answer = AnswerTo(*a.commands[0]);
  answer.mutable_answer()->mutable_breakers()->mutable_breakers(0)->set_endpoint(std::string(200, 'x'));
  ASSERT_TRUE(hub_->OnMessage(a.id, answer).ok());
  EXPECT_EQ(OnlyAnswer().answer().code(), static_cast<int>(StatusCode::kResourceExhausted));
  EXPECT_THAT(OnlyAnswer().answer().message(), HasSubstr("at most 100 are taken: ask for one upstream"));
}

TEST_F(PushCommandTest, AllAnswersTogetherAreBounded) {
  Make({.max_response_bytes = 60});
  FakeStream a, b;
  Connect(a, "edge-1");
  Connect(b, "edge-2");
  ASSERT_TRUE(Command(Trip()).ok());
  for (FakeStream* stream : {&a, &b}) {
    v1::SubscribeRequest answer = AnswerTo(*stream->commands[0]);
    answer.mutable_answer()->set_message(std::string(20, 'x'));
    ASSERT_TRUE(hub_->OnMessage(stream->id, answer).ok());
  }
  ASSERT_THAT(responses_, SizeIs(1));
  EXPECT_EQ(responses_[0].answers(0).answer().code(), 0);
  EXPECT_THAT(responses_[0].answers(1).answer().message(), HasSubstr("ask this node alone"));
}

TEST_F(PushCommandTest, ANodesWordsAreMadeOneBoundedLine) {
  FakeStream a;
  Connect(a, "edge-1");
  ASSERT_TRUE(Command(Trip()).ok());
  v1::SubscribeRequest answer = AnswerTo(*a.commands[0]);
  answer.mutable_answer()->set_code(5);
  answer.mutable_answer()->set_message("a\nb\x1b" + std::string(999, ' ') + "€€€€");
  ASSERT_TRUE(hub_->OnMessage(a.id, answer).ok());
  EXPECT_LE(OnlyAnswer().answer().message().size(), 1000u);
  EXPECT_EQ(OnlyAnswer().answer().message().substr(0, 4), "a b ");
}

TEST_F(PushCommandTest, NobodyAnswersForAnother) {
  FakeStream a, b;
  Connect(a, "edge-1");
  Connect(b, "edge-2");
  ASSERT_TRUE(Command(Trip("edge-1")).ok());
  ASSERT_TRUE(hub_->OnMessage(b.id, AnswerTo(*a.commands[0])).ok());
  EXPECT_THAT(responses_, SizeIs(0));
  v1::SubscribeRequest stray;
  stray.mutable_answer()->set_id("never asked");
  ASSERT_TRUE(hub_->OnMessage(a.id, stray).ok());
  Answer(a);
  Answer(a);
  EXPECT_EQ(OnlyAnswer().answer().code(), 0);
}

TEST_F(PushCommandTest, TheEndOfTheProgramAnswersWhoWaits) {
  FakeStream a;
  Connect(a, "edge-1");
  ASSERT_TRUE(Command(Trip()).ok());
  hub_->Drain(absl::Seconds(1));
  EXPECT_EQ(OnlyAnswer().answer().message(), "the control plane is shutting down");
  EXPECT_EQ(Command(Trip()).code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace sluice
