// Admin.Command over real streams: what an operator's tool and a data plane see
// on the wire.
#include <chrono>
#include <thread>

#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "proto/policy/duration_text.h"
#include "tests/controlplane/in_process_server.h"

namespace sluice {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

// A data plane that takes updates and answers nothing unless told to.
class Node {
 public:
  Node(InProcessServer& server, const std::string& id) : stream_(server.push().Subscribe(&context_)) {
    v1::SubscribeRequest hello;
    hello.mutable_hello()->set_node_id(id);
    hello.mutable_hello()->set_schema_version(1);
    stream_->Write(hello);
    while (server.hub().CountStreams() == 0 || !Listed(server, id)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  ~Node() { context_.TryCancel(); }

  // The next query or command, updates skipped; empty at the end.
  v1::SubscribeResponse ReadCommand() {
    v1::SubscribeResponse response;
    while (stream_->Read(&response)) {
      if (response.has_update()) {
        ++chunks;
        continue;
      }
      return response;
    }
    return {};
  }

  void Answer(const std::string& id, int code, const std::string& message = "") {
    v1::SubscribeRequest request;
    request.mutable_answer()->set_id(id);
    request.mutable_answer()->set_code(code);
    request.mutable_answer()->set_message(message);
    stream_->Write(request);
  }

  int chunks = 0;

 private:
  static bool Listed(InProcessServer& server, const std::string& id) {
    for (const v1::NodeStatus& node : server.hub().ListNodes()) {
      if (node.node_id() == id) return true;
    }
    return false;
  }

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SubscribeRequest, v1::SubscribeResponse>> stream_;
};

grpc::Status Command(InProcessServer& server, const v1::CommandRequest& request, v1::CommandResponse& response) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  return server.admin().Command(&context, request, &response);
}

v1::CommandRequest Trip() {
  v1::CommandRequest request;
  request.mutable_command()->mutable_trip_breaker()->set_target("openai/primary");
  return request;
}

TEST(CommandStreamTest, ReachesADataPlaneWhileItsUpdateIsNotAnswered) {
  InProcessServer server;
  server.Apply({MakeUpstream("openai")});
  Node node(server, "edge-1");
  std::thread data_plane([&node] {
    const v1::SubscribeResponse message = node.ReadCommand();
    EXPECT_EQ(message.command().trip_breaker().target(), "openai/primary");
    node.Answer(message.command().id(), 0);
  });
  v1::CommandResponse response;
  grpc::Status status = Command(server, Trip(), response);
  data_plane.join();
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.answers_size(), 1);
  EXPECT_EQ(response.answers(0).node_id(), "edge-1");
  EXPECT_EQ(response.answers(0).answer().code(), 0);
}

TEST(CommandStreamTest, GoesBetweenTheChunksOfALargeUpdate) {
  InProcessServer server;
  for (int i = 0; i < 16; ++i) server.Apply({MakeEndpointList("l" + std::to_string(i), 9000)});
  // More than a peer's window, so that chunks wait while it does not read.
  Node node(server, "edge-1");
  v1::CommandResponse response;
  grpc::Status status;
  std::thread operators([&] { status = Command(server, Trip(), response); });
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const v1::SubscribeResponse message = node.ReadCommand();
  node.Answer(message.command().id(), 0);
  operators.join();
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.answers(0).answer().code(), 0);
  EXPECT_LT(node.chunks, 10) << "of 11 or more";
}

TEST(CommandStreamTest, EndsWithTheTimeoutOfTheRequest) {
  InProcessServer server;
  Node node(server, "edge-1");
  v1::CommandRequest request = Trip();
  *request.mutable_timeout() = ToProto(absl::Milliseconds(100));
  v1::CommandResponse response;
  ASSERT_TRUE(Command(server, request, response).ok());
  EXPECT_EQ(response.answers(0).answer().code(), StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(response.answers(0).answer().message(), "no answer within 100ms");
}

TEST(CommandStreamTest, ANodeThatHangsUpIsToldBeforeTheTimeout) {
  InProcessServer server;
  auto node = std::make_unique<Node>(server, "edge-1");
  std::thread data_plane([&node] {
    node->ReadCommand();
    node.reset();
  });
  v1::CommandResponse response;
  const absl::Time started = absl::Now();
  ASSERT_TRUE(Command(server, Trip(), response).ok());
  data_plane.join();
  EXPECT_EQ(response.answers(0).answer().code(), StatusCode::UNAVAILABLE);
  EXPECT_LT(absl::Now() - started, absl::Seconds(4));
}

TEST(CommandStreamTest, ANodesRefusalIsPassedOn) {
  InProcessServer server;
  Node node(server, "edge-1");
  std::thread data_plane([&node] {
    const v1::SubscribeResponse message = node.ReadCommand();
    EXPECT_TRUE(message.query().has_breakers());
    node.Answer(message.query().id(), StatusCode::NOT_FOUND, "there is no upstream \"x\"");
  });
  v1::CommandRequest request;
  request.mutable_query()->mutable_breakers()->set_target("x");
  v1::CommandResponse response;
  ASSERT_TRUE(Command(server, request, response).ok());
  data_plane.join();
  EXPECT_EQ(response.answers(0).answer().code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(response.answers(0).answer().message(), "there is no upstream \"x\"");
}

TEST(CommandStreamTest, AnUnknownNodeIsNotFound) {
  InProcessServer server;
  v1::CommandRequest request = Trip();
  request.set_node_id("edge-9");
  v1::CommandResponse response;
  grpc::Status status = Command(server, request, response);
  EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "data plane \"edge-9\" is not known; none has connected");
}

struct BadRow {
  const char* name;
  std::function<void(v1::CommandRequest&)> spoil;
  const char* says;
};

class BadCommandTest : public testing::TestWithParam<BadRow> {};

TEST_P(BadCommandTest, NamesTheFieldAndWhatWouldBeRight) {
  static InProcessServer server;
  v1::CommandRequest request = Trip();
  GetParam().spoil(request);
  v1::CommandResponse response;
  grpc::Status status = Command(server, request, response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Rows, BadCommandTest,
    testing::Values(
        BadRow{"Nothing", [](auto& r) { r.Clear(); }, "kind: missing; set query or command"},
        BadRow{"EmptyQuery", [](auto& r) { r.mutable_query(); }, "query: asks for nothing; set breakers, config or live"},
        BadRow{"EmptyCommand", [](auto& r) { r.mutable_command()->clear_kind(); },
               "command: does nothing; set trip_breaker or reset_breaker"},
        BadRow{"NoTarget", [](auto& r) { r.mutable_command()->mutable_trip_breaker()->clear_target(); },
               "command.trip_breaker.target: missing; name an upstream, or UPSTREAM/ENDPOINT"},
        BadRow{"NoResetTarget", [](auto& r) { r.mutable_command()->mutable_reset_breaker(); },
               "command.reset_breaker.target: missing"},
        BadRow{"HalfTarget", [](auto& r) { r.mutable_command()->mutable_trip_breaker()->set_target("openai/"); },
               "\"openai/\" names nothing"},
        BadRow{"LongTarget",
               [](auto& r) { r.mutable_query()->mutable_live()->set_target(std::string(600, 'x')); },
               "query.live.target: has 600 bytes; at most 512"},
        BadRow{"LongReason", [](auto& r) { r.mutable_command()->set_reason(std::string(300, 'x')); },
               "command.reason: has 300 bytes; at most 256"},
        BadRow{"Lines", [](auto& r) { r.mutable_command()->set_author("a\nb"); }, "control characters; write one line"},
        BadRow{"LastingZero", [](auto& r) { r.mutable_command()->mutable_trip_breaker()->mutable_lasting(); },
               "command.trip_breaker.lasting: 0 is not in 1ms to 720h"},
        BadRow{"LastingBackwards",
               [](auto& r) { r.mutable_command()->mutable_trip_breaker()->mutable_lasting()->set_seconds(-5); },
               "-5s is not in 1ms to 720h"},
        BadRow{"TimeoutTooLong", [](auto& r) { r.mutable_timeout()->set_seconds(61); }, "timeout: 1m1s is not in 1ms to 60s"},
        BadRow{"TimeoutZero", [](auto& r) { r.mutable_timeout(); }, "timeout: 0 is not in 1ms to 60s"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace sluice
