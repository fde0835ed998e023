// A command's whole way: Admin.Command, a real control plane, the push stream,
// a real subscription, the handlers, real breakers, and back.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "absl/synchronization/notification.h"
#include "server/command/node_commands.h"
#include "server/config/config_subscription.h"
#include "server/runtime/completion_tag.h"
#include "tests/command/fake_registry.h"
#include "tests/controlplane/in_process_server.h"

namespace sluice {
namespace {

using testing::HasSubstr;

// Takes every update.
class Receiver : public ConfigReceiver {
 public:
  void DescribeHeld(v1::Hello& hello) override { hello.set_source(v1::CONFIG_SOURCE_NONE); }
  v1::Digest MakeDigest() override { return {}; }
  v1::NodeHealth MakeHealth() override { return {}; }
  std::vector<v1::Violation> Receive(const v1::Update&) override { return {}; }
  void Connected() override {}
  void Disconnected(const std::string&) override {}
};

// What a data plane has of it: a worker, a queue that is drained, a
// subscription, and breakers to operate.
class Node {
 public:
  Node(InProcessServer& server, const std::string& id, int endpoints = 2, bool with_handlers = true) {
    for (int i = 0; i < endpoints; ++i) registry_.Add("openai", "e" + std::to_string(i), {}, Clock().now);
    SubscriptionOptions options;
    options.address = server.address();
    options.node_id = id;
    options.version = "1";
    if (with_handlers) {
      options.on_query = [this](const v1::Query& query) { return commands_.Answer(query); };
      options.on_command = [this](const v1::NodeCommand& command) { return commands_.Answer(command); };
    }
    subscription_ = std::make_unique<ConfigSubscription>(options, &queue_, worker_, receiver_);
    worker_.Start();
    worker_.Post([this] { subscription_->Start(); });
    while (!Connected(server, id)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  ~Node() {
    absl::Notification stopped;
    worker_.Post([&] { subscription_->Stop([&stopped] { stopped.Notify(); }); });
    stopped.WaitForNotification();
    worker_.Stop();
    queue_.Shutdown();
    drain_.join();
  }

  bool Admits(const std::string& endpoint) {
    for (const BreakerView& view : registry_.List(Clock().now)) {
      if (view.name.endpoint == endpoint) return view.figures.state == BreakerState::kClosed;
    }
    return false;
  }

 private:
  static Moment Clock() {
    const auto steady = std::chrono::steady_clock::now().time_since_epoch();
    return {absl::UnixEpoch() + absl::FromChrono(steady), absl::Now()};
  }

  static bool Connected(InProcessServer& server, const std::string& id) {
    for (const v1::NodeStatus& node : server.hub().ListNodes()) {
      if (node.node_id() == id) return node.state() != v1::NODE_STATE_LOST;
    }
    return false;
  }

  void Drain() {
    void* tag = nullptr;
    for (bool ok = false; queue_.Next(&tag, &ok);) static_cast<CompletionTag*>(tag)->Complete(ok);
  }

  FakeRegistry registry_;
  LiveCounters live_;
  NodeCommands commands_{{.breakers = registry_,
                          .live = live_,
                          .table = [] { return nullptr; },
                          .status = [] { return ConfigStatus(); },
                          .clock = Clock,
                          .policies = [](uint64_t) { return v1::PoliciesInForce(); },
                          .check = [](const v1::PolicyCheckQuery&) { return v1::PolicyCheck(); }}};
  grpc::CompletionQueue queue_;
  Receiver receiver_;
  ConfigWorker worker_;
  std::unique_ptr<ConfigSubscription> subscription_;
  std::thread drain_{[this] { Drain(); }};
};

v1::CommandResponse Command(InProcessServer& server, const v1::CommandRequest& request) {
  v1::CommandResponse response;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  const grpc::Status status = server.admin().Command(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response;
}

v1::CommandRequest TripOf(const std::string& target) {
  v1::CommandRequest request;
  request.mutable_command()->set_author("ann");
  request.mutable_command()->mutable_trip_breaker()->set_target(target);
  return request;
}

TEST(CommandRoundTripTest, ATripHoldsCallsBackOnEveryDataPlaneWithinOnePush) {
  InProcessServer server;
  Node one(server, "edge-1");
  Node two(server, "edge-2");
  const v1::CommandResponse response = Command(server, TripOf("openai/e0"));
  ASSERT_EQ(response.answers_size(), 2);
  for (const v1::NodeAnswer& answer : response.answers()) {
    EXPECT_EQ(answer.answer().code(), 0) << answer.answer().message();
    EXPECT_EQ(answer.answer().breakers().breakers(0).last_opening().reason(), "by ann");
  }
  for (Node* node : {&one, &two}) {
    EXPECT_FALSE(node->Admits("e0"));
    EXPECT_TRUE(node->Admits("e1"));
  }
  v1::CommandRequest reset;
  reset.set_node_id("edge-2");
  reset.mutable_command()->mutable_reset_breaker()->set_target("openai/e0");
  EXPECT_EQ(Command(server, reset).answers(0).answer().code(), 0);
  EXPECT_FALSE(one.Admits("e0"));
  EXPECT_TRUE(two.Admits("e0"));
}

TEST(CommandRoundTripTest, QueriesAndUnknownTargetsAreAnswered) {
  InProcessServer server;
  Node node(server, "edge-1");
  v1::CommandRequest request;
  request.mutable_query()->mutable_breakers();
  EXPECT_EQ(Command(server, request).answers(0).answer().breakers().breakers_size(), 2);
  request.mutable_query()->mutable_live();
  EXPECT_EQ(Command(server, request).answers(0).answer().live().endpoints_size(), 2);
  EXPECT_EQ(Command(server, TripOf("opnai")).answers(0).answer().message(),
            "there is no upstream \"opnai\"; did you mean \"openai\"?");
}

TEST(CommandRoundTripTest, AnAnswerThatWouldBeTooLargeSaysHowToAsk) {
  InProcessServer server;
  Node node(server, "edge-1", 20000);
  v1::CommandRequest request;
  request.mutable_query()->mutable_breakers();
  const v1::Answer answer = Command(server, request).answers(0).answer();
  EXPECT_EQ(answer.code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(answer.message(), HasSubstr("at most 1048576 are sent: ask for one upstream or endpoint"));
  request.mutable_query()->mutable_breakers()->set_target("openai/e19999");
  EXPECT_EQ(Command(server, request).answers(0).answer().breakers().breakers_size(), 1);
}

TEST(CommandRoundTripTest, ADataPlaneWithoutHandlersSaysThatItDoesNotServeThem) {
  InProcessServer server;
  Node node(server, "edge-1", 1, false);
  const v1::Answer answer = Command(server, TripOf("openai")).answers(0).answer();
  EXPECT_EQ(answer.code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(answer.message(), "this data plane (version 1) does not serve such a command");
}

TEST(CommandRoundTripTest, ManyOperatorsAtOnceAllGetTheirAnswers) {
  InProcessServer server;
  Node one(server, "edge-1");
  Node two(server, "edge-2");
  std::vector<std::thread> operators;
  std::atomic<int> done{0};
  for (int i = 0; i < 8; ++i) {
    operators.emplace_back([&server, &done] {
      v1::CommandRequest request;
      request.mutable_query()->mutable_breakers();
      for (int n = 0; n < 50; ++n) {
        const v1::CommandResponse response = Command(server, request);
        for (const v1::NodeAnswer& answer : response.answers()) done += answer.answer().code() == 0;
      }
    });
  }
  for (std::thread& thread : operators) thread.join();
  EXPECT_EQ(done, 8 * 50 * 2);
}

}  // namespace
}  // namespace sluice
