// A data plane's configuration against a control plane that does as told, over
// real gRPC.
#ifndef SLUICE_TESTS_CONFIG_SUBSCRIPTION_FIXTURE_H_
#define SLUICE_TESTS_CONFIG_SUBSCRIPTION_FIXTURE_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "server/config/config_manager.h"
#include "server/runtime/completion_tag.h"
#include "tests/config/fake_push_server.h"
#include "tests/config/policies.h"

namespace sluice {

inline bool Eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 500; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

inline std::string RouteYaml(const std::string& name, const std::string& host = "first") {
  return "{kind: Upstream, name: u, format: OPENAI, endpoints: [{url: \"http://" + host +
         ":1\"}]}\n---\n{kind: Route, name: " + name + ", match: {model: m}, targets: [{upstream: u}]}\n";
}

class SubscriptionTest : public testing::Test {
 protected:
  SubscriptionTest()
      : folder_(testing::TempDir() + "state-" + testing::UnitTest::GetInstance()->current_test_info()->name()),
        notification_([this] { Drain(); }) {
    std::filesystem::remove_all(folder_);
    setenv("CONFIG_TEST_API_KEY", "sk-test", 1);
    options_.state_dir = folder_;
    options_.subscription.node_id = "edge-1";
    options_.subscription.labels = {{"zone", "a"}};
    options_.subscription.reconnect_base = absl::Milliseconds(20);
    options_.subscription.reconnect_max = absl::Milliseconds(100);
    options_.subscription.health_interval = absl::Milliseconds(20);
    options_.subscription.digest_interval = absl::Milliseconds(20);
    options_.health = [] {
      v1::NodeHealth health;
      health.set_open_calls(3);
      return health;
    };
  }
  ~SubscriptionTest() override {
    manager_.reset();
    queue_.Shutdown();
    notification_.join();
    std::filesystem::remove_all(folder_);
  }

  void Drain() {
    void* tag = nullptr;
    for (bool ok = false; queue_.Next(&tag, &ok);) static_cast<CompletionTag*>(tag)->Complete(ok);
  }
  void Start(const std::string& address) {
    manager_.reset();
    options_.subscription.address = address;
    manager_ = std::make_unique<ConfigManager>(options_, &queue_);
    const absl::Status status = manager_->Start();
    ASSERT_TRUE(status.ok()) << status;
  }
  bool HasRoute(const std::string& name) {
    const auto table = manager_->tables().Current();
    return table != nullptr && table->Find(name) != nullptr;
  }
  using Kind = v1::SubscribeRequest::KindCase;

  // Sends it and gives the nack, or the ack as an empty nack.
  v1::Nack NackOf(FakePushServer& server, v1::Update update) {
    server.SendUpdate(std::move(update));
    const auto nack = server.Await(Kind::kNack);
    EXPECT_TRUE(nack);
    v1::Nack none;
    none.add_violations()->set_code("no nack came");
    return nack ? nack->nack() : none;
  }
  void Acked(FakePushServer& server, v1::Update update) {
    const uint64_t revision = update.revision();
    server.SendUpdate(std::move(update));
    const auto ack = server.Await(Kind::kAck);
    ASSERT_TRUE(ack);
    EXPECT_EQ(ack->ack().revision(), revision);
  }

  const std::string folder_;
  grpc::CompletionQueue queue_;
  ConfigOptions options_;
  std::unique_ptr<ConfigManager> manager_;
  std::thread notification_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_CONFIG_SUBSCRIPTION_FIXTURE_H_
