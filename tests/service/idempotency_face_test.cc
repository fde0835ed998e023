// Idempotency keys over real sockets: callers of two loops, and a fake engine
// that counts how often it ran.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/service/face_fixture.h"

namespace sluice {
namespace {

class IdempotencyFaceTest : public FaceFixture {
 protected:
  struct Told {
    grpc::Status status;
    std::string text;
    std::string call_id;
    v1::End end;
  };

  void Serve(FaceOptions options = {}) {
    SetTables();
    StartFace(options);
  }

  Told Stream(v1::Gateway::Stub& stub, const std::string& key, const v1::ChatRequest& request,
              const std::map<std::string, std::string>& metadata = {}) {
    grpc::ClientContext context;
    context.AddMetadata("idempotency-key", key);
    for (const auto& [name, value] : metadata) context.AddMetadata(name, value);
    Told told;
    Answer answer = ReadAll(stub, context, request);
    told.status = answer.status;
    told.text = answer.text;
    told.end = answer.end;
    auto id = context.GetServerInitialMetadata().find("sluice-call-id");
    if (id != context.GetServerInitialMetadata().end()) told.call_id = std::string(id->second.data(), id->second.size());
    return told;
  }

  static google::rpc::ErrorInfo Info(const grpc::Status& status) {
    google::rpc::Status details;
    details.ParseFromString(status.error_details());
    google::rpc::ErrorInfo info;
    for (const auto& any : details.details()) {
      if (any.UnpackTo(&info)) break;
    }
    return info;
  }

  IdempotencyFigures Figures() { return face_->figures().idempotency; }
};

TEST_F(IdempotencyFaceTest, RowC7AFinishedStreamIsReplayedWithItsOwnEndAndCallId) {
  Serve();
  auto stub = NewStub();
  Told first = Stream(*stub, "k", Ask("restart:10"));
  ASSERT_TRUE(first.status.ok());
  Told second = Stream(*NewStub(), "k", Ask("restart:10"));
  ASSERT_TRUE(second.status.ok());
  // Event for event, with what became void.
  EXPECT_EQ(second.text, first.text);
  EXPECT_EQ(second.end.restarts(), 1);
  EXPECT_EQ(second.call_id, first.call_id);
  EXPECT_EQ(second.end.SerializeAsString(), first.end.SerializeAsString());
  EXPECT_EQ(figures_.made, 1);
  EXPECT_EQ(Figures().replays, 1u);
  EXPECT_EQ(Figures().entries, 1);
}

TEST_F(IdempotencyFaceTest, RowD5CallersOfBothLoopsJoinTheRunningStreamFromItsFirstEvent) {
  Serve();
  std::vector<Told> told(12);
  std::vector<std::thread> callers;
  for (Told& one : told) {
    callers.emplace_back([&] { one = Stream(*NewStub(), "k", Ask("slowly:150")); });
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  for (auto& caller : callers) caller.join();
  std::set<std::string> ids;
  for (const Told& one : told) {
    EXPECT_TRUE(one.status.ok()) << one.status.error_message();
    EXPECT_EQ(one.text, Words(150));
    ids.insert(one.call_id);
  }
  EXPECT_EQ(ids.size(), 1u);
  EXPECT_EQ(figures_.made, 1);
  EXPECT_EQ(Figures().joins + Figures().replays, 11u);
  EXPECT_GE(Figures().joins, 5u);
}

TEST_F(IdempotencyFaceTest, AnotherRequestUnderTheKeyIsRefusedNamingIt) {
  Serve();
  auto stub = NewStub();
  ASSERT_TRUE(Stream(*stub, "order-7", Ask("words:3")).status.ok());
  Told other = Stream(*stub, "order-7", Ask("words:4"));
  EXPECT_EQ(other.status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(Info(other.status).reason(), "IDEMPOTENCY_KEY_REUSED");
  EXPECT_NE(other.status.error_message().find("order-7"), std::string::npos);
  // Another route makes another request of the same words.
  EXPECT_EQ(Stream(*stub, "order-7", Ask("words:3"), {{"sluice-route", "named"}}).status.error_code(),
            grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(figures_.made, 1);
  EXPECT_EQ(Figures().conflicts, 2u);
}

TEST_F(IdempotencyFaceTest, KeysAreEachTenantsAndEachMethodsOwn) {
  Serve();
  auto stub = NewStub();
  ASSERT_TRUE(Stream(*stub, "k", Ask("words:3")).status.ok());
  ASSERT_TRUE(Stream(*stub, "k", Ask("words:4"), {{"sluice-tenant", "acme"}}).status.ok());
  grpc::ClientContext context;
  context.AddMetadata("idempotency-key", "k");
  v1::ChatResponse response;
  ASSERT_TRUE(stub->Chat(&context, Ask("words:5"), &response).ok());
  EXPECT_EQ(response.choices(0).message().parts(0).text(), Words(5));
  EXPECT_EQ(figures_.made, 3);
}

TEST_F(IdempotencyFaceTest, AUnaryAnswerIsReplayedWhole) {
  Serve();
  auto stub = NewStub();
  std::string first;
  for (int i = 0; i < 2; ++i) {
    grpc::ClientContext context;
    context.AddMetadata("idempotency-key", "k");
    v1::ChatResponse response;
    ASSERT_TRUE(stub->Chat(&context, Ask("again"), &response).ok());
    EXPECT_EQ(response.choices(0).message().parts(0).text(), "w00000007 ");
    if (i == 0) first = response.SerializeAsString();
    EXPECT_EQ(response.SerializeAsString(), first);
  }
  EXPECT_EQ(figures_.made, 1);
}

TEST_F(IdempotencyFaceTest, AFailureBeforeContentIsRunAnew) {
  Serve();
  auto stub = NewStub();
  EXPECT_EQ(Stream(*stub, "k", Ask("fail")).status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Stream(*stub, "k", Ask("fail")).status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(figures_.made, 2);
  EXPECT_EQ(Figures().entries, 0);
}

TEST_F(IdempotencyFaceTest, ABadKeyIsTheCallersError) {
  Serve();
  auto stub = NewStub();
  for (const std::string& key : {std::string(300, 'k'), std::string("a b")}) {
    Told told = Stream(*stub, key, Ask("words:1"));
    EXPECT_EQ(told.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(Info(told.status).reason(), "INVALID_IDEMPOTENCY_KEY");
  }
  EXPECT_EQ(figures_.made, 0);
}

TEST_F(IdempotencyFaceTest, TheCallLivesUntilItsLastCallerLeaves) {
  Serve();
  auto one = NewStub(), two = NewStub();
  grpc::ClientContext first, second;
  for (auto* context : {&first, &second}) context->AddMetadata("idempotency-key", "k");
  auto reader = one->StreamChat(&first, Ask("hang"));
  v1::StreamChatResponse response;
  ASSERT_TRUE(reader->Read(&response));
  auto other = two->StreamChat(&second, Ask("hang"));
  ASSERT_TRUE(other->Read(&response));
  EXPECT_EQ(response.events(1).content().text(), Words(1));
  first.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  ASSERT_TRUE(Eventually([this] { return face_->open_calls() == 1; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(figures_.cancelled, 0);
  second.TryCancel();
  other->Finish();
  EXPECT_TRUE(Eventually([this] { return figures_.cancelled == 1 && figures_.alive == 0; }));
  EXPECT_EQ(Figures().entries, 0);
}

TEST_F(IdempotencyFaceTest, ADeadlineEndsOnlyItsOwnCaller) {
  Serve();
  auto stub = NewStub();
  grpc::ClientContext hasty;
  hasty.AddMetadata("idempotency-key", "k");
  hasty.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(150));
  std::thread patient([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    Told told = Stream(*NewStub(), "k", Ask("slowly:200"));
    EXPECT_TRUE(told.status.ok());
    EXPECT_EQ(told.text, Words(200));
  });
  Answer answer = ReadAll(*stub, hasty, Ask("slowly:200"));
  EXPECT_EQ(answer.end.outcome(), v1::OUTCOME_TRUNCATED);
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  patient.join();
  EXPECT_EQ(figures_.made, 1);
}

TEST_F(IdempotencyFaceTest, AnAnswerTooLargeToKeepIsGivenWholeAndNotRunTwice) {
  FaceOptions options;
  options.idempotency.max_entry_bytes = 16 << 10;
  Serve(options);
  auto stub = NewStub();
  Told first = Stream(*stub, "k", Ask("words:5000"));
  ASSERT_TRUE(first.status.ok());
  EXPECT_EQ(first.text, Words(5000));
  Told second = Stream(*stub, "k", Ask("words:5000"));
  EXPECT_EQ(second.status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(Info(second.status).reason(), "IDEMPOTENCY_ANSWER_NOT_KEPT");
  EXPECT_EQ(figures_.made, 1);
  EXPECT_EQ(Figures().not_kept, 1u);
}

TEST_F(IdempotencyFaceTest, ASlowReaderStopsAFloodThatIsTooLargeToKeep) {
  FaceOptions options;
  options.idempotency.max_entry_bytes = 64 << 10;
  Serve(options);
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 65535);
  auto stub = v1::Gateway::NewStub(NewChannel(arguments));
  grpc::ClientContext context;
  context.AddMetadata("idempotency-key", "k");
  auto reader = stub->StreamChat(&context, Ask("flood"));
  v1::StreamChatResponse response;
  ASSERT_TRUE(reader->Read(&response));
  uint64_t last = 0;
  ASSERT_TRUE(Eventually([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return std::exchange(last, figures_.flooded_bytes.load()) == figures_.flooded_bytes;
  })) << "the flood never stopped";
  const uint64_t stopped_at = figures_.flooded_bytes;
  EXPECT_LT(stopped_at, 8u << 20);
  uint64_t read = 0;
  while (read < stopped_at + (1 << 20) && reader->Read(&response)) {
    for (const auto& event : response.events()) read += event.content().text().size();
  }
  EXPECT_GT(figures_.flooded_bytes, stopped_at);
  context.TryCancel();
  reader->Finish();
  EXPECT_TRUE(Eventually([this] { return figures_.alive == 0; }));
}

TEST_F(IdempotencyFaceTest, ADrainTellsEveryCallerHowItEnds) {
  FaceOptions options;
  options.drain_timeout = absl::Milliseconds(200);
  Serve(options);
  auto one = NewStub(), two = NewStub();
  grpc::ClientContext first, second;
  for (auto* context : {&first, &second}) context->AddMetadata("idempotency-key", "k");
  auto reader = one->StreamChat(&first, Ask("hang"));
  auto other = two->StreamChat(&second, Ask("hang"));
  v1::StreamChatResponse response;
  ASSERT_TRUE(reader->Read(&response));
  ASSERT_TRUE(other->Read(&response));
  std::thread drainer([this] { face_->Drain(); });
  for (auto* stream : {&reader, &other}) {
    ASSERT_TRUE((*stream)->Read(&response));
    EXPECT_EQ(response.events().rbegin()->end().outcome(), v1::OUTCOME_TRUNCATED);
    EXPECT_FALSE((*stream)->Read(&response));
    EXPECT_EQ((*stream)->Finish().error_code(), grpc::StatusCode::ABORTED);
  }
  drainer.join();
}

TEST_F(IdempotencyFaceTest, ShutdownUnderLoadLeavesNothing) {
  FaceOptions options;
  options.drain_timeout = absl::Milliseconds(100);
  options.idempotency.max_entry_bytes = 32 << 10;
  Serve(options);
  std::atomic<bool> stop{false};
  std::vector<std::thread> callers;
  for (int i = 0; i < 16; ++i) {
    callers.emplace_back([&, i] {
      const char* models[] = {"flood", "hang", "slowly:100000", "words:2000"};
      auto stub = NewStub();
      while (!stop) {
        grpc::ClientContext context;
        context.AddMetadata("idempotency-key", models[i % 4]);
        if (i % 3 == 0) context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(30));
        ReadAll(*stub, context, Ask(models[i % 4]));
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  stop = true;
  StopFace();
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(figures_.alive, 0);
}

}  // namespace
}  // namespace sluice
