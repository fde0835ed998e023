// Adopt, ReplaceEpochs and ForgetNode over real gRPC, with data planes that run
// the policies of another store.
#include <openssl/sha.h>

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "proto/policy/kinds.h"
#include "tests/controlplane/in_process_server.h"

namespace sluice {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

bool Eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

// A data plane: holds resources, takes updates, tells what it runs.
class RunningNode {
 public:
  struct Runs {
    std::string epoch;
    uint64_t revision = 0;
    std::vector<v1::Resource> resources;
    // Tells nothing: it is an older program.
    bool is_old = false;
  };

  RunningNode(InProcessServer& server, const std::string& id, Runs runs)
      : epoch_(runs.epoch), revision_(runs.revision), is_old_(runs.is_old), stream_(server.push().Subscribe(&context_)) {
    for (const v1::Resource& resource : runs.resources) {
      v1::ResourceUpsert& upsert = held_[{std::string(KindOf(resource)), resource.meta().name()}];
      upsert.set_kind(std::string(KindOf(resource)));
      upsert.set_name(resource.meta().name());
      upsert.set_version(runs.revision);
      upsert.set_spec(SpecOf(resource).SerializeAsString());
    }
    v1::SubscribeRequest hello;
    hello.mutable_hello()->set_node_id(id);
    hello.mutable_hello()->set_schema_version(1);
    hello.mutable_hello()->set_epoch(epoch_);
    hello.mutable_hello()->set_revision(revision_);
    stream_->Write(hello);
    reader_ = std::thread([this] { Run(); });
    EXPECT_TRUE(Eventually([&] {
      for (const v1::NodeStatus& node : server.hub().ListNodes()) {
        if (node.node_id() == id && node.state() != v1::NODE_STATE_LOST) return true;
      }
      return false;
    }));
  }

  ~RunningNode() { Leave(); }

  void Leave() {
    context_.TryCancel();
    if (reader_.joinable()) reader_.join();
  }

  std::set<std::string> names() {
    std::lock_guard lock(mutex_);
    std::set<std::string> names;
    for (const auto& [key, upsert] : held_) names.insert(ResourceId(key.first, key.second));
    return names;
  }
  int updates() {
    std::lock_guard lock(mutex_);
    return updates_;
  }

 private:
  // Small, so that all is told in several.
  static constexpr size_t kPiece = 40;

  void Run() {
    v1::SubscribeResponse message;
    while (stream_->Read(&message)) {
      std::lock_guard lock(mutex_);
      if (message.has_update()) Take(message.update());
      if (message.query().has_policies()) Tell(message.query());
    }
  }

  void Take(const v1::Update& update) {
    if (update.snapshot()) held_.clear();
    for (const v1::ResourceUpsert& upsert : update.upserts()) held_[{upsert.kind(), upsert.name()}] = upsert;
    for (const v1::ResourceRef& removal : update.removals()) held_.erase({removal.kind(), removal.name()});
    epoch_ = update.epoch();
    revision_ = update.revision();
    ++updates_;
    v1::SubscribeRequest ack;
    ack.mutable_ack()->set_nonce(update.nonce());
    ack.mutable_ack()->set_revision(update.revision());
    stream_->Write(ack);
  }

  void Tell(const v1::Query& query) {
    v1::SubscribeRequest request;
    v1::Answer& answer = *request.mutable_answer();
    answer.set_id(query.id());
    if (is_old_) {
      answer.set_code(static_cast<int>(StatusCode::UNIMPLEMENTED));
      answer.set_message("this data plane does not know the query");
    } else {
      v1::PolicyBundle bundle;
      for (const auto& [key, upsert] : held_) *bundle.add_resources() = upsert;
      const std::string bytes = bundle.SerializeAsString();
      std::string sha256(SHA256_DIGEST_LENGTH, '\0');
      SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
             reinterpret_cast<unsigned char*>(sha256.data()));
      v1::PoliciesInForce& policies = *answer.mutable_policies();
      policies.set_epoch(epoch_);
      policies.set_revision(revision_);
      policies.set_total_bytes(bytes.size());
      policies.set_sha256(sha256);
      policies.set_data(bytes.substr(std::min<uint64_t>(query.policies().offset(), bytes.size()), kPiece));
    }
    stream_->Write(request);
  }

  std::mutex mutex_;
  std::string epoch_;
  uint64_t revision_;
  const bool is_old_;
  std::map<std::pair<std::string, std::string>, v1::ResourceUpsert> held_;
  int updates_ = 0;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SubscribeRequest, v1::SubscribeResponse>> stream_;
  std::thread reader_;
};

class AdminEpochsTest : public testing::Test {
 protected:
  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (v1::Admin::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response& response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    return (server_.admin().*method)(&context, request, &response);
  }
  grpc::Status Adopt(const v1::AdoptRequest& request = {}) {
    return Call(&v1::Admin::Stub::Adopt, request, adopted_);
  }
  grpc::Status Replace(const v1::ReplaceEpochsRequest& request = {}) {
    return Call(&v1::Admin::Stub::ReplaceEpochs, request, replaced_);
  }
  grpc::Status Forget(const std::string& id) {
    v1::ForgetNodeRequest request;
    v1::ForgetNodeResponse response;
    request.set_node_id(id);
    return Call(&v1::Admin::Stub::ForgetNode, request, response);
  }

  RunningNode::Runs TheirFleet() {
    return {"theirs", 41, {MakeUpstream("openai"), MakeRoute("chat", "openai")}, false};
  }
  v1::NodeState StateOf(const std::string& id) {
    for (const v1::NodeStatus& node : server_.hub().ListNodes()) {
      if (node.node_id() == id) return node.state();
    }
    return v1::NODE_STATE_UNSPECIFIED;
  }
  bool Acked(const std::string& id) {
    return Eventually([&] { return StateOf(id) == v1::NODE_STATE_ACKED; });
  }
  std::vector<std::string> Stored() {
    std::vector<std::string> names;
    for (const auto& [key, resource] : (*server_.store().Current())->resources) {
      names.push_back(ResourceId(key.kind, key.name));
    }
    return names;
  }
  template <typename Changes>
  static std::vector<std::string> Texts(const Changes& changes) {
    std::vector<std::string> texts;
    for (const v1::Change& change : changes) {
      texts.push_back(v1::ChangeAction_Name(change.action()).substr(14) + " " +
                      ResourceId(change.resource().kind(), change.resource().name()));
    }
    return texts;
  }

  InProcessServer server_;
  v1::AdoptResponse adopted_;
  v1::ReplaceEpochsResponse replaced_;
};

TEST_F(AdminEpochsTest, AdoptTakesOverWhatTheFleetRuns) {
  server_.Apply({MakeUpstream("only-here")});
  RunningNode a(server_, "edge-1", TheirFleet()), b(server_, "edge-2", TheirFleet());
  EXPECT_EQ(StateOf("edge-1"), v1::NODE_STATE_EPOCH_MISMATCH);

  v1::AdoptRequest request;
  request.set_validate_only(true);
  ASSERT_TRUE(Adopt(request).ok());
  EXPECT_EQ(Stored().size(), 1u) << "only looked at";
  EXPECT_EQ(adopted_.revision(), 1u);

  request.set_validate_only(false);
  request.set_request_id("once");
  const grpc::Status status = Adopt(request);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(adopted_.revision(), 2u);
  EXPECT_EQ(adopted_.adopted_epoch(), "theirs");
  EXPECT_EQ(adopted_.adopted_revision(), 41u);
  EXPECT_THAT(adopted_.node_ids(), ElementsAre("edge-1", "edge-2"));
  EXPECT_THAT(Texts(adopted_.changes()), testing::UnorderedElementsAre("CREATED route/chat", "CREATED upstream/openai",
                                                                       "DELETED upstream/only-here"));
  EXPECT_THAT(Stored(), ElementsAre("route/chat", "upstream/openai"));
  EXPECT_THAT(server_.store().lineage().replaces_epochs, ElementsAre("theirs"));
  EXPECT_TRUE(Acked("edge-1"));
  EXPECT_TRUE(Acked("edge-2"));
  EXPECT_THAT(a.names(), ElementsAre("route/chat", "upstream/openai"));
  // The same request again.
  ASSERT_TRUE(Adopt(request).ok());
  EXPECT_EQ(adopted_.revision(), 2u);
  // And anew.
  const grpc::Status nobody = Adopt();
  EXPECT_EQ(nobody.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(nobody.error_message(), HasSubstr("no data plane runs another epoch"));
}

TEST_F(AdminEpochsTest, AdoptKeepsTheLabelsOfWhatTheStoreHasToo) {
  v1::Resource labelled = MakeUpstream("openai");
  (*labelled.mutable_meta()->mutable_labels())["team"] = "search";
  server_.Apply({labelled});
  RunningNode node(server_, "edge-1", TheirFleet());
  ASSERT_TRUE(Adopt().ok());
  EXPECT_THAT(Texts(adopted_.changes()), ElementsAre("CREATED route/chat"));
  const auto state = *server_.store().Current();
  EXPECT_EQ(state->resources.at({"Upstream", "openai"})->meta().labels().at("team"), "search");
}

TEST_F(AdminEpochsTest, AdoptRefusesAFleetThatRunsDifferentThingsAndSaysWhat) {
  RunningNode::Runs other = TheirFleet();
  other.revision = 42;
  other.resources.push_back(MakeUpstream("second"));
  RunningNode a(server_, "edge-1", TheirFleet()), b(server_, "edge-2", TheirFleet()), c(server_, "edge-3", other);
  const grpc::Status status = Adopt();
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(status.error_message(),
            "nothing was adopted: data planes run different policies; from edge-1, edge-2 (revision 41 of epoch "
            "\"theirs\") differ edge-3 (revision 42 of epoch \"theirs\") in upstream/second");
  EXPECT_THAT(Stored(), IsEmpty());
  c.Leave();
  ASSERT_TRUE(Eventually([&] { return StateOf("edge-3") == v1::NODE_STATE_LOST; }));
  EXPECT_TRUE(Adopt().ok()) << "who is lost has no say";
}

TEST_F(AdminEpochsTest, TheSameUnderTwoEpochsIsTheSame) {
  RunningNode::Runs other = TheirFleet();
  other.epoch = "older";
  other.revision = 7;
  RunningNode a(server_, "edge-1", TheirFleet()), b(server_, "edge-2", other);
  const grpc::Status status = Adopt();
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(server_.store().lineage().replaces_epochs, testing::UnorderedElementsAre("theirs", "older"));
  EXPECT_TRUE(Acked("edge-1"));
  EXPECT_TRUE(Acked("edge-2"));
}

TEST_F(AdminEpochsTest, ADataPlaneThatDoesNotTellIsNamed) {
  RunningNode::Runs old = TheirFleet();
  old.is_old = true;
  RunningNode a(server_, "edge-1", TheirFleet()), b(server_, "edge-2", old);
  const grpc::Status status = Adopt();
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("edge-2 (this data plane does not know the query)"));
}

TEST_F(AdminEpochsTest, WhatIsNotValidHereIsNotAdopted) {
  RunningNode::Runs runs = TheirFleet();
  runs.resources = {MakeRoute("chat", "nowhere")};
  RunningNode node(server_, "edge-1", runs);
  const grpc::Status status = Adopt();
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("nowhere"));
  EXPECT_THAT(server_.store().lineage().replaces_epochs, IsEmpty());
}

// The store's file was put back: revisions that it gave out are unknown to it.
TEST_F(AdminEpochsTest, AFutureThatTheStoreLostIsAdoptedInANewEpoch) {
  server_.Apply({MakeUpstream("openai")});
  const std::string before = server_.store().epoch();
  RunningNode::Runs runs = TheirFleet();
  runs.epoch = before;
  RunningNode::Runs in_step;
  RunningNode ahead(server_, "edge-1", runs), other(server_, "edge-2", in_step);
  ASSERT_TRUE(Acked("edge-2"));
  EXPECT_EQ(StateOf("edge-1"), v1::NODE_STATE_EPOCH_MISMATCH);
  const grpc::Status status = Adopt();
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(adopted_.node_ids(), ElementsAre("edge-1"));
  EXPECT_NE(server_.store().epoch(), before);
  EXPECT_THAT(server_.store().lineage().replaces_epochs, ElementsAre(before));
  EXPECT_TRUE(Acked("edge-1"));
  EXPECT_TRUE(Acked("edge-2"));
  EXPECT_THAT(other.names(), ElementsAre("route/chat", "upstream/openai"));
}

TEST_F(AdminEpochsTest, ReplaceEpochsTellsWhatIsLostAndThenReplacesIt) {
  server_.Apply({MakeUpstream("openai", "http://127.0.0.1:2/v1")});
  RunningNode node(server_, "edge-1", TheirFleet());
  {
    RunningNode::Runs older = TheirFleet();
    older.epoch = "older";
    older.revision = 7;
    RunningNode lost(server_, "edge-2", older);
  }
  ASSERT_TRUE(Eventually([&] { return StateOf("edge-2") == v1::NODE_STATE_LOST; }));
  v1::ReplaceEpochsRequest request;
  request.set_validate_only(true);
  *request.add_resources() = MakeUpstream("new");
  grpc::Status status = Replace(request);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(replaced_.losses_size(), 2);
  EXPECT_EQ(replaced_.losses(0).epoch(), "theirs");
  EXPECT_EQ(replaced_.losses(0).revision(), 41u);
  EXPECT_THAT(replaced_.losses(0).node_ids(), ElementsAre("edge-1"));
  EXPECT_THAT(Texts(replaced_.losses(0).changes()),
              ElementsAre("DELETED route/chat", "CREATED upstream/new", "UPDATED upstream/openai"));
  EXPECT_EQ(replaced_.losses(1).epoch(), "older");
  EXPECT_THAT(replaced_.losses(1).node_ids(), ElementsAre("edge-2"));
  EXPECT_THAT(replaced_.losses(1).message(), HasSubstr("not connected"));
  EXPECT_THAT(server_.store().lineage().replaces_epochs, IsEmpty());
  EXPECT_EQ(node.updates(), 0);

  request.set_validate_only(false);
  request.clear_resources();
  request.set_request_id("once");
  ASSERT_TRUE(Replace(request).ok());
  EXPECT_EQ(replaced_.losses_size(), 2);
  EXPECT_THAT(server_.store().lineage().replaces_epochs, testing::UnorderedElementsAre("theirs", "older"));
  EXPECT_TRUE(Acked("edge-1"));
  EXPECT_THAT(node.names(), ElementsAre("upstream/openai"));
  ASSERT_TRUE(Replace(request).ok());
  EXPECT_EQ(replaced_.losses_size(), 2) << "the answer is remembered";
  ASSERT_TRUE(Replace().ok());
  EXPECT_EQ(replaced_.losses_size(), 0) << "there is none left";
}

TEST_F(AdminEpochsTest, AnEmptyStoreReplacesNobody) {
  RunningNode node(server_, "edge-1", TheirFleet());
  const grpc::Status status = Replace();
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("this store has no policies yet; apply them first"));
  EXPECT_THAT(server_.store().lineage().replaces_epochs, IsEmpty());
  v1::ReplaceEpochsRequest look;
  look.set_validate_only(true);
  EXPECT_TRUE(Replace(look).ok());
  EXPECT_THAT(Texts(replaced_.losses(0).changes()), ElementsAre("DELETED route/chat", "DELETED upstream/openai"));
}

TEST_F(AdminEpochsTest, ForgetNodeTakesOffTheListWhoIsNotConnected) {
  EXPECT_EQ(Forget("").error_code(), StatusCode::INVALID_ARGUMENT);
  {
    RunningNode node(server_, "edge-1", {});
    EXPECT_EQ(Forget("edge-1").error_code(), StatusCode::FAILED_PRECONDITION);
    const grpc::Status unknown = Forget("edge-2");
    EXPECT_EQ(unknown.error_code(), StatusCode::NOT_FOUND);
    EXPECT_THAT(unknown.error_message(), HasSubstr("edge-1"));
  }
  ASSERT_TRUE(Eventually([&] { return StateOf("edge-1") == v1::NODE_STATE_LOST; }));
  EXPECT_TRUE(Forget("edge-1").ok());
  EXPECT_THAT(server_.hub().ListNodes(), IsEmpty());
}

}  // namespace
}  // namespace sluice
