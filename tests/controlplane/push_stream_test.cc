// Push over real streams: what a data plane sees on the wire.
#include <chrono>
#include <set>
#include <thread>

#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "tests/controlplane/in_process_server.h"

namespace sluice {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

// A data plane that does what the test tells it.
class Node {
 public:
  Node(InProcessServer& server, const std::string& id) : stream_(server.push().Subscribe(&context_)) {
    hello_.mutable_hello()->set_node_id(id);
    hello_.mutable_hello()->set_schema_version(1);
  }

  // The stream is cancelled with the node.
  ~Node() { context_.TryCancel(); }

  v1::Hello& hello() { return *hello_.mutable_hello(); }
  void SayHello() { stream_->Write(hello_); }

  // Reads one update, all chunks.
  std::vector<v1::Update> Read() {
    std::vector<v1::Update> chunks;
    v1::SubscribeResponse response;
    while (stream_->Read(&response)) {
      if (!response.has_update()) continue;
      chunks.push_back(response.update());
      if (response.update().last_chunk()) break;
    }
    return chunks;
  }

  v1::Update ReadOne() {
    std::vector<v1::Update> chunks = Read();
    EXPECT_EQ(chunks.size(), 1);
    return chunks.empty() ? v1::Update() : chunks.front();
  }

  bool ReadAny(v1::SubscribeResponse& response) { return stream_->Read(&response); }

  void Ack(const v1::Update& update) {
    v1::SubscribeRequest message;
    message.mutable_ack()->set_nonce(update.nonce());
    message.mutable_ack()->set_revision(update.revision());
    stream_->Write(message);
  }

  void Nack(const v1::Update& update) {
    v1::SubscribeRequest message;
    message.mutable_nack()->set_nonce(update.nonce());
    message.mutable_nack()->set_revision(update.revision());
    message.mutable_nack()->add_violations()->set_message("no");
    stream_->Write(message);
  }

  grpc::Status Finish() { return stream_->Finish(); }
  void Write(const v1::SubscribeRequest& message) { stream_->Write(message); }

 private:
  grpc::ClientContext context_;
  v1::SubscribeRequest hello_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SubscribeRequest, v1::SubscribeResponse>> stream_;
};

v1::AwaitRevisionResponse Await(InProcessServer& server, uint64_t revision) {
  v1::AwaitRevisionRequest request;
  request.set_revision(revision);
  request.mutable_timeout()->set_seconds(5);
  v1::AwaitRevisionResponse response;
  grpc::ClientContext context;
  grpc::Status status = server.admin().AwaitRevision(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response;
}

v1::NodeStatus Status(InProcessServer& server, const std::string& id) {
  for (v1::NodeStatus& node : server.hub().ListNodes()) {
    if (node.node_id() == id) return node;
  }
  return {};
}

TEST(PushStreamTest, AppliedPoliciesArriveAndTheAckIsSeen) {
  InProcessServer server;
  server.Apply({MakeUpstream("u")});
  Node node(server, "edge-1");
  node.SayHello();
  v1::Update first = node.ReadOne();
  EXPECT_TRUE(first.snapshot());
  EXPECT_EQ(first.epoch(), server.store().epoch());
  ASSERT_EQ(first.upserts_size(), 1);
  v1::Upstream spec;
  ASSERT_TRUE(spec.ParseFromString(first.upserts(0).spec()));
  EXPECT_EQ(spec.endpoints(0).name(), "primary");
  node.Ack(first);
  EXPECT_EQ(Await(server, 1).acked(), 1);
  server.Apply({MakeUpstream("v")});
  v1::Update second = node.ReadOne();
  EXPECT_FALSE(second.snapshot());
  EXPECT_EQ(second.revision(), 2);
  EXPECT_EQ(second.upserts_size(), 1);
  node.Ack(second);
  EXPECT_EQ(Await(server, 2).acked(), 1);
  EXPECT_EQ(Status(server, "edge-1").state(), v1::NODE_STATE_ACKED);
}

TEST(PushStreamTest, ANackIsShownAndTheNextRevisionIsTriedAgain) {
  InProcessServer server;
  server.Apply({MakeUpstream("u")});
  Node node(server, "edge-1");
  node.SayHello();
  node.Nack(node.ReadOne());
  v1::AwaitRevisionResponse answer = Await(server, 1);
  EXPECT_EQ(answer.nacked(), 1);
  EXPECT_THAT(answer.nodes(0).last_error(), HasSubstr("no"));
  server.Apply({MakeUpstream("u", "http://127.0.0.1:2/v1")});
  v1::Update again = node.ReadOne();
  EXPECT_EQ(again.revision(), 2);
  node.Ack(again);
  EXPECT_EQ(Await(server, 2).acked(), 1);
}

TEST(PushStreamTest, ABurstOfChangesArrivesAsFewUpdatesThatEndAtTheNewest) {
  InProcessServer server;
  server.Apply({MakeRetryPolicy("p", 1)});
  Node node(server, "edge-1");
  node.SayHello();
  node.Ack(node.ReadOne());
  Await(server, 1);
  uint64_t last = 0;
  for (int i = 0; i < 50; ++i) last = server.Apply({MakeRetryPolicy("p", 1 + (i + 1) % 9)});
  int updates = 0;
  for (uint64_t seen = 1; seen < last; ++updates) {
    v1::Update update = node.ReadOne();
    ASSERT_GT(update.revision(), seen);
    seen = update.revision();
    node.Ack(update);
  }
  EXPECT_LE(updates, 25);
  EXPECT_EQ(Await(server, last).acked(), 1);
}

TEST(PushStreamTest, ALargeSnapshotComesInChunksBelowOneMebibyte) {
  InProcessServer server;
  std::vector<v1::Resource> lists;
  for (int i = 0; i < 8; ++i) lists.push_back(MakeEndpointList("l" + std::to_string(i), 9000));
  for (const v1::Resource& list : lists) server.Apply({list});
  Node node(server, "edge-1");
  node.SayHello();
  std::set<std::string> names;
  // The last of them may still be held back when the node comes: then it follows.
  for (uint64_t seen = 0; seen < 8;) {
    const std::vector<v1::Update> chunks = node.Read();
    ASSERT_FALSE(chunks.empty());
    if (seen == 0) {
      EXPECT_TRUE(chunks.front().snapshot());
      EXPECT_GT(chunks.size(), 1);
    }
    for (const v1::Update& chunk : chunks) {
      EXPECT_LT(chunk.ByteSizeLong(), 1u << 20);
      for (const v1::ResourceUpsert& upsert : chunk.upserts()) names.insert(upsert.name());
    }
    seen = chunks.back().revision();
    node.Ack(chunks.back());
  }
  EXPECT_EQ(names.size(), 8);
  EXPECT_EQ(Await(server, 8).acked(), 1);
}

TEST(PushStreamTest, ANodeThatNeverAnswersIsDroppedWithAReason) {
  InProcessServer server({.ack_timeout = absl::Milliseconds(200)});
  server.Apply({MakeUpstream("u")});
  Node node(server, "edge-1");
  node.SayHello();
  node.ReadOne();
  v1::SubscribeResponse response;
  EXPECT_FALSE(node.ReadAny(response));
  grpc::Status status = node.Finish();
  EXPECT_EQ(status.error_code(), StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(status.error_message(), "no answer to revision 1 within 200ms");
  EXPECT_EQ(Status(server, "edge-1").state(), v1::NODE_STATE_LOST);
}

TEST(PushStreamTest, ANodeThatDoesNotEvenReadIsDropped) {
  InProcessServer server({.ack_timeout = absl::Milliseconds(300)});
  for (int i = 0; i < 8; ++i) server.Apply({MakeEndpointList("l" + std::to_string(i), 9000)});
  Node node(server, "edge-1");
  node.SayHello();
  for (int i = 0; i < 500 && Status(server, "edge-1").state() != v1::NODE_STATE_LOST; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(Status(server, "edge-1").state(), v1::NODE_STATE_LOST);
  EXPECT_EQ(server.hub().CountStreams(), 0);
}

TEST(PushStreamTest, TheOlderOfTwoStreamsWithOneNameIsToldWhy) {
  InProcessServer server;
  Node older(server, "edge-1");
  older.SayHello();
  while (server.hub().CountStreams() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  Node newer(server, "edge-1");
  newer.SayHello();
  v1::SubscribeResponse response;
  EXPECT_FALSE(older.ReadAny(response));
  grpc::Status status = older.Finish();
  EXPECT_EQ(status.error_code(), StatusCode::ABORTED);
  EXPECT_THAT(status.error_message(), HasSubstr("another data plane connected as \"edge-1\""));
  server.Apply({MakeUpstream("u")});
  newer.Ack(newer.ReadOne());
  EXPECT_EQ(Await(server, 1).acked(), 1);
}

TEST(PushStreamTest, StreamsThatBreakTheRulesAreEndedWithTheReason) {
  InProcessServer server;
  Node silent(server, "edge-1");
  v1::SubscribeRequest ack;
  ack.mutable_ack()->set_nonce("x");
  silent.Write(ack);
  EXPECT_EQ(silent.Finish().error_message(), "the first message must be hello");
  Node nameless(server, "not a name");
  nameless.SayHello();
  EXPECT_THAT(nameless.Finish().error_message(), HasSubstr("hello.node_id"));
  Node twice(server, "edge-2");
  twice.SayHello();
  twice.SayHello();
  EXPECT_EQ(twice.Finish().error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST(PushStreamTest, ReconnectingResumesWithRemovals) {
  InProcessServer server;
  server.Apply({MakeUpstream("a"), MakeUpstream("b")});
  v1::Update had;
  {
    Node node(server, "edge-1");
    node.SayHello();
    had = node.ReadOne();
    node.Ack(had);
    Await(server, 1);
  }
  v1::DeleteRequest removal;
  removal.add_resources()->set_kind("upstream");
  removal.mutable_resources(0)->set_name("a");
  v1::DeleteResponse removed;
  grpc::ClientContext context;
  ASSERT_TRUE(server.admin().Delete(&context, removal, &removed).ok());
  Node back(server, "edge-1");
  back.hello().set_epoch(had.epoch());
  back.hello().set_revision(had.revision());
  for (const auto& upsert : had.upserts()) {
    v1::ResourceVersion& have = *back.hello().add_have();
    have.set_kind(upsert.kind());
    have.set_name(upsert.name());
    have.set_version(upsert.version());
  }
  back.SayHello();
  v1::Update update = back.ReadOne();
  // The hub may hear of the removal just after it greeted the node.
  if (update.revision() < removed.revision()) {
    back.Ack(update);
    update = back.ReadOne();
  }
  EXPECT_FALSE(update.snapshot());
  EXPECT_EQ(update.upserts_size(), 0);
  ASSERT_EQ(update.removals_size(), 1);
  EXPECT_EQ(update.removals(0).name(), "a");
}

TEST(PushStreamTest, AHundredNodesAllGetAChange) {
  InProcessServer server({.admission_burst = 200});
  server.Apply({MakeRetryPolicy("p", 1)});
  std::vector<std::unique_ptr<Node>> nodes;
  for (int i = 0; i < 100; ++i) {
    nodes.push_back(std::make_unique<Node>(server, "edge-" + std::to_string(i)));
    nodes.back()->SayHello();
  }
  for (auto& node : nodes) node->Ack(node->ReadOne());
  EXPECT_EQ(Await(server, 1).acked(), 100);
  server.Apply({MakeRetryPolicy("p", 2)});
  for (auto& node : nodes) node->Ack(node->ReadOne());
  v1::AwaitRevisionResponse answer = Await(server, 2);
  EXPECT_EQ(answer.acked(), 100);
  EXPECT_EQ(answer.pending(), 0);
}

}  // namespace
}  // namespace sluice
