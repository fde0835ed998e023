// What a stream costs in memory: nothing is allocated per chunk once it runs,
// and an open one holds little.
#include "tests/support/allocation_count.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/call_harness.h"

namespace sluice {
namespace {

std::string ChunkOf(const std::string& text) {
  return R"(data: {"id":"chatcmpl-0123456789","object":"chat.completion.chunk","created":1700000000,"model":"m",)"
         R"("choices":[{"index":0,"delta":{"content":")" +
         text + R"("},"finish_reason":null}]})" + "\n\n";
}

class EventCounter : public StreamEventHandler {
 public:
  void OnEvent(const StreamEvent& event) override { events += event.is_content() ? 1 : 0; }
  int events = 0;
};

TEST(AllocationTest, AnOpenAiDecoderAllocatesNothingPerChunk) {
  EventCounter counter;
  const auto decoder = OpenAiFormat().NewDecoder(AnswerOptions());
  const std::string plain = ChunkOf("token ");
  const std::string escaped = ChunkOf(R"(\"a\" \u00e4\n)");
  const auto feed = [&] {
    decoder->Feed(plain, counter);
    decoder->Feed(escaped, counter);
    decoder->Feed(std::string_view(plain).substr(0, 100), counter);
    decoder->Feed(std::string_view(plain).substr(100), counter);
  };
  feed();
  const uint64_t before = AllocationsOfThisThread();
  for (int i = 0; i < 100; ++i) feed();
  EXPECT_EQ(AllocationsOfThisThread() - before, 0u);
  EXPECT_EQ(counter.events, 3 * 101);
}

TEST(AllocationTest, AnOpenStreamsDecoderHoldsLittle) {
  constexpr int kStreams = 200;
  EventCounter counter;
  const std::string chunk = ChunkOf("token ");
  std::vector<std::unique_ptr<ResponseDecoder>> decoders(kStreams + 1);
  const auto open = [&](std::unique_ptr<ResponseDecoder>& decoder) {
    decoder = OpenAiFormat().NewDecoder(AnswerOptions());
    for (int i = 0; i < 3; ++i) decoder->Feed(chunk, counter);
  };
  open(decoders[kStreams]);  // what the thread's decoders share
  const int64_t before = BytesHeldByThisThread();
  for (int i = 0; i < kStreams; ++i) open(decoders[i]);
  EXPECT_LT((BytesHeldByThisThread() - before) / kStreams, 1200);
}

// An upstream whose one exchange is fed by hand.
class HandFedTransport : public HttpTransport {
 public:
  std::unique_ptr<HttpExchange> Start(HttpRequest, HttpExchangeObserver* heard) override {
    observer = heard;
    return std::make_unique<Silent>();
  }

  HttpExchangeObserver* observer = nullptr;

 private:
  class Silent : public HttpExchange {
   public:
    bool sent_at_start() const override { return true; }
    void Pause() override {}
    void Resume() override {}
  };
};

class Head : public HttpHead {
 public:
  int status() const override { return 200; }
  std::string_view header(std::string_view name) const override {
    return name == "content-type" ? "text/event-stream" : "";
  }
};

class CountingSink : public StreamSink {
 public:
  void Started(std::string_view, std::string_view) override {}
  void Write(const StreamEvent&) override { ++events; }
  size_t pending_bytes() const override { return 0; }
  bool shows_content() const override { return true; }
  void Discard() override {}
  void Restart() override {}
  void Finish(const CallRecord&) override {}
  int events = 0;
};

// A call on a route of one OpenAI upstream.
class OpenStream {
 public:
  OpenStream(CallHarness& harness, const std::shared_ptr<const RouteConfig>& route)
      : context_{harness.loop, transport_, harness.random, observer_} {
    CallParams params;
    params.info.streaming = true;
    params.info.route = route->name;
    params.route = route;
    params.request = NewChatCallRequest(harness.request);
    call_ = NewCall(context_, std::move(params), sink_);
    call_->Start();
    transport_.observer->OnHead(Head());
  }

  void Take(const std::string& chunk) { transport_.observer->OnBody(chunk); }
  int events() const { return sink_.events; }

 private:
  HandFedTransport transport_;
  CallObserver observer_;
  CountingSink sink_;
  EngineContext context_;
  std::unique_ptr<Call> call_;
};

class StreamAllocationTest : public testing::Test {
 protected:
  StreamAllocationTest() {
    h_.Add("a/1");
    h_.upstream("a").format = &OpenAiFormat();
    h_.request.set_model("m");
    v1::Message* message = h_.request.add_messages();
    message->set_role(v1::ROLE_USER);
    message->set_text(std::string(1000, 'p'));
    h_.PutInForce();
    route_ = std::make_shared<const RouteConfig>(h_.route);
  }

  CallHarness h_;
  std::shared_ptr<const RouteConfig> route_;
  const std::string chunk_ = ChunkOf("token ");
};

TEST_F(StreamAllocationTest, ACallAllocatesNothingPerChunk) {
  OpenStream stream(h_, route_);
  for (int i = 0; i < 3; ++i) stream.Take(chunk_);
  const uint64_t before = AllocationsOfThisThread();
  for (int i = 0; i < 1000; ++i) stream.Take(chunk_);
  EXPECT_EQ(AllocationsOfThisThread() - before, 0u);
  EXPECT_EQ(stream.events(), 1003);
}

// All of the engine's and the codec's, with the fakes of this test; the prompt
// is gone.
TEST_F(StreamAllocationTest, AnOpenCallHoldsLittle) {
  constexpr int kStreams = 200;
  std::vector<std::unique_ptr<OpenStream>> streams(kStreams + 1);
  const auto open = [&](std::unique_ptr<OpenStream>& stream) {
    stream = std::make_unique<OpenStream>(h_, route_);
    for (int i = 0; i < 3; ++i) stream->Take(chunk_);
  };
  open(streams[kStreams]);
  const int64_t before = BytesHeldByThisThread();
  for (int i = 0; i < kStreams; ++i) open(streams[i]);
  const int64_t each = (BytesHeldByThisThread() - before) / kStreams;
  RecordProperty("bytes", static_cast<int>(each));
  EXPECT_LT(each, 5500);
}

}  // namespace
}  // namespace sluice
