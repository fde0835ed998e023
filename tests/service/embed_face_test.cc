// Embed over real sockets, with a fake engine behind it.
#include <gtest/gtest.h>

#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/service/face_fixture.h"

namespace sluice {
namespace {

class EmbedFaceTest : public FaceFixture {
 protected:
  void SetUp() override {
    SetTables();
    StartFace();
  }

  static v1::EmbedRequest Texts(const std::string& model, int inputs) {
    v1::EmbedRequest request;
    request.set_model(model);
    for (int i = 0; i < inputs; ++i) request.add_inputs("text");
    return request;
  }

  grpc::Status Embed(const v1::EmbedRequest& request, v1::EmbedResponse* response) {
    grpc::ClientContext context;
    return NewStub()->Embed(&context, request, response);
  }

  static std::string Reason(const grpc::Status& status) {
    google::rpc::Status details;
    details.ParseFromString(status.error_details());
    google::rpc::ErrorInfo info;
    for (const auto& any : details.details()) {
      if (any.UnpackTo(&info)) return info.reason();
    }
    return "";
  }
};

TEST_F(EmbedFaceTest, RowC1OneVectorForEachInputInOrder) {
  v1::EmbedResponse response;
  grpc::Status status = Embed(Texts("embed:4", 5), &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.embeddings_size(), 5);
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(response.embeddings(i).values_size(), 4);
    EXPECT_EQ(response.embeddings(i).values(3), static_cast<float>(i) + 0.5f);
  }
  EXPECT_EQ(response.usage().input_tokens(), 7);
  EXPECT_EQ(response.end().outcome(), v1::OUTCOME_COMPLETE);
  EXPECT_EQ(response.end().attempts_size(), 1);
}

TEST_F(EmbedFaceTest, FailsWithItsStatus) {
  v1::EmbedResponse response;
  EXPECT_EQ(Embed(Texts("fail", 1), &response).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(EmbedFaceTest, BadRequestsNeverReachTheEngine) {
  v1::EmbedResponse response;
  grpc::Status status = Embed(Texts("embed:4", 0), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(status.error_message().find("inputs"), std::string::npos);
  v1::EmbedRequest large = Texts("embed:4", 10);
  large.set_dimensions(1000);  // 40,000 bytes, and the route takes 4,096
  status = Embed(large, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Reason(status), "RESPONSE_TOO_LARGE");
  EXPECT_NE(status.error_message().find("grpc.max_receive_message_length"), std::string::npos);
  EXPECT_EQ(figures_.made, 0);
}

TEST_F(EmbedFaceTest, AnAnswerOverTheBoundIsRefusedNamingTheChannelOption) {
  v1::EmbedResponse response;
  grpc::Status status = Embed(Texts("embed:1000", 10), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Reason(status), "RESPONSE_TOO_LARGE");
  EXPECT_NE(status.error_message().find("grpc.max_receive_message_length"), std::string::npos);
}

TEST_F(EmbedFaceTest, AnAnswerThatLacksAVectorIsNeverGiven) {
  v1::EmbedResponse response;
  grpc::Status status = Embed(Texts("embed-few", 3), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(response.embeddings_size(), 0);
}

TEST_F(EmbedFaceTest, RowC7TheSameKeyIsNotRunTwice) {
  auto stub = NewStub();
  v1::EmbedResponse first, second;
  for (v1::EmbedResponse* response : {&first, &second}) {
    grpc::ClientContext context;
    context.AddMetadata("idempotency-key", "e");
    ASSERT_TRUE(stub->Embed(&context, Texts("embed:4", 2), response).ok());
  }
  EXPECT_EQ(first.SerializeAsString(), second.SerializeAsString());
  EXPECT_EQ(figures_.made, 1);
}

}  // namespace
}  // namespace sluice
