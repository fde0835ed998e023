// A data plane on a real stream: holds resources, takes updates, tells what it
// runs.
#ifndef SLUICE_TESTS_CONTROLPLANE_RUNNING_NODE_H_
#define SLUICE_TESTS_CONTROLPLANE_RUNNING_NODE_H_

#include <openssl/sha.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "proto/policy/kinds.h"
#include "tests/controlplane/in_process_server.h"

namespace sluice {

// Within 20 s.
inline bool Eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

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
      : epoch_(runs.epoch),
        revision_(runs.revision),
        is_old_(runs.is_old),
        stream_(server.push().Subscribe(&context_)) {
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
      answer.set_code(static_cast<int>(grpc::StatusCode::UNIMPLEMENTED));
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

}  // namespace sluice

#endif  // SLUICE_TESTS_CONTROLPLANE_RUNNING_NODE_H_
