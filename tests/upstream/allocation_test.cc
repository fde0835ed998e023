// What passes through an exchange takes nothing from the heap, on the real loop
// and over a real socket.
#include "tests/support/allocation_count.h"

#include <gtest/gtest.h>

#include "tests/upstream/transport_harness.h"

namespace sluice {
namespace {

class ChunkWatch : public HttpExchangeObserver {
 public:
  void OnConnected(bool) override {}
  void OnHead(const HttpHead&) override {}
  void OnBody(std::string_view) override {
    ++pieces;
    if (pieces == kWarm) before_ = AllocationsOfThisThread();
    after_ = AllocationsOfThisThread();
  }
  void OnEnd() override { done = true; }
  void OnFailure(HttpFailure, std::string_view) override { done = true; }

  uint64_t allocations() const { return after_ - before_; }

  static constexpr int kWarm = 20;
  int pieces = 0;
  bool done = false;

 private:
  uint64_t before_ = 0, after_ = 0;
};

class AllocationTest : public TransportTest {};

TEST_F(AllocationTest, NothingPerChunkInSteadyState) {
  constexpr int kChunks = 400;
  Script script = {Respond("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")};
  // Each is a read of its own: the next is let go when it has arrived.
  for (int i = 0; i < kChunks; ++i) {
    script.push_back(Write("b\r\ndata: hello\r\n"));
    script.push_back(AwaitRelease());
  }
  script.push_back(Write("0\r\n\r\n"));
  ScriptedServer server(std::move(script));
  ChunkWatch watch;
  auto exchange = transport_->Start(Request(Endpoint(server.port())), &watch);
  int released = 0;
  ASSERT_TRUE(RunUntil([&] {
    while (released < watch.pieces) {
      server.Release();
      ++released;
    }
    return watch.done;
  }));
  EXPECT_EQ(watch.pieces, kChunks);
  EXPECT_EQ(watch.allocations(), 0u);
}

}  // namespace
}  // namespace sluice
