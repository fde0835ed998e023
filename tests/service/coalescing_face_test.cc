// The coalescing window over real sockets: where messages begin and end, while
// the events stay what they are.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/service/face_fixture.h"

namespace sluice {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr int kSecond = 1000;

// Everything of one stream, message by message.
struct Stream {
  std::vector<v1::StreamChatResponse> messages;
  milliseconds took{0};  // from the call on
  grpc::Status status;

  std::vector<std::string> Events() const {
    std::vector<std::string> events;
    for (const auto& message : messages) {
      for (const auto& event : message.events()) {
        // An end tells times of its own.
        events.push_back(event.has_end() ? "end" : event.ShortDebugString());
      }
    }
    return events;
  }
  // As a caller shows it: a restart makes void what was there.
  std::string Text() const {
    std::string text;
    for (const auto& message : messages) {
      for (const auto& event : message.events()) {
        if (event.has_continuation()) text.clear();
        text += event.content().text();
      }
    }
    return text;
  }
  const v1::ChatEvent& LastEvent() const { return *messages.back().events().rbegin(); }
  // The most messages of a window in that time, on a slow machine too: the first
  // content and the end come when they are there, the others a window apart.
  size_t MostMessages(milliseconds window) const { return static_cast<size_t>(took / window) + 3; }
};

class CoalescingFaceTest : public FaceFixture {
 protected:
  // Routes "off" (every model), and by name "brief" and "long": what waits for
  // that window comes after the caller's deadline.
  void Serve(FaceOptions options = {}) {
    std::vector<std::shared_ptr<const RouteConfig>> routes;
    auto add = [&](const char* name, const char* model, Duration coalesce, size_t max_pending) {
      auto route = std::make_shared<RouteConfig>();
      route->name = name;
      route->model = model;
      route->stream.coalesce = coalesce;
      route->stream.max_pending_bytes = max_pending;
      routes.push_back(std::move(route));
    };
    add("off", "*", absl::ZeroDuration(), 64 << 10);
    add("brief", "-", absl::Milliseconds(100), 64 << 10);
    add("long", "-", absl::Hours(1), 64 << 10);
    add("narrow", "-", absl::Hours(1), 4096);
    tables_.Set(std::make_shared<RouteTable>("epoch", 1, std::move(routes)));
    StartFace(options);
    stub_ = NewStub();
  }

  void TearDown() override {
    stub_.reset();
    FaceFixture::TearDown();
  }

  static void SetRoute(grpc::ClientContext& context, const char* route) {
    if (*route != '\0') context.AddMetadata("sluice-route", route);
  }

  static v1::ChatRequest Wish(const std::string& model, int coalesce_ms) {
    v1::ChatRequest request = Ask(model);
    auto* wish = request.mutable_stream_options()->mutable_coalesce();
    wish->set_seconds(coalesce_ms / 1000);
    wish->set_nanos(coalesce_ms % 1000 * 1'000'000);
    return request;
  }

  Stream Read(const v1::ChatRequest& request, const char* route, const std::string& key = "",
              milliseconds deadline = milliseconds(20'000)) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + deadline);
    SetRoute(context, route);
    if (!key.empty()) context.AddMetadata("idempotency-key", key);
    Stream stream;
    auto reader = stub_->StreamChat(&context, request);
    v1::StreamChatResponse message;
    const auto begin = Clock::now();
    while (reader->Read(&message)) stream.messages.push_back(message);
    stream.status = reader->Finish();
    stream.took = std::chrono::duration_cast<milliseconds>(Clock::now() - begin);
    return stream;
  }

  // The first that has so many messages. A machine that stops for a while lets
  // several words come together, so one of a few: with a wider window none would.
  Stream ReadOfMany(size_t least, const v1::ChatRequest& request, const char* route, const std::string& key = "") {
    Stream stream;
    for (int i = 0; i < 10 && stream.messages.size() < least; ++i) {
      stream = Read(request, route, key.empty() ? "" : key + std::to_string(i));
    }
    EXPECT_GE(stream.messages.size(), least);
    return stream;
  }

  std::unique_ptr<v1::Gateway::Stub> stub_;
};

// One word every 20 ms.
constexpr int kWords = 30;
constexpr size_t kApart = 20;    // at least so many messages without a window
constexpr size_t kTogether = 4;  // at least so many with 100 ms
constexpr milliseconds kBrief(100);

TEST_F(CoalescingFaceTest, TheRoutesWindowMakesFewMessagesOfTheSameEvents) {
  Serve();
  const Stream off = ReadOfMany(kApart, Ask("paced:30"), "off", "one");
  const Stream on = ReadOfMany(kTogether, Ask("paced:30"), "brief", "two");
  ASSERT_TRUE(off.status.ok() && on.status.ok());
  EXPECT_LE(on.messages.size(), on.MostMessages(kBrief));
  // Under a key they are kept event for event, so that they can be compared.
  ASSERT_EQ(on.Events().size(), kWords + 2u);
  const std::vector<std::string> off_events = off.Events(), on_events = on.Events();
  // `started` names the call.
  EXPECT_EQ(std::vector(on_events.begin() + 1, on_events.end()), std::vector(off_events.begin() + 1, off_events.end()));
  EXPECT_EQ(on.Text(), Words(kWords));
}

TEST_F(CoalescingFaceTest, DeltasOfOneMessageAreOneEvent) {
  Serve();
  const Stream stream = Read(Ask("paced:30"), "brief");
  EXPECT_EQ(stream.Text(), Words(kWords));
  // Beside `started` and the end.
  EXPECT_LE(stream.Events().size(), stream.MostMessages(kBrief) + 2);
}

TEST_F(CoalescingFaceTest, TheFirstContentAndTheEndAreThereAtOnce) {
  Serve();
  const Stream stream = Read(Ask("paced:4"), "long");
  ASSERT_EQ(stream.messages.size(), 2u);
  ASSERT_EQ(stream.messages[0].events_size(), 2);
  EXPECT_TRUE(stream.messages[0].events(0).has_started());
  EXPECT_EQ(stream.messages[0].events(1).content().text(), Words(1));
  EXPECT_TRUE(stream.LastEvent().has_end());
  EXPECT_EQ(stream.Text(), Words(4));
  EXPECT_TRUE(stream.status.ok());
}

TEST_F(CoalescingFaceTest, TheCallerOverridesTheRouteInBothDirections) {
  Serve();
  Stream stream = Read(Wish("paced:30", 100), "off");
  EXPECT_LE(stream.messages.size(), stream.MostMessages(kBrief));
  stream = Read(Wish("paced:30", kSecond), "brief");
  EXPECT_LE(stream.messages.size(), stream.MostMessages(milliseconds(kSecond)));
  stream = ReadOfMany(kTogether, Wish("paced:30", 100), "long");
  EXPECT_LE(stream.messages.size(), stream.MostMessages(kBrief));
  ReadOfMany(kApart, Wish("paced:30", 0), "brief");
  ReadOfMany(kApart, Wish("paced:30", 0), "brief", "key");
}

TEST_F(CoalescingFaceTest, OutOfRangeIsRefusedByBothMethods) {
  Serve();
  for (int wish : {-1, -kSecond, kSecond + 1, 3600 * kSecond}) {
    const v1::ChatRequest request = Wish("words:1", wish);
    const Stream stream = Read(request, "off");
    EXPECT_EQ(stream.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_NE(stream.status.error_message().find("stream_options.coalesce: "), std::string::npos);
    EXPECT_NE(stream.status.error_message().find("must be from 0s to 1s"), std::string::npos)
        << stream.status.error_message();
    grpc::ClientContext context;
    v1::ChatResponse response;
    EXPECT_EQ(stub_->Chat(&context, request, &response).error_message(), stream.status.error_message());
  }
  EXPECT_EQ(figures_.made, 0);
}

TEST_F(CoalescingFaceTest, ChatHasOneMessageWhateverTheWindow) {
  Serve();
  grpc::ClientContext context;
  SetRoute(context, "long");
  v1::ChatResponse response;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
  ASSERT_TRUE(stub_->Chat(&context, Ask("paced:4"), &response).ok());
  EXPECT_EQ(response.choices(0).message().parts(0).text(), Words(4));
}

TEST_F(CoalescingFaceTest, ACancelWithinAWindowLeavesNothingBehind) {
  Serve();
  for (int i = 0; i < 10; ++i) {
    grpc::ClientContext context;
    SetRoute(context, "long");
    auto reader = stub_->StreamChat(&context, Ask("paced:1000"));
    v1::StreamChatResponse message;
    ASSERT_TRUE(reader->Read(&message));
    std::this_thread::sleep_for(milliseconds(10 * i));
    context.TryCancel();
    EXPECT_FALSE(reader->Read(&message));
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
    EXPECT_TRUE(Eventually([&] { return figures_.cancelled == i + 1 && face_->open_calls() == 0; }));
  }
}

TEST_F(CoalescingFaceTest, ADeadlineWithinAWindowStillShowsWhatWaitedAndTheEnd) {
  Serve();
  const Stream stream = Read(Ask("paced:1000"), "long", "", milliseconds(2000));
  ASSERT_EQ(stream.messages.size(), 2u);
  EXPECT_EQ(stream.LastEvent().end().outcome(), v1::OUTCOME_TRUNCATED);
  const std::string text = stream.Text();
  EXPECT_GE(text.size(), Words(5).size());
  EXPECT_EQ(text, Words(static_cast<int>(text.size() / Words(1).size())));
  EXPECT_EQ(stream.status.error_code(), grpc::StatusCode::ABORTED);
}

TEST_F(CoalescingFaceTest, ADrainThatRunsOutSendsWhatWaitsWithTheEnd) {
  FaceOptions options;
  options.drain_timeout = absl::Milliseconds(200);
  options.end_grace = absl::Minutes(1);
  Serve(options);
  Stream stream;
  std::thread caller([&] { stream = Read(Ask("paced:1000"), "long"); });
  ASSERT_TRUE(Eventually([this] { return figures_.alive == 1; }));
  face_->Drain();
  caller.join();
  ASSERT_FALSE(stream.messages.empty()) << stream.status.error_message();
  EXPECT_EQ(stream.LastEvent().end().outcome(), v1::OUTCOME_TRUNCATED);
  EXPECT_LE(stream.messages.size(), 3u);
  EXPECT_EQ(stream.Text(), Words(static_cast<int>(stream.Text().size() / Words(1).size())));
}

TEST_F(CoalescingFaceTest, ARestartIsToldAtOnceWithItsFirstContent) {
  Serve();
  for (const char* key : {"", "key"}) {
    const Stream stream = Read(Ask("restart:20"), "long", key);
    EXPECT_TRUE(stream.status.ok());
    // The first content; the marker and the new answer's; the rest and the end.
    ASSERT_EQ(stream.messages.size(), 3u);
    EXPECT_EQ(stream.Text(), Words(40).substr(Words(20).size()));
    const auto& shown_anew = stream.messages[1].events();
    ASSERT_GE(shown_anew.size(), 3);
    EXPECT_TRUE(shown_anew.rbegin()->has_content());
    EXPECT_TRUE((shown_anew.rbegin() + 1)->has_started());
    EXPECT_EQ((shown_anew.rbegin() + 2)->continuation().mode(), v1::CONTINUATION_MODE_RESTART);
  }
}

TEST_F(CoalescingFaceTest, WhatIsReplayedIsTheSameEventForEvent) {
  Serve();
  const Stream first = Read(Ask("paced:10"), "brief", "key");
  const Stream again = Read(Ask("paced:10"), "brief", "key");
  EXPECT_EQ(figures_.made, 1);
  EXPECT_LE(first.messages.size(), first.MostMessages(kBrief));
  EXPECT_EQ(first.Events().size(), 12u);
  EXPECT_EQ(again.Events(), first.Events());
}

// An engine that waits for its reader to take what it has must not wait for the
// window.
TEST_F(CoalescingFaceTest, AStreamThatFillsItsBoundsRunsAtFullSpeed) {
  Serve();
  for (const char* route : {"long", "narrow"}) {
    grpc::ClientContext context;
    SetRoute(context, route);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
    auto reader = stub_->StreamChat(&context, Ask("flood"));
    v1::StreamChatResponse message;
    size_t bytes = 0;
    while (bytes < 8 << 20) {
      ASSERT_TRUE(reader->Read(&message)) << route;
      bytes += message.ByteSizeLong();
      EXPECT_LE(message.ByteSizeLong(), 66u << 10);
    }
    context.TryCancel();
    reader->Finish();
  }
  EXPECT_GT(figures_.drained, 0);
}

TEST_F(CoalescingFaceTest, ASlowReaderHoldsTheEngineBackAndGetsAllOfIt) {
  Serve();
  grpc::ClientContext context;
  SetRoute(context, "long");
  auto reader = stub_->StreamChat(&context, Ask("flood"));
  v1::StreamChatResponse message;
  ASSERT_TRUE(reader->Read(&message));
  // What gRPC itself holds fills up; then the flood stands.
  uint64_t seen = 0;
  ASSERT_TRUE(Eventually([&] {
    std::this_thread::sleep_for(milliseconds(200));
    return std::exchange(seen, figures_.flooded_bytes.load()) == figures_.flooded_bytes;
  }));
  EXPECT_LE(figures_.most_pending, (64u << 10) + (32u << 10));
  const int drained = figures_.drained;
  while (figures_.flooded_bytes < seen + (1 << 20)) ASSERT_TRUE(reader->Read(&message));
  EXPECT_GT(figures_.drained, drained);
  context.TryCancel();
  reader->Finish();
}

}  // namespace
}  // namespace sluice
