// How a server goes: NOT_SERVING first, then callers are told to go, then the end;
// no call is lost on the way.
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/service/face_fixture.h"

namespace sluice {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

class FaceDrainTest : public FaceFixture {
 protected:
  void SetUp() override {
    drain_grace_ = absl::Seconds(1);
    SetTables();
    StartFace();
    serving_ = Eventually([this] { return Check() == HealthCheckResponse::SERVING; });
    ASSERT_TRUE(serving_);
  }

  HealthCheckResponse::ServingStatus Check() {
    grpc::ClientContext context;
    HealthCheckResponse response;
    EXPECT_TRUE(Health::NewStub(NewChannel())->Check(&context, {}, &response).ok());
    return response.status();
  }

  bool serving_ = false;
};

TEST_F(FaceDrainTest, InTheGraceHealthSaysNotServingAndAllIsServed) {
  auto known = NewStub();
  grpc::ClientContext watching, running;
  auto watch = Health::NewStub(NewChannel())->Watch(&watching, {});
  HealthCheckResponse health;
  ASSERT_TRUE(watch->Read(&health));
  EXPECT_EQ(health.status(), HealthCheckResponse::SERVING);
  auto reader = known->StreamChat(&running, Ask("slowly:300"));
  face_->StopServing();
  ASSERT_TRUE(watch->Read(&health));
  EXPECT_EQ(health.status(), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Check(), HealthCheckResponse::NOT_SERVING);  // over a new connection
  grpc::ClientContext old_connection, new_connection, late_watching;
  EXPECT_TRUE(ReadAll(*known, old_connection, Ask("words:3")).status.ok());
  EXPECT_TRUE(ReadAll(*NewStub(), new_connection, Ask("words:3")).status.ok());
  auto late = Health::NewStub(NewChannel())->Watch(&late_watching, {});
  ASSERT_TRUE(late->Read(&health));
  EXPECT_EQ(health.status(), HealthCheckResponse::NOT_SERVING);
  v1::StreamChatResponse response;
  while (reader->Read(&response)) {
  }
  EXPECT_TRUE(reader->Finish().ok());
  // Watches are open until the server ends.
  face_->Drain();
  while (watch->Read(&health)) {
  }
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  while (late->Read(&health)) {
  }
  EXPECT_EQ(late->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(FaceDrainTest, AfterTheDrainThePortIsClosed) {
  face_->Drain();
  auto channel = NewChannel();
  EXPECT_FALSE(channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::milliseconds(200)));
}

// Calls that are on their way when the server begins to end: gRPC's Shutdown
// alone ends some of them as CANCELLED.
TEST_F(FaceDrainTest, CallersThatKnowNothingOfHealthLoseNoCall) {
  std::vector<std::unique_ptr<v1::Gateway::Stub>> stubs;
  for (int i = 0; i < 8; ++i) stubs.push_back(NewStub());
  std::atomic<int> served{0}, lost{0};
  std::vector<std::thread> callers;
  for (auto& stub : stubs) {
    callers.emplace_back([&] {
      while (true) {
        grpc::ClientContext context;
        v1::ChatResponse response;
        const grpc::Status status = stub->Chat(&context, Ask("words:1"), &response);
        served += status.ok();
        if (status.ok()) continue;
        // No other server is there: it was told to go, and nobody listens.
        lost += status.error_code() != grpc::StatusCode::UNAVAILABLE;
        if (status.error_code() == grpc::StatusCode::UNAVAILABLE) return;
      }
    });
  }
  ASSERT_TRUE(Eventually([&] { return served > 1000; }));
  face_->Drain();
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(lost, 0);
}

}  // namespace
}  // namespace sluice
