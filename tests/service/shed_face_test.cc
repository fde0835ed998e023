// A gateway that is overloaded refuses early, says when to come back, and stays
// healthy for those it serves.
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/service/face_fixture.h"

namespace sluice {
namespace {

class ShedFaceTest : public FaceFixture {
 protected:
  void ExpectShed(const grpc::Status& status, const std::string& flag) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
    EXPECT_NE(status.error_details().find("OVERLOADED"), std::string::npos);
    EXPECT_NE(status.error_details().find("RetryInfo"), std::string::npos);
    EXPECT_NE(status.error_message().find(flag), std::string::npos) << status.error_message();
  }

  void ExpectServing() {
    auto stub = grpc::health::v1::Health::NewStub(NewChannel());
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckResponse response;
    ASSERT_TRUE(stub->Check(&context, {}, &response).ok());
    EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  }
};

TEST_F(ShedFaceTest, RequestsInMemoryAreBoundedInBytes) {
  FaceOptions options;
  options.max_request_memory = 150'000;
  SetTables();
  StartFace(options);
  auto stub = NewStub();
  v1::ChatRequest large = Ask("hang");
  large.mutable_messages(0)->set_text(std::string(100'000, 'x'));
  grpc::ClientContext first, second, third;
  auto reader = stub->StreamChat(&first, large);
  v1::StreamChatResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_GT(face_->figures().request_bytes, 100'000);
  large.set_model("words:1");
  ExpectShed(ReadAll(*stub, second, large).status, "--max-request-memory");
  ExpectServing();
  EXPECT_EQ(face_->figures().shed.memory, 1u);
  // Small ones still fit, and what is given back serves the next.
  EXPECT_TRUE(ReadAll(*stub, third, Ask("words:1")).status.ok());
  first.TryCancel();
  reader->Finish();
  ASSERT_TRUE(Eventually([this] { return face_->figures().request_bytes == 0; }));
  grpc::ClientContext fourth;
  EXPECT_TRUE(ReadAll(*stub, fourth, large).status.ok());
}

TEST_F(ShedFaceTest, ALateLoopTakesNoNewCalls) {
  FaceOptions options;
  options.shed_at_lag = absl::Milliseconds(50);
  SetTables();
  StartFace(options);
  auto stub = NewStub();
  grpc::ClientContext warm;
  ASSERT_TRUE(ReadAll(*stub, warm, Ask("words:1")).status.ok());
  for (auto& loop : loops_) {
    loop->Post([] { std::this_thread::sleep_for(std::chrono::milliseconds(400)); });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  grpc::ClientContext late, after;
  ExpectShed(ReadAll(*stub, late, Ask("words:1")).status, "--shed-at-lag");
  EXPECT_EQ(face_->figures().shed.lag, 1u);
  ExpectServing();
  EXPECT_TRUE(ReadAll(*stub, after, Ask("words:1")).status.ok());
}

TEST_F(ShedFaceTest, TooManyCallsAreCountedByTheirReason) {
  FaceOptions options;
  options.max_concurrent_calls = 1;
  SetTables();
  StartFace(options);
  auto stub = NewStub();
  grpc::ClientContext first, second;
  auto reader = stub->StreamChat(&first, Ask("hang"));
  v1::StreamChatResponse response;
  ASSERT_TRUE(reader->Read(&response));
  ExpectShed(ReadAll(*stub, second, Ask("words:1")).status, "--max-concurrent-calls");
  ExpectServing();
  EXPECT_EQ(face_->figures().shed.concurrency, 1u);
  EXPECT_EQ(face_->figures().open_calls, 1);
  first.TryCancel();
  reader->Finish();
}

}  // namespace
}  // namespace sluice
