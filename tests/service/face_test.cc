// The gRPC face over real sockets, with a fake engine behind it.
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/service/face_fixture.h"

namespace sluice {
namespace {

class FaceTest : public FaceFixture {
 protected:
  void SetUp() override {
    SetTables();
    StartFace();
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

TEST_F(FaceTest, StreamsEveryEventInOrderAndEndsOnce) {
  auto stub = NewStub();
  for (const char* model : {"words:500", "burst:500", "slowly:50", "words:0"}) {
    grpc::ClientContext context;
    Answer answer = ReadAll(*stub, context, Ask(model));
    ASSERT_TRUE(answer.status.ok()) << model << ": " << answer.status.error_message();
    EXPECT_EQ(answer.text, Words(std::stoi(std::string(model).substr(std::string(model).find(':') + 1))));
    EXPECT_TRUE(answer.started_first) << model;
    EXPECT_EQ(answer.ends, 1) << model;
    EXPECT_TRUE(answer.end_last) << model;
    EXPECT_EQ(answer.end.outcome(), v1::OUTCOME_COMPLETE);
    EXPECT_EQ(context.GetServerInitialMetadata().count("sluice-call-id"), 1u);
  }
}

TEST_F(FaceTest, ABurstOfOneTurnIsFewMessages) {
  auto stub = NewStub();
  grpc::ClientContext context;
  Answer answer = ReadAll(*stub, context, Ask("burst:1000"));
  EXPECT_EQ(answer.text, Words(1000));
  EXPECT_LE(answer.messages, 2);
}

TEST_F(FaceTest, WordsArriveAsTheyAreMade) {
  auto stub = NewStub();
  grpc::ClientContext context;
  auto reader = stub->StreamChat(&context, Ask("hang"));
  v1::StreamChatResponse response;
  ASSERT_TRUE(reader->Read(&response));  // would wait for ever if held back to the end
  EXPECT_EQ(response.events(1).content().text(), Words(1));
  context.TryCancel();
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

// While the engine is silent, so that nothing but the cancellation wakes its loop.
TEST_F(FaceTest, CancellationReachesTheEngine) {
  auto stub = NewStub();
  grpc::ClientContext context;
  auto reader = stub->StreamChat(&context, Ask("hang"));
  v1::StreamChatResponse response;
  ASSERT_TRUE(reader->Read(&response));
  context.TryCancel();
  ASSERT_TRUE(Eventually([this] { return figures_.cancelled == 1; }));
  EXPECT_TRUE(Eventually([this] { return figures_.alive == 0 && face_->open_calls() == 0; }));
}

TEST_F(FaceTest, AFailureBeforeContentIsAStatusWithDetailsAndNoMessage) {
  auto stub = NewStub();
  grpc::ClientContext context;
  Answer answer = ReadAll(*stub, context, Ask("fail"));
  EXPECT_EQ(answer.messages, 0);
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Reason(answer.status), "ATTEMPTS_EXHAUSTED");
  auto trailers = context.GetServerTrailingMetadata();
  ASSERT_EQ(trailers.count("grpc-retry-pushback-ms"), 1u);
  EXPECT_EQ(trailers.find("grpc-retry-pushback-ms")->second, "1500");
  EXPECT_EQ(context.GetServerInitialMetadata().count("sluice-call-id") + trailers.count("sluice-call-id"), 1u);
}

TEST_F(FaceTest, ACutAfterContentShowsTheEndRecordAndThenAborted) {
  auto stub = NewStub();
  for (int i = 0; i < 50; ++i) {
    grpc::ClientContext context;
    Answer answer = ReadAll(*stub, context, Ask("cut"));
    EXPECT_EQ(answer.text, Words(3));
    ASSERT_EQ(answer.ends, 1);
    EXPECT_EQ(answer.end.outcome(), v1::OUTCOME_TRUNCATED);
    EXPECT_EQ(answer.end.error().reason(), "STREAM_TRUNCATED");
    EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::ABORTED);
    EXPECT_EQ(Reason(answer.status), "STREAM_TRUNCATED");
  }
}

TEST_F(FaceTest, TheCallersDeadlineReachesTheEngine) {
  auto stub = NewStub();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(1500));
  auto before = std::chrono::steady_clock::now();
  Answer answer = ReadAll(*stub, context, Ask("deadline"));
  // Without it the engine would never end, and gRPC would say DEADLINE_EXCEEDED.
  EXPECT_EQ(answer.end.outcome(), v1::OUTCOME_TRUNCATED) << answer.status.error_message();
  EXPECT_EQ(answer.end.error().reason(), "DEADLINE_EXCEEDED");
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(Reason(answer.status), "DEADLINE_EXCEEDED");
  EXPECT_GT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(900));
}

TEST_F(FaceTest, ADeadlineThatPassesEndsTheCallBehind) {
  auto stub = NewStub();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
  Answer answer = ReadAll(*stub, context, Ask("hang"));
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(Eventually([this] { return figures_.alive == 0; }));
}

TEST_F(FaceTest, ASlowReaderStopsTheFloodAtTheBound) {
  grpc::ChannelArguments arguments;
  // A client that gives no more window than it must.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 65535);
  auto stub = v1::Gateway::NewStub(NewChannel(arguments));
  grpc::ClientContext context;
  auto reader = stub->StreamChat(&context, Ask("flood"));
  v1::StreamChatResponse response;
  ASSERT_TRUE(reader->Read(&response));
  uint64_t last = 0;
  ASSERT_TRUE(Eventually([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return std::exchange(last, figures_.flooded_bytes.load()) == figures_.flooded_bytes;
  })) << "the flood never stopped";
  // The bound, one step of the engine above it, and framing.
  EXPECT_LE(figures_.most_pending, (64u << 10) + (17u << 10));
  uint64_t stopped_at = figures_.flooded_bytes;
  EXPECT_LT(stopped_at, 8u << 20);
  // Reading lets it go on.
  uint64_t read = 0;
  while (read < stopped_at + (1 << 20) && reader->Read(&response)) {
    for (const auto& event : response.events()) read += event.content().text().size();
  }
  EXPECT_GT(figures_.flooded_bytes, stopped_at);
  EXPECT_GT(figures_.drained, 0);
  context.TryCancel();
  reader->Finish();
}

TEST_F(FaceTest, TwoHundredStreamsAtOnceAreEachWhole) {
  auto stubs = {NewStub(), NewStub(), NewStub(), NewStub()};
  std::vector<std::thread> callers;
  std::atomic<int> whole{0};
  for (int i = 0; i < 200; ++i) {
    v1::Gateway::Stub* stub = (stubs.begin() + i % 4)->get();
    callers.emplace_back([&, stub] {
      grpc::ClientContext context;
      Answer answer = ReadAll(*stub, context, Ask("slowly:100"));
      whole += answer.status.ok() && answer.text == Words(100) && answer.ends == 1;
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(whole, 200);
  EXPECT_TRUE(Eventually([this] { return face_->open_calls() == 0; }));
}

TEST_F(FaceTest, ChatCollectsTheWholeAnswer) {
  auto stub = NewStub();
  grpc::ClientContext context;
  v1::ChatResponse response;
  grpc::Status status = stub->Chat(&context, Ask("words:50"), &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.choices(0).message().parts(0).text(), Words(50));
  EXPECT_EQ(response.end().outcome(), v1::OUTCOME_COMPLETE);
  EXPECT_EQ(response.started().served_by(), "fake/one");
  EXPECT_EQ(context.GetServerInitialMetadata().count("sluice-call-id"), 1u);
}

TEST_F(FaceTest, ChatShowsNothingOfADiscardedAttempt) {
  auto stub = NewStub();
  grpc::ClientContext context;
  v1::ChatResponse response;
  ASSERT_TRUE(stub->Chat(&context, Ask("again"), &response).ok());
  EXPECT_EQ(response.choices(0).message().parts(0).text(), "w00000007 ");
  EXPECT_EQ(response.started().served_by(), "fake/two");
}

TEST_F(FaceTest, ChatOverItsBoundIsRefusedNamingIt) {
  auto stub = NewStub();
  grpc::ClientContext context;
  v1::ChatResponse response;
  grpc::Status status = stub->Chat(&context, Ask("words:100000"), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Reason(status), "RESPONSE_TOO_LARGE");
  EXPECT_NE(status.error_message().find("max_response_bytes"), std::string::npos);
  EXPECT_NE(status.error_message().find("4096"), std::string::npos);
}

TEST_F(FaceTest, ChatFailsWithItsStatus) {
  auto stub = NewStub();
  grpc::ClientContext context;
  v1::ChatResponse response;
  EXPECT_EQ(stub->Chat(&context, Ask("fail"), &response).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(FaceTest, ListModelsTellsWhatTheCallerMayName) {
  auto stub = NewStub();
  grpc::ClientContext context, vip;
  v1::ListModelsResponse response;
  ASSERT_TRUE(stub->ListModels(&context, {}, &response).ok());
  ASSERT_EQ(response.models_size(), 1);
  EXPECT_EQ(response.models(0).name(), "chat-small");
  EXPECT_EQ(response.models(0).route(), "named");
  vip.AddMetadata("sluice-tenant", "vip");
  ASSERT_TRUE(stub->ListModels(&vip, {}, &response).ok());
  EXPECT_EQ(response.models_size(), 2);
}

TEST_F(FaceTest, ARestartIsMarkedRightBeforeTheNewBeginning) {
  auto stub = NewStub();
  grpc::ClientContext context;
  auto reader = stub->StreamChat(&context, Ask("restart:20"));
  std::vector<v1::ChatEvent> events;
  v1::StreamChatResponse response;
  while (reader->Read(&response)) events.insert(events.end(), response.events().begin(), response.events().end());
  ASSERT_TRUE(reader->Finish().ok());
  std::string before, after;
  size_t restarts = 0;
  for (size_t i = 0; i < events.size(); ++i) {
    if (events[i].has_content()) (restarts == 0 ? before : after) += events[i].content().text();
    if (!events[i].has_continuation()) continue;
    ++restarts;
    EXPECT_EQ(events[i].continuation().mode(), v1::CONTINUATION_MODE_RESTART);
    EXPECT_EQ(events[i].continuation().served_by(), "fake/two");
    ASSERT_LT(i + 1, events.size());
    EXPECT_EQ(events[i + 1].started().served_by(), "fake/two");
  }
  EXPECT_EQ(restarts, 1u);
  // A beginning of the void answer, and all of the new one.
  EXPECT_EQ(before, Words(20).substr(0, before.size()));
  EXPECT_EQ(after, Words(40).substr(200));
  EXPECT_EQ(events.back().end().restarts(), 1);
}

TEST_F(FaceTest, RowE3AFallbackIsAWellFormedAnswerThatSaysSo) {
  auto stub = NewStub();
  grpc::ClientContext context, unary;
  Answer answer = ReadAll(*stub, context, Ask("fallback:3"));
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.text, Words(3));
  EXPECT_EQ(answer.end.outcome(), v1::OUTCOME_FALLBACK);
  EXPECT_EQ(answer.end.fallback(), "spare");
  EXPECT_EQ(answer.end.error().reason(), "ATTEMPTS_EXHAUSTED");
  EXPECT_EQ(context.GetServerTrailingMetadata().count("grpc-retry-pushback-ms"), 0u);
  v1::ChatResponse response;
  ASSERT_TRUE(stub->Chat(&unary, Ask("fallback:3"), &response).ok());
  EXPECT_EQ(response.end().outcome(), v1::OUTCOME_FALLBACK);
}

TEST_F(FaceTest, TheTenantReachesTheEngineAndAffinityOnlyWhereTheRouteAsks) {
  auto stub = NewStub();
  grpc::ClientContext plain, vip;
  EXPECT_TRUE(ReadAll(*stub, plain, Ask("words:1")).status.ok());
  EXPECT_FALSE(figures_.tenant_vip);
  EXPECT_EQ(figures_.affinity, 0u);
  vip.AddMetadata("sluice-tenant", "vip");
  EXPECT_TRUE(ReadAll(*stub, vip, Ask("words:1")).status.ok());
  EXPECT_TRUE(figures_.tenant_vip);
}

TEST_F(FaceTest, BadRequestsNeverReachTheEngine) {
  auto stub = NewStub();
  grpc::ClientContext no_model, no_route;
  Answer answer = ReadAll(*stub, no_model, v1::ChatRequest());
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Reason(answer.status), "INVALID_REQUEST");
  no_route.AddMetadata("sluice-route", "nowhere");
  answer = ReadAll(*stub, no_route, Ask("words:1"));
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Reason(answer.status), "ROUTE_NOT_FOUND");
  EXPECT_NE(answer.status.error_message().find("nowhere"), std::string::npos);
  EXPECT_EQ(figures_.made, 0);
}

TEST_F(FaceTest, ShutdownUnderLoadEndsEveryCallAndLeavesNothing) {
  StopFace();
  FaceOptions options;
  options.drain_timeout = absl::Milliseconds(200);
  StartFace(options);
  auto stub = NewStub();
  std::atomic<bool> stop{false};
  std::atomic<int> ended{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 32; ++i) {
    callers.emplace_back([&, i] {
      const char* models[] = {"flood", "hang", "slowly:100000", "words:2000"};
      while (!stop) {
        grpc::ClientContext context;
        ReadAll(*stub, context, Ask(models[i % 4]));
        ++ended;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  stop = true;
  StopFace();
  for (auto& caller : callers) caller.join();
  EXPECT_GE(ended, 32);
  EXPECT_EQ(figures_.alive, 0);
}

TEST_F(FaceTest, ADrainLetsRunningCallsEnd) {
  auto stub = NewStub();
  std::thread drainer;
  grpc::ClientContext context;
  auto reader = stub->StreamChat(&context, Ask("slowly:200"));
  v1::StreamChatResponse response;
  ASSERT_TRUE(reader->Read(&response));
  drainer = std::thread([this] { face_->Drain(); });
  while (reader->Read(&response)) {
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_TRUE(response.events(response.events_size() - 1).has_end());
  drainer.join();
}

}  // namespace
}  // namespace sluice
