// Health, reflection, bounds, and what happens before the first configuration.
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/service/face_fixture.h"

namespace sluice {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

class FaceLimitsTest : public FaceFixture {
 protected:
  HealthCheckResponse::ServingStatus Check(const std::string& service, grpc::Status* status = nullptr) {
    auto stub = Health::NewStub(NewChannel());
    grpc::ClientContext context;
    HealthCheckRequest request;
    request.set_service(service);
    HealthCheckResponse response;
    grpc::Status got = stub->Check(&context, request, &response);
    if (status) *status = got;
    return response.status();
  }
};

TEST_F(FaceLimitsTest, WithoutConfigurationHealthAndCallsSaySo) {
  StartFace();
  EXPECT_EQ(Check(""), HealthCheckResponse::NOT_SERVING);
  auto stub = NewStub();
  grpc::ClientContext context, models;
  Answer answer = ReadAll(*stub, context, Ask("words:1"));
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_NE(answer.status.error_details().find("NO_CONFIGURATION"), std::string::npos);
  v1::ListModelsResponse response;
  EXPECT_TRUE(stub->ListModels(&models, {}, &response).ok());
  SetTables();
  EXPECT_TRUE(Eventually([this] { return Check("") == HealthCheckResponse::SERVING; }));
  EXPECT_EQ(Check("sluice.v1.Gateway"), HealthCheckResponse::SERVING);
  grpc::Status status;
  Check("nonsense", &status);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(FaceLimitsTest, WatchersSeeServingAndThenTheDrain) {
  FaceOptions options;
  options.drain_timeout = absl::Minutes(1);
  StartFace(options);
  auto stub = Health::NewStub(NewChannel());
  grpc::ClientContext context;
  auto reader = stub->Watch(&context, HealthCheckRequest());
  HealthCheckResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  SetTables();
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  auto before = std::chrono::steady_clock::now();
  std::thread drainer([this] { face_->Drain(); });
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  reader->Finish();
  drainer.join();
  EXPECT_LT(std::chrono::steady_clock::now() - before, absl::ToChronoMilliseconds(options.drain_timeout)) << "a watch held up the drain";
}

// Not UNAVAILABLE, which gRPC says of what it cancels: after content a retry
// wrapper would replay the call.
TEST_F(FaceLimitsTest, ADrainThatRunsOutEndsStreamsWithTheirEndRecord) {
  FaceOptions options;
  options.drain_timeout = absl::Milliseconds(200);
  // Who reads is not waited for: the drain is over when all have their end.
  options.end_grace = absl::Minutes(1);
  SetTables();
  StartFace(options);
  auto stub = NewStub();
  grpc::ClientContext context;
  auto reader = stub->StreamChat(&context, Ask("hang"));
  v1::StreamChatResponse response;
  ASSERT_TRUE(reader->Read(&response));
  auto before = std::chrono::steady_clock::now();
  std::thread drainer([this] { face_->Drain(); });
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.events().rbegin()->end().outcome(), v1::OUTCOME_TRUNCATED);
  EXPECT_FALSE(reader->Read(&response));
  grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED) << status.error_message();
  drainer.join();
  auto took = std::chrono::steady_clock::now() - before;
  EXPECT_GE(took, std::chrono::milliseconds(200));
  EXPECT_LT(took, absl::ToChronoMilliseconds(options.end_grace));
}

TEST_F(FaceLimitsTest, AnUnknownModelIsToldWhatIsOnOffer) {
  std::vector<std::shared_ptr<const RouteConfig>> routes;
  for (int i = 0; i < 30; ++i) {
    auto route = std::make_shared<RouteConfig>();
    route->name = absl::StrCat("route", i);
    route->model = absl::StrCat("model", 10 + i);
    routes.push_back(std::move(route));
  }
  tables_.Set(std::make_shared<RouteTable>("e", 1, std::move(routes)));
  StartFace();
  auto stub = NewStub();
  grpc::ClientContext context;
  Answer answer = ReadAll(*stub, context, Ask("gpt-9"));
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_NE(answer.status.error_details().find("MODEL_NOT_FOUND"), std::string::npos);
  EXPECT_NE(answer.status.error_message().find("\"gpt-9\""), std::string::npos) << answer.status.error_message();
  EXPECT_NE(answer.status.error_message().find("model10, model11"), std::string::npos);
  EXPECT_NE(answer.status.error_message().find("and 20 more"), std::string::npos);
}

TEST_F(FaceLimitsTest, OverTheMaximumOfCallsIsShedWithATime) {
  FaceOptions options;
  options.max_concurrent_calls = 2;
  SetTables();
  StartFace(options);
  auto stub = NewStub();
  grpc::ClientContext first, second, third, fourth;
  auto one = stub->StreamChat(&first, Ask("hang"));
  auto two = stub->StreamChat(&second, Ask("hang"));
  v1::StreamChatResponse response;
  ASSERT_TRUE(one->Read(&response));
  ASSERT_TRUE(two->Read(&response));
  Answer answer = ReadAll(*stub, third, Ask("words:1"));
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_NE(answer.status.error_details().find("OVERLOADED"), std::string::npos);
  EXPECT_NE(answer.status.error_details().find("RetryInfo"), std::string::npos);
  EXPECT_EQ(third.GetServerTrailingMetadata().count("grpc-retry-pushback-ms"), 1u);
  // A slot that is given back serves the next.
  first.TryCancel();
  one->Finish();
  ASSERT_TRUE(Eventually([this] { return face_->open_calls() == 1; }));
  EXPECT_TRUE(ReadAll(*stub, fourth, Ask("words:1")).status.ok());
  second.TryCancel();
  two->Finish();
}

// Without this a caller that stays connected and reads nothing would hold its
// slot for ever: the engine is done with the call, and no deadline is left.
TEST_F(FaceLimitsTest, ACallerThatNeverTakesTheEndLosesItsSlot) {
  FaceOptions options;
  options.end_timeout = absl::Milliseconds(200);
  SetTables();
  StartFace(options);
  auto stub = NewStub();
  grpc::ClientContext context;
  // More than gRPC holds for a reader that does not read.
  auto reader = stub->StreamChat(&context, Ask("burst:2000000"));
  ASSERT_TRUE(Eventually([this] { return figures_.made == 1; }));
  EXPECT_TRUE(Eventually([this] { return figures_.alive == 0 && face_->open_calls() == 0; }))
      << face_->open_calls() << " calls hold a slot";
  v1::StreamChatResponse response;
  bool end = false;
  while (reader->Read(&response)) end = end || response.events().rbegin()->has_end();
  EXPECT_FALSE(end);
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(FaceLimitsTest, ACallerThatReadsSlowlyGetsTheEnd) {
  FaceOptions options;
  options.end_timeout = absl::Milliseconds(500);
  SetTables();
  StartFace(options);
  // A small window, so that what was read is told to the server soon.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 64 << 10);
  auto stub = v1::Gateway::NewStub(NewChannel(arguments));
  grpc::ClientContext context;
  auto reader = stub->StreamChat(&context, Ask("burst:500000"));
  v1::StreamChatResponse response;
  int messages = 0, ends = 0;
  while (reader->Read(&response)) {
    // In all far longer than end_timeout.
    if (++messages % 10 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ends += response.events().rbegin()->has_end();
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(ends, 1);
}

TEST_F(FaceLimitsTest, APortInUseIsOneLineNamingTheAddress) {
  StartFace();
  EpollLoop loop;
  std::thread thread([&loop] { loop.Run(); });
  FaceOptions options;
  options.listen = address();
  FaceLoopParams params;
  params.loop = &loop;
  params.observer = &observer_;
  {
    GatewayFace second(options, {params});
    absl::Status status = second.Serve(tables_);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_NE(std::string(status.message()).find(address()), std::string::npos) << status.message();
    EXPECT_EQ(std::string(status.message()).find('\n'), std::string::npos);
  }
  loop.Stop();
  thread.join();
}

bool HasThread(const std::string& name) {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream comm(task.path() / "comm");
    std::string own;
    if (std::getline(comm, own) && own == name) return true;
  }
  return false;
}

TEST_F(FaceLimitsTest, ClosingWithoutServingLeavesNothing) {
  EpollLoop loop;
  std::thread thread([&loop] { loop.Run(); });
  FaceLoopParams params;
  params.loop = &loop;
  params.observer = &observer_;
  {
    GatewayFace face(FaceOptions(), {params});
    EXPECT_TRUE(Eventually([] { return HasThread("sluice-notify-0"); }));
  }
  EXPECT_TRUE(Eventually([] { return !HasThread("sluice-notify-0"); }));
  loop.Stop();
  thread.join();
}

TEST_F(FaceLimitsTest, ReflectionIsThere) {
  SetTables();
  StartFace();
  // By name only: the service is a stream of its own protocol, which grpcurl
  // speaks in the integration tests.
  grpc::GenericStub stub(NewChannel());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
  grpc::CompletionQueue queue;
  auto call = stub.PrepareCall(&context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  void* tag;
  bool ok;
  call->StartCall(nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
  // list_services = 7: "".
  std::string ask("\x3a\x01*", 3);
  grpc::Slice slice(ask);
  call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
  grpc::ByteBuffer answer;
  call->Read(&answer, nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
  ASSERT_TRUE(ok);
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(answer.Dump(&slices).ok());
  std::string text;
  for (const auto& piece : slices) text.append(reinterpret_cast<const char*>(piece.begin()), piece.size());
  for (const char* service : {"sluice.v1.Gateway", "grpc.health.v1.Health"}) {
    EXPECT_NE(text.find(service), std::string::npos) << service;
  }
  grpc::Status status;
  call->Finish(&status, nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
}

}  // namespace
}  // namespace sluice
