// A dry run that asks the data planes, over real streams.
#include <chrono>
#include <functional>
#include <thread>

#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "tests/controlplane/in_process_server.h"

namespace sluice {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

// A data plane that takes every update, or none, and answers checks as told.
class AskedNode {
 public:
  using Check = std::function<void(const v1::PolicyCheckQuery&, v1::Answer&)>;

  AskedNode(InProcessServer& server, const std::string& id, Check check, bool acks = true)
      : stream_(server.push().Subscribe(&context_)), check_(std::move(check)), acks_(acks) {
    v1::SubscribeRequest hello;
    hello.mutable_hello()->set_node_id(id);
    hello.mutable_hello()->set_schema_version(1);
    stream_->Write(hello);
    thread_ = std::thread([this] { Run(); });
    WaitFor(server, id, acks ? v1::NODE_STATE_ACKED : v1::NODE_STATE_NACKED);
  }
  ~AskedNode() {
    context_.TryCancel();
    thread_.join();
  }

  static void WaitFor(InProcessServer& server, const std::string& id, v1::NodeState state) {
    while (StateOf(server, id) != state) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

 private:
  static v1::NodeState StateOf(InProcessServer& server, const std::string& id) {
    for (const v1::NodeStatus& node : server.hub().ListNodes()) {
      if (node.node_id() == id) return node.state();
    }
    return v1::NODE_STATE_UNSPECIFIED;
  }

  void Run() {
    v1::SubscribeResponse message;
    while (stream_->Read(&message)) {
      v1::SubscribeRequest request;
      if (message.has_update() && message.update().last_chunk()) {
        if (acks_) {
          request.mutable_ack()->set_nonce(message.update().nonce());
        } else {
          request.mutable_nack()->set_nonce(message.update().nonce());
          v1::Violation& violation = *request.mutable_nack()->add_violations();
          violation.mutable_resource()->set_kind("Upstream");
          violation.mutable_resource()->set_name("a");
          violation.set_message("does not like it");
        }
      } else if (message.has_query()) {
        request.mutable_answer()->set_id(message.query().id());
        check_(message.query().check(), *request.mutable_answer());
      } else {
        continue;
      }
      stream_->Write(request);
    }
  }

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SubscribeRequest, v1::SubscribeResponse>> stream_;
  const Check check_;
  const bool acks_;
  std::thread thread_;
};

void WouldRunIt(const v1::PolicyCheckQuery&, v1::Answer& answer) { answer.mutable_check(); }

class AskNodesTest : public testing::Test {
 protected:
  grpc::Status Apply(const v1::ApplyRequest& request) {
    grpc::ClientContext context;
    return server_.admin().Apply(&context, request, &applied_);
  }

  static v1::ApplyRequest Request(const v1::Resource& resource) {
    v1::ApplyRequest request;
    *request.add_resources() = resource;
    return request;
  }

  InProcessServer server_;
  v1::ApplyResponse applied_;
};

TEST_F(AskNodesTest, ADryRunTellsWhichDataPlanesWouldRefuseAndWhichCannotTell) {
  server_.Apply({MakeUpstream("a"), MakeUpstream("b")});
  v1::PolicyCheckQuery asked;
  AskedNode good(server_, "good", [&asked](const v1::PolicyCheckQuery& query, v1::Answer& answer) {
    asked = query;
    answer.mutable_check();
  });
  AskedNode refuses(server_, "refuses", [](const v1::PolicyCheckQuery&, v1::Answer& answer) {
    v1::Violation& violation = *answer.mutable_check()->add_violations();
    violation.set_code("CREDENTIAL");
    violation.set_message("env KEY is not set here");
  });
  AskedNode old(server_, "old", [](const v1::PolicyCheckQuery&, v1::Answer& answer) {
    answer.set_code(static_cast<int>(StatusCode::UNIMPLEMENTED));
  });
  AskedNode behind(server_, "behind", WouldRunIt, /*acks=*/false);
  { AskedNode left(server_, "left", WouldRunIt); }
  AskedNode::WaitFor(server_, "left", v1::NODE_STATE_LOST);
  v1::ApplyRequest request = Request(MakeUpstream("a", "http://127.0.0.1:2/v1"));
  request.mutable_prune()->add_kinds("Upstream");
  request.set_validate_only(true);
  request.set_ask_nodes(true);
  ASSERT_TRUE(Apply(request).ok());
  EXPECT_EQ((*server_.store().Current())->revision, 1);
  ASSERT_EQ(asked.upserts_size(), 1);
  EXPECT_EQ(asked.upserts(0).name(), "a");
  ASSERT_EQ(asked.removals_size(), 1);
  EXPECT_EQ(asked.removals(0).name(), "b");
  std::vector<std::string> findings;
  for (const v1::NodeFindings& node : applied_.nodes()) {
    findings.push_back(node.node_id() + " " + std::to_string(node.code()) + " " + node.message() +
                       (node.violations().empty() ? "" : node.violations(0).message()));
  }
  EXPECT_THAT(findings, ElementsAre("behind 9 cannot tell: it runs revision 0, not 1: upstream/a: does not like it",
                                    "left 9 cannot tell: it is not connected",
                                    "old 12 cannot be asked: its version does not know the question",
                                    "refuses 0 env KEY is not set here"));
}

TEST_F(AskNodesTest, WhereNothingWouldChangeTheirWordOnWhatIsInForceStands) {
  server_.Apply({MakeUpstream("a")});
  AskedNode good(server_, "good", WouldRunIt);
  AskedNode refused(server_, "refused", WouldRunIt, /*acks=*/false);
  { AskedNode left(server_, "left", WouldRunIt); }
  AskedNode::WaitFor(server_, "left", v1::NODE_STATE_LOST);
  v1::ApplyRequest request = Request(MakeUpstream("a"));
  request.set_validate_only(true);
  request.set_ask_nodes(true);
  ASSERT_TRUE(Apply(request).ok());
  ASSERT_EQ(applied_.nodes_size(), 2);
  EXPECT_EQ(applied_.nodes(0).node_id(), "left");
  EXPECT_EQ(applied_.nodes(0).message(), "cannot tell: it is not connected");
  EXPECT_EQ(applied_.nodes(1).node_id(), "refused");
  ASSERT_EQ(applied_.nodes(1).violations_size(), 1);
  EXPECT_EQ(applied_.nodes(1).violations(0).message(), "does not like it");
}

TEST_F(AskNodesTest, AChangeTooLargeToAskAboutSaysSo) {
  server_.Apply({MakeUpstream("a")});
  AskedNode node(server_, "edge", WouldRunIt);
  v1::ApplyRequest request;
  for (int i = 0; i < 11; ++i) *request.add_resources() = MakeEndpointList("l" + std::to_string(i), 9000);
  request.set_validate_only(true);
  request.set_ask_nodes(true);
  const grpc::Status status = Apply(request);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(applied_.nodes_size(), 1);
  EXPECT_EQ(applied_.nodes(0).code(), static_cast<int>(StatusCode::RESOURCE_EXHAUSTED));
  EXPECT_THAT(applied_.nodes(0).message(),
              MatchesRegex("was not asked: the change has [0-9]+ bytes; at most 3145728 are sent"));
}

TEST_F(AskNodesTest, DataPlanesAreAskedAboutWhatIsNotAppliedOnly) {
  v1::ApplyRequest request = Request(MakeUpstream("a"));
  request.set_ask_nodes(true);
  EXPECT_THAT(Apply(request).error_message(), HasSubstr("ask_nodes: needs validate_only"));
  request.set_validate_only(true);
  ASSERT_TRUE(Apply(request).ok());
  EXPECT_THAT(applied_.nodes(), IsEmpty());
}

}  // namespace
}  // namespace sluice
