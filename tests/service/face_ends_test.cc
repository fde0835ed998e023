// How calls end, as a client's own gRPC sees it: Trailers-Only before content, so
// that its retryPolicy and the pushback work; every status decodes.
#include <gtest/gtest.h>

#include <optional>
#include <ostream>
#include <string>

#include "client/call_failure.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "proto/status/bounded_text.h"
#include "proto/status/rich_status.h"
#include "tests/service/face_fixture.h"
#include "tests/service/status_service.h"

namespace sluice {
namespace {

class FaceEndsTest : public FaceFixture {
 protected:
  void SetUp() override {
    SetTables();
    StartFace();
  }

  // As service config has it.
  std::unique_ptr<v1::Gateway::Stub> StubThatRetries(const std::string& code) const {
    grpc::ChannelArguments arguments;
    arguments.SetServiceConfigJSON(absl::StrCat(
        R"({"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 3, "initialBackoff": "0.01s",)"
        R"("maxBackoff": "0.01s", "backoffMultiplier": 1, "retryableStatusCodes": [")",
        code, R"("]}}]})"));
    return v1::Gateway::NewStub(NewChannel(arguments));
  }
};

using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;

std::string Value(const Metadata& metadata, const std::string& key) {
  auto found = metadata.find(key);
  return found == metadata.end() ? "" : std::string(found->second.data(), found->second.size());
}

TEST_F(FaceEndsTest, AFailureBeforeContentHasItsCallIdInTrailersAlone) {
  auto stub = NewStub();
  for (const char* model : {"fail", ""}) {
    grpc::ClientContext streaming, unary, embedding;
    const grpc::Status streamed = ReadAll(*stub, streaming, Ask(model)).status;
    v1::ChatResponse chat;
    const grpc::Status answered = stub->Chat(&unary, Ask(model), &chat);
    v1::EmbedRequest ask;
    ask.set_model(model);
    ask.add_inputs("text");
    v1::EmbedResponse embed;
    const grpc::Status embedded = stub->Embed(&embedding, ask, &embed);
    for (const auto& [context, status] :
         {std::pair(&streaming, streamed), std::pair(&unary, answered), std::pair(&embedding, embedded)}) {
      EXPECT_FALSE(status.ok());
      EXPECT_TRUE(context->GetServerInitialMetadata().empty());
      const std::string id = Value(context->GetServerTrailingMetadata(), "sluice-call-id");
      EXPECT_EQ(id.size(), 32u);
      EXPECT_EQ(DecodeStatus(status).metadata["call_id"], id);
    }
  }
}

TEST_F(FaceEndsTest, AnAnswerHasItsCallIdInInitialMetadataAlone) {
  auto stub = NewStub();
  for (const char* model : {"words:3", "cut"}) {
    grpc::ClientContext context;
    ReadAll(*stub, context, Ask(model));
    EXPECT_EQ(Value(context.GetServerInitialMetadata(), "sluice-call-id").size(), 32u) << model;
    EXPECT_EQ(context.GetServerTrailingMetadata().count("sluice-call-id"), 0u) << model;
  }
}

TEST_F(FaceEndsTest, AClientsRetryPolicyRetriesAfterThePushback) {
  auto stub = StubThatRetries("UNAVAILABLE");
  grpc::ClientContext context;
  const auto begun = std::chrono::steady_clock::now();
  const Answer answer = ReadAll(*stub, context, Ask("fail-first"));
  EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.text, Words(3));
  EXPECT_EQ(figures_.made, 2);
  // Its own backoff is 10 ms.
  EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(1500));
}

TEST_F(FaceEndsTest, AClientsRetryPolicyDoesNotRepeatARequestAtFault) {
  auto stub = StubThatRetries("INVALID_ARGUMENT");
  grpc::ClientContext context;
  const grpc::Status status = ReadAll(*stub, context, v1::ChatRequest()).status;
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Value(context.GetServerTrailingMetadata(), "grpc-retry-pushback-ms"), "-1");
  EXPECT_EQ(observer_.calls, 1);
}

TEST_F(FaceEndsTest, AClientsRetryPolicyLeavesAnAnswerThatWasCutAlone) {
  auto stub = StubThatRetries("ABORTED");
  grpc::ClientContext context;
  const Answer answer = ReadAll(*stub, context, Ask("cut"));
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(answer.text, Words(3));
  EXPECT_EQ(figures_.made, 1);
}

// --- what decodes ---------------------------------------------------------

struct Character {
  const char* name;
  std::string text;
};

void PrintTo(const Character& row, std::ostream* out) { *out << row.name; }

class StatusOnTheWire : public testing::TestWithParam<Character> {};

TEST_P(StatusOnTheWire, DecodesAtEveryLength) {
  StatusService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  auto server = builder.BuildAndStart();
  auto stub = v1::Gateway::NewStub(
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()));
  const size_t width = PercentEncodedBytes(GetParam().text);
  for (size_t bound : {size_t{0}, size_t{160}, size_t{512}, kMaxStatusMessageBytes, size_t{4096}, kMaxTrailerBytes}) {
    for (size_t count = bound / width > 1 ? bound / width - 2 : 0; count <= bound / width + 2; ++count) {
      for (int attempts : {0, 1, 3, 10}) {
        std::string text;
        for (size_t i = 0; i < count; ++i) text += GetParam().text;
        v1::ChatRequest request;
        request.add_messages()->set_text(text);
        request.set_n(attempts);
        grpc::ClientContext context;
        v1::ChatResponse response;
        const grpc::Status status = stub->Chat(&context, request, &response);
        google::rpc::Status details;
        ASSERT_TRUE(details.ParseFromString(status.error_details())) << count;
        ASSERT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
        ASSERT_EQ(details.message(), status.error_message());
        ASSERT_EQ(status.error_message() == text, count * width <= kMaxStatusMessageBytes) << count;
        const CallFailure failure = DecodeStatus(status);
        ASSERT_EQ(failure.attempts.size() + static_cast<size_t>(failure.omitted_attempts), static_cast<size_t>(attempts));
      }
    }
  }
  server->Shutdown();
}

INSTANTIATE_TEST_SUITE_P(Characters, StatusOnTheWire,
                         testing::Values(Character{"Ascii", "a"}, Character{"Percent", "%"}, Character{"TwoBytes", "é"},
                                         Character{"ThreeBytes", "語"}, Character{"FourBytes", "😀"}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace sluice
