// What a caller may send: our bounds, which say so, and gRPC's above them.
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "client/call_failure.h"
#include "server/service/caller_bounds.h"
#include "tests/service/face_fixture.h"

namespace sluice {
namespace {

class FaceBoundsTest : public FaceFixture {
 protected:
  static v1::ChatRequest AskOfBytes(size_t bytes) {
    v1::ChatRequest request = Ask("words:3");
    std::string* text = request.mutable_messages(0)->mutable_text();
    while (request.ByteSizeLong() < bytes) text->append(bytes - request.ByteSizeLong(), 'x');
    while (request.ByteSizeLong() > bytes) text->pop_back();
    return request;
  }

  // With a value that makes its metadata so large, as far as it is ours to say.
  static void AddMetadata(grpc::ClientContext* context, size_t bytes) {
    context->AddMetadata("x-large", std::string(bytes, 'v'));
  }
};

TEST_F(FaceBoundsTest, ARequestOfTheBoundIsServedAndOneByteMoreIsTold) {
  FaceOptions options;
  options.max_request_bytes = 100000;
  SetTables();
  StartFace(options);
  auto stub = NewStub();
  grpc::ClientContext of_the_bound, over, unary;
  EXPECT_EQ(ReadAll(*stub, of_the_bound, AskOfBytes(100000)).text, Words(3));
  v1::ChatResponse response;
  for (const grpc::Status& status : {ReadAll(*stub, over, AskOfBytes(100001)).status,
                                     stub->Chat(&unary, AskOfBytes(HardRequestBytes(100000)), &response)}) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
    CallFailure failure = DecodeStatus(status);
    EXPECT_EQ(failure.reason, "REQUEST_TOO_LARGE");
    EXPECT_EQ(failure.metadata["bound"], "100000");
    EXPECT_GT(std::stoi(failure.metadata["size"]), 100000);
    EXPECT_EQ(failure.metadata["option"], "--max-request-bytes");
    EXPECT_EQ(failure.metadata["call_id"].size(), 32u);
  }
  EXPECT_EQ(figures_.made, 1);
}

TEST_F(FaceBoundsTest, ARequestOverGrpcsBoundGetsAStatusWithoutDetails) {
  FaceOptions options;
  options.max_request_bytes = 100000;
  SetTables();
  StartFace(options);
  auto stub = NewStub();
  grpc::ClientContext context, after;
  const grpc::Status status = ReadAll(*stub, context, AskOfBytes(HardRequestBytes(100000) + 1)).status;
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_details(), "");
  EXPECT_TRUE(ReadAll(*stub, after, Ask("words:1")).status.ok());
  EXPECT_EQ(figures_.made, 1);
}

TEST_F(FaceBoundsTest, MetadataOverTheBoundEndsThatCallAloneAndSaysSo) {
  FaceOptions options;
  options.max_metadata_bytes = 10000;
  SetTables();
  StartFace(options);
  auto stub = NewStub();
  grpc::ClientContext neighbour;
  auto reader = stub->StreamChat(&neighbour, Ask("slowly:300"));
  v1::StreamChatResponse response;
  ASSERT_TRUE(reader->Read(&response));
  const std::string peer = neighbour.peer();
  for (size_t bytes : {11000, 30000, 38000}) {
    grpc::ClientContext context;
    AddMetadata(&context, bytes);
    const grpc::Status status = ReadAll(*stub, context, Ask("words:1")).status;
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
    CallFailure failure = DecodeStatus(status);
    EXPECT_EQ(failure.reason, "METADATA_TOO_LARGE");
    EXPECT_EQ(failure.metadata["bound"], "10000");
    EXPECT_GT(std::stoul(failure.metadata["size"]), bytes);
    EXPECT_EQ(failure.metadata["option"], "--max-metadata-bytes");
  }
  grpc::ClientContext models, below;
  AddMetadata(&models, 11000);
  AddMetadata(&below, 9000);
  v1::ListModelsResponse list;
  EXPECT_EQ(DecodeStatus(stub->ListModels(&models, {}, &list)).reason, "METADATA_TOO_LARGE");
  EXPECT_TRUE(ReadAll(*stub, below, Ask("words:1")).status.ok());
  bool end = false;
  while (reader->Read(&response)) end = response.events().rbegin()->has_end();
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_TRUE(end);
  EXPECT_EQ(figures_.made, 2);
}

// gRPC 1.51 ends the connection: its callers' next calls connect anew.
TEST_F(FaceBoundsTest, MetadataOverGrpcsBoundCostsItsConnectionAndNoOther) {
  FaceOptions options;
  options.max_metadata_bytes = 10000;
  SetTables();
  StartFace(options);
  auto stub = NewStub(), other = NewStub();
  grpc::ClientContext elsewhere, context;
  auto reader = other->StreamChat(&elsewhere, Ask("slowly:100"));
  v1::StreamChatResponse response;
  ASSERT_TRUE(reader->Read(&response));
  AddMetadata(&context, HardMetadataBytes(10000));
  const grpc::Status status = ReadAll(*stub, context, Ask("words:1")).status;
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.error_details(), "");
  // One more may still be sent on what the client has not yet seen to be lost.
  bool served = false;
  for (int i = 0; i < 10 && !served; ++i) {
    grpc::ClientContext after;
    after.set_wait_for_ready(true);
    served = ReadAll(*stub, after, Ask("words:1")).status.ok();
  }
  EXPECT_TRUE(served);
  while (reader->Read(&response)) {
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(figures_.made, 2);
}

// We compress nothing ourselves, but callers may.
TEST_F(FaceBoundsTest, ACompressedRequestIsServedAndItsBoundIsThatOfTheMessage) {
  FaceOptions options;
  options.max_request_bytes = 300000;
  SetTables();
  StartFace(options);
  for (auto algorithm : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    for (size_t size : {200000, 350000, 400000}) {
      auto stub = NewStub();
      grpc::ClientContext context;
      context.set_compression_algorithm(algorithm);
      v1::ChatRequest request = Ask("words:3");
      request.mutable_messages(0)->set_text(std::string(size, 'x'));
      Answer answer = ReadAll(*stub, context, request);
      if (size < options.max_request_bytes) {
        EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
        EXPECT_EQ(answer.text.size(), 30u);
      } else {
        EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
      }
    }
  }
  EXPECT_EQ(figures_.made, 2);
}

}  // namespace
}  // namespace sluice
