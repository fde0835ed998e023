// PushHub under a clock of its own, with streams that only note what they get.
#ifndef SLUICE_TESTS_CONTROLPLANE_PUSH_FIXTURE_H_
#define SLUICE_TESTS_CONTROLPLANE_PUSH_FIXTURE_H_

#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/push/push_hub.h"
#include "controlplane/store/sqlite_store.h"
#include "gtest/gtest.h"
#include "spdlog/sinks/ostream_sink.h"
#include "spdlog/spdlog.h"
#include "tests/controlplane/policies.h"

namespace sluice {

class FakeStream : public SubscriberStream {
 public:
  void Send(UpdatePlanPtr plan) override { plans.push_back(std::move(plan)); }
  bool SendCommand(std::shared_ptr<const v1::SubscribeResponse>) override {
    ++commands;
    return true;
  }
  void Drain(const v1::Drain& drain) override { drains.push_back(drain); }
  void End(const absl::Status& status) override { ended = status; }

  std::vector<UpdatePlanPtr> plans;
  std::vector<v1::Drain> drains;
  int commands = 0;
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
  void SetUp() override { SetUpAnew(); }

  // With an empty store.
  void SetUpAnew() {
    watch_.reset();
    hub_.reset();
    store_ = *OpenSqliteStore(folder_.File("store-" + std::to_string(++stores_) + ".db"), {}, [this] { return now_; });
    Make({});
  }

  void Make(PushSettings settings, uint32_t seed = 1) {
    watch_.reset();
    PushHub::Options options;
    options.settings = settings;
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

  static v1::Hello Hello(const std::string& id) {
    v1::Hello hello;
    hello.set_node_id(id);
    hello.set_schema_version(1);
    return hello;
  }

  // Of a node that runs this.
  static v1::Hello Running(const std::string& id, const std::string& epoch, uint64_t revision) {
    v1::Hello hello = Hello(id);
    hello.set_epoch(epoch);
    hello.set_revision(revision);
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

  void SayGoodbye(FakeStream& stream) {
    v1::SubscribeRequest message;
    message.mutable_goodbye()->set_reason("the data plane is shutting down");
    ASSERT_TRUE(hub_->OnMessage(stream.id, message).ok());
  }

  v1::NodeStatus Status(const std::string& id) {
    for (v1::NodeStatus& node : hub_->ListNodes()) {
      if (node.node_id() == id) return node;
    }
    return {};
  }

  TempFolder folder_;
  int stores_ = 0;
  absl::Time now_ = absl::FromUnixSeconds(1000000);
  CountingObserver observer_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<PushHub> hub_;
  std::unique_ptr<StoreWatch> watch_;
};

// What is logged while it lives.
class LogCapture {
 public:
  LogCapture() : before_(spdlog::default_logger()) {
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)));
  }
  ~LogCapture() { spdlog::set_default_logger(before_); }

  std::string text() const { return text_.str(); }
  int Count(const std::string& part) const {
    int count = 0;
    const std::string all = text_.str();
    for (size_t at = all.find(part); at != std::string::npos; at = all.find(part, at + 1)) ++count;
    return count;
  }

 private:
  std::ostringstream text_;
  const std::shared_ptr<spdlog::logger> before_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_CONTROLPLANE_PUSH_FIXTURE_H_
