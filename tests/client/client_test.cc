#include "client/sluice_client.h"

#include <thread>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_gateway.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;
using testing::EndEvent;
using testing::FakeGateway;
using testing::RichStatus;
using testing::Text;

class ClientTest : public ::testing::Test {
 protected:
  Client Connected() { return *Client::Connect({.address = gateway_.address()}); }

  CallResult Stream(const CallOptions& options = {}) {
    v1::ChatRequest request;
    request.set_model("chat");
    return Connected().StreamChat(request, options, [&](const v1::ChatEvent& event) {
      text_ += event.content().text();
      events_.push_back(event);
    });
  }

  FakeGateway gateway_;
  std::string text_;
  std::vector<v1::ChatEvent> events_;
};

TEST_F(ClientTest, StreamsEveryEventInOrderAndIsComplete) {
  gateway_.set_script([](auto&, auto& writer) {
    FakeGateway::Send(writer, {Text("a"), Text("b"), Text("c"), EndEvent(v1::OUTCOME_COMPLETE)});
    return grpc::Status::OK;
  });
  const CallResult result = Stream();
  EXPECT_TRUE(result.complete()) << result.failure.ToString();
  EXPECT_EQ(text_, "abc");
  EXPECT_EQ(events_.size(), 4u);
  EXPECT_EQ(result.call_id, "call-1");
  EXPECT_EQ(result.end->served_by(), "openai/backup");
}

TEST_F(ClientTest, CountsADeclaredFallbackAsComplete) {
  gateway_.set_script([](auto&, auto& writer) {
    FakeGateway::Send(writer, {Text("sorry"), EndEvent(v1::OUTCOME_FALLBACK)});
    return grpc::Status::OK;
  });
  EXPECT_TRUE(Stream().complete());
}

TEST_F(ClientTest, NeverTakesAStreamWithoutEndForComplete) {
  gateway_.set_script([](auto&, auto& writer) {
    FakeGateway::Send(writer, {Text("looks whole.")});
    return grpc::Status::OK;
  });
  const CallResult result = Stream();
  EXPECT_FALSE(result.complete());
  EXPECT_EQ(result.failure.code, grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(result.failure.reason, "NO_END");
  EXPECT_EQ(text_, "looks whole.");
}

TEST_F(ClientTest, NeverTakesAnEndThatSaysTruncatedForComplete) {
  gateway_.set_script([](auto&, auto& writer) {
    FakeGateway::Send(writer, {Text("half"), EndEvent(v1::OUTCOME_TRUNCATED)});
    return grpc::Status::OK;
  });
  EXPECT_FALSE(Stream().complete());
}

TEST_F(ClientTest, DecodesWhatTheGatewaySaysOfAFailure) {
  gateway_.set_script([](auto&, auto&) {
    return RichStatus(grpc::StatusCode::UNAVAILABLE, "route \"chat\": 3 attempts failed", "ATTEMPTS_EXHAUSTED");
  });
  const CallFailure failure = Stream().failure;
  EXPECT_EQ(failure.ToString(), "UNAVAILABLE: route \"chat\": 3 attempts failed; retry after 8 s");
  EXPECT_EQ(failure.reason, "ATTEMPTS_EXHAUSTED");
  EXPECT_EQ(failure.metadata.at("route"), "chat");
  EXPECT_EQ(failure.retry_after, absl::Seconds(8));
  EXPECT_EQ(failure.omitted_attempts, 2);
  ASSERT_EQ(failure.attempts.size(), 1u);
  EXPECT_EQ(DescribeAttempt(failure.attempts[0]), "openai/primary: overload, HTTP 503");
}

TEST_F(ClientTest, TellsTheAttemptsOfATruncatedStreamFromItsEnd) {
  gateway_.set_script([](auto&, auto& writer) {
    FakeGateway::Send(writer, {Text("half"), EndEvent(v1::OUTCOME_TRUNCATED)});
    return grpc::Status(grpc::StatusCode::ABORTED, "cut");
  });
  const CallResult result = Stream();
  EXPECT_EQ(result.failure.code, grpc::StatusCode::ABORTED);
  EXPECT_EQ(result.failure.attempts.size(), 2u);
}

TEST_F(ClientTest, CancelsFromAnotherThreadAndTheGatewaySeesIt) {
  gateway_.set_script(gateway_.SendThenHang({Text("a")}));
  CancelFlag cancel;
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    cancel.Set();
  });
  const absl::Time start = absl::Now();
  const CallResult result = Stream({.deadline = absl::Seconds(30), .cancel = &cancel, .metadata = {}});
  later.join();
  EXPECT_EQ(result.failure.code, grpc::StatusCode::CANCELLED);
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
  EXPECT_EQ(text_, "a");
  EXPECT_TRUE(gateway_.SawCancel());
}

TEST_F(ClientTest, EndsAtTheDeadline) {
  gateway_.set_script(gateway_.SendThenHang({}));
  const CallResult result = Stream({.deadline = absl::Milliseconds(100), .cancel = nullptr, .metadata = {}});
  EXPECT_EQ(result.failure.code, grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_FALSE(result.failure.from_gateway());
}

TEST_F(ClientTest, GivesTheWholeAnswerAtOnce) {
  v1::ChatResponse response;
  const CallResult result = Connected().Chat({}, {}, &response);
  EXPECT_TRUE(result.complete());
  EXPECT_EQ(response.choices(0).message().parts(0).text(), "whole");
}

TEST(ClientConnectTest, NamesAnAddressThatIsNone) {
  for (const char* address : {"", "localhost", ":8443", "localhost:", "http://localhost:8443"}) {
    const auto client = Client::Connect({.address = address});
    ASSERT_FALSE(client.ok()) << address;
    EXPECT_THAT(std::string(client.status().message()), HasSubstr("write host:port"));
  }
}

TEST(ClientConnectTest, NamesACaFileThatCannotBeRead) {
  const auto client = Client::Connect({.address = "localhost:1", .tls_ca_file = "/no/such/ca.pem"});
  ASSERT_FALSE(client.ok());
  EXPECT_THAT(std::string(client.status().message()), HasSubstr("/no/such/ca.pem"));
}

TEST(DecodeStatusTest, KeepsCodeAndMessageWhenTheDetailsAreGarbage) {
  const CallFailure failure = DecodeStatus(grpc::Status(grpc::StatusCode::INTERNAL, "bad", "\xff\xff garbage"));
  EXPECT_EQ(failure.ToString(), "INTERNAL: bad");
  EXPECT_TRUE(failure.attempts.empty());
}

TEST_F(ClientTest, EmbedGivesOneVectorForEachInput) {
  v1::EmbedRequest request;
  request.set_model("embed");
  request.add_inputs("a");
  request.add_inputs("b");
  v1::EmbedResponse response;
  const CallResult result = Connected().Embed(request, {}, &response);
  ASSERT_TRUE(result.complete()) << result.failure.ToString();
  ASSERT_EQ(response.embeddings_size(), 2);
  EXPECT_EQ(response.embeddings(1).values(0), 1);
  EXPECT_EQ(result.end->served_by(), "openai/backup");
}

TEST_F(ClientTest, EmbedTellsWhyItFailed) {
  v1::EmbedResponse response;
  const CallResult result = Connected().Embed(v1::EmbedRequest(), {}, &response);
  EXPECT_FALSE(result.complete());
  EXPECT_EQ(result.call_id, "call-2");
  EXPECT_EQ(result.failure.reason, "INVALID_REQUEST");
}

}  // namespace
}  // namespace sluice
