// Row D7 over several loops: what one data plane holds to one endpoint, however
// many loops it has.
#include "server/upstream/shared_pool.h"

#include <atomic>
#include <future>
#include <random>
#include <thread>

#include "gmock/gmock.h"
#include "tests/upstream/transport_harness.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kHang[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

// A loop with its thread and transport.
class Room {
 public:
  explicit Room(std::shared_ptr<PoolRegistry> registry)
      : transport_(std::make_unique<PooledHttpTransport>(loop_, TransportOptions(), std::move(registry))),
        thread_([this] { loop_.Run(); }) {}
  ~Room() {
    loop_.Stop();
    thread_.join();
  }

  // Runs on the loop; waits for the end of that turn.
  void Do(std::function<void()> action) {
    std::promise<void> done;
    loop_.Post([&] {
      action();
      done.set_value();
    });
    done.get_future().wait();
  }
  // On the loop thread, or through Do.
  Call* Begin(const HttpRequest& request) {
    calls_.push_back(std::make_unique<Call>());
    Call* call = calls_.back().get();
    call->Start(*transport_, request);
    return call;
  }
  Call* Start(const HttpRequest& request) {
    Call* call = nullptr;
    Do([&] { call = Begin(request); });
    return call;
  }
  void Drop(Call* call) {
    Do([&] { call->exchange.reset(); });
  }
  bool Holds(std::function<bool()> condition) {
    bool holds = false;
    Do([&] { holds = condition(); });
    return holds;
  }
  bool Becomes(std::function<bool()> condition) {
    return ScriptedServer::Eventually([&] { return Holds(condition); });
  }
  void Adopt(const HttpEndpoint& endpoint) {
    Do([&] { transport_->Adopt(endpoint); });
  }
  void EndCalls() {
    Do([&] {
      for (auto& call : calls_) call->exchange.reset();
    });
  }
  PoolStats Stats() {
    const std::vector<PoolStats> all = transport_->Stats();
    return all.empty() ? PoolStats() : all[0];
  }

 private:
  EpollLoop loop_;
  std::unique_ptr<PooledHttpTransport> transport_;
  std::vector<std::unique_ptr<Call>> calls_;
  std::thread thread_;
};

class SharedPoolTest : public ::testing::Test {
 protected:
  void Open(int rooms) {
    for (int i = 0; i < rooms; ++i) rooms_.push_back(std::make_unique<Room>(registry_));
  }
  void Serve(Script script) {
    server_ = std::make_unique<ScriptedServer>(std::move(script));
    endpoint_->host = "127.0.0.1";
    endpoint_->port = server_->port();
  }
  HttpRequest Request() const {
    HttpRequest request;
    request.endpoint = std::make_shared<HttpEndpoint>(*endpoint_);
    request.path = "/chat/completions";
    request.body = std::make_shared<const std::string>("{}");
    return request;
  }
  // Runs a call to its end.
  Call* Run(Room& room) {
    Call* call = room.Start(Request());
    EXPECT_TRUE(room.Becomes([&] { return call->heard.done; }));
    return call;
  }
  // At the same time: over two connections.
  void RunTwo(Room& room) {
    Call *one = nullptr, *other = nullptr;
    room.Do([&] {
      one = room.Begin(Request());
      other = room.Begin(Request());
    });
    EXPECT_TRUE(room.Becomes([&] { return one->heard.done && other->heard.done; }));
  }
  std::shared_ptr<SharedPool> Shared() { return registry_->Find(endpoint_->PoolKey()); }
  uint64_t Sum(uint64_t PoolStats::*figure) {
    uint64_t sum = 0;
    for (auto& room : rooms_) sum += room->Stats().*figure;
    return sum;
  }

  std::unique_ptr<ScriptedServer> server_;
  std::shared_ptr<HttpEndpoint> endpoint_ = std::make_shared<HttpEndpoint>();
  std::shared_ptr<PoolRegistry> registry_ = std::make_shared<PoolRegistry>();
  std::vector<std::unique_ptr<Room>> rooms_;
};

TEST_F(SharedPoolTest, RowD7MaxOpenHoldsForAllLoopsTogether) {
  Serve({Respond(kHang), AwaitClose()});
  Open(3);
  endpoint_->pool.max_open = 4;
  std::vector<std::pair<Room*, Call*>> calls;
  for (int i = 0; i < 9; ++i) {
    Room* room = rooms_[i % 3].get();
    calls.emplace_back(room, room->Start(Request()));
  }
  int refused = 0;
  for (auto& [room, call] : calls) {
    ASSERT_TRUE(room->Becomes([call = call] { return call->heard.done || call->heard.events.size() == 2; }));
    if (!call->heard.done) continue;
    ++refused;
    EXPECT_EQ(call->heard.failure, HttpFailure::kPoolFull);
    EXPECT_THAT(call->heard.message, HasSubstr("all 4 connections"));
  }
  EXPECT_EQ(refused, 5);
  EXPECT_EQ(server_->connections(), 4);
  EXPECT_EQ(Sum(&PoolStats::open), 4u);
  EXPECT_EQ(Sum(&PoolStats::refused), 5u);
  // A place that one loop leaves is another's.
  rooms_[0]->EndCalls();
  Call* next = rooms_[2]->Start(Request());
  EXPECT_TRUE(rooms_[2]->Becomes([&] { return next->heard.events.size() == 2; }));
}

TEST_F(SharedPoolTest, RowD7MaxIdleHoldsForAllLoopsTogether) {
  Serve({RespondForever(kOk)});
  Open(3);
  endpoint_->pool.max_idle = 2;
  for (auto& room : rooms_) {
    RunTwo(*room);
    EXPECT_LE(Shared()->idle(), 2u);
  }
  EXPECT_EQ(Sum(&PoolStats::idle), 2u);
  EXPECT_EQ(Sum(&PoolStats::open), 2u);
  EXPECT_EQ(Shared()->open(), 2u);
}

TEST_F(SharedPoolTest, ALoopUsesItsOwnIdleConnectionWhenAllAreOpen) {
  Serve({RespondForever(kOk)});
  Open(2);
  endpoint_->pool.max_open = 2;
  Run(*rooms_[0]);
  Run(*rooms_[1]);
  EXPECT_THAT(Run(*rooms_[0])->heard.events, ElementsAre("reused", "head 200", "body", "end"));
  EXPECT_THAT(Run(*rooms_[1])->heard.events, ElementsAre("reused", "head 200", "body", "end"));
  EXPECT_EQ(server_->connections(), 2);
}

TEST_F(SharedPoolTest, AnotherLoopsIdleConnectionMakesWayForACall) {
  Serve({RespondForever(kOk)});
  Open(3);
  endpoint_->pool.max_open = 1;
  for (int round = 0; round < 30; ++round) {
    EXPECT_THAT(Run(*rooms_[round % 3])->heard.events, ElementsAre("connected", "head 200", "body", "end"));
    EXPECT_EQ(Shared()->open(), 1u);
  }
  EXPECT_EQ(server_->connections(), 30);
  EXPECT_EQ(Sum(&PoolStats::open), 1u);
  EXPECT_EQ(Sum(&PoolStats::refused), 0u);
}

TEST_F(SharedPoolTest, WhatAnotherLoopUsesByThenIsNotTakenFromIt) {
  Serve({RespondForever(kOk)});
  Open(2);
  endpoint_->pool.max_open = 1;
  Run(*rooms_[0]);
  Call *mine = nullptr, *theirs = nullptr;
  rooms_[0]->Do([&] {
    theirs = rooms_[1]->Start(Request());  // asks for what is used now
    mine = rooms_[0]->Begin(Request());
  });
  ASSERT_TRUE(rooms_[0]->Becomes([&] { return mine->heard.done; }));
  EXPECT_THAT(mine->heard.events, ElementsAre("reused", "head 200", "body", "end"));
  // It was told no, or asked again when the answer was there.
  ASSERT_TRUE(rooms_[1]->Becomes([&] { return theirs->heard.done; }));
  if (!theirs->heard.ended()) {
    EXPECT_EQ(theirs->heard.failure, HttpFailure::kPoolFull);
  }
  EXPECT_LE(Shared()->open(), 1u);
}

TEST_F(SharedPoolTest, AllBusyIsToldAtOnceThoughOneWasIdleWhenAsked) {
  Serve(std::vector<ScriptStep>{Respond(kOk), Respond(kHang), AwaitClose()});
  Open(2);
  endpoint_->pool.max_open = 1;
  Run(*rooms_[0]);
  Call *mine = nullptr, *theirs = nullptr;
  rooms_[0]->Do([&] {
    theirs = rooms_[1]->Start(Request());
    mine = rooms_[0]->Begin(Request());
  });
  ASSERT_TRUE(rooms_[1]->Becomes([&] { return theirs->heard.done; }));
  EXPECT_EQ(theirs->heard.failure, HttpFailure::kPoolFull);
  EXPECT_EQ(rooms_[1]->Stats().refused, 1u);
  EXPECT_EQ(server_->connections(), 1);
}

TEST_F(SharedPoolTest, ThePlaceGoesBackWhenTheCallThatAskedIsGone) {
  Serve({RespondForever(kOk)});
  Open(2);
  endpoint_->pool.max_open = 1;
  Run(*rooms_[0]);
  rooms_[0]->Do([&] {
    Call* call = rooms_[1]->Start(Request());
    rooms_[1]->Drop(call);
  });
  EXPECT_TRUE(ScriptedServer::Eventually([&] { return Shared()->open() == 0; }));
  EXPECT_EQ(Run(*rooms_[1])->heard.events[0], "connected");
}

TEST_F(SharedPoolTest, ThePlaceGoesBackWhenTheLoopThatAskedIsGone) {
  Serve({RespondForever(kOk)});
  Open(2);
  endpoint_->pool.max_open = 1;
  Run(*rooms_[0]);
  rooms_[0]->Do([&] {
    rooms_[1]->Start(Request());
    rooms_.pop_back();
  });
  EXPECT_TRUE(ScriptedServer::Eventually([&] { return Shared()->open() == 0; }));
}

TEST_F(SharedPoolTest, ALoopThatGoesLeavesItsPlaces) {
  Serve({Respond(kHang), AwaitClose()});
  Open(2);
  endpoint_->pool.max_open = 2;
  Call* first = rooms_[1]->Start(Request());
  Call* second = rooms_[1]->Start(Request());
  ASSERT_TRUE(rooms_[1]->Becomes([&] { return first->heard.events.size() + second->heard.events.size() == 4; }));
  rooms_.pop_back();
  EXPECT_EQ(Shared()->open(), 0u);
  Call* third = rooms_[0]->Start(Request());
  EXPECT_TRUE(rooms_[0]->Becomes([&] { return third->heard.events.size() == 2; }));
}

TEST_F(SharedPoolTest, LowerLimitsCloseWhatIsIdleOnAnyLoop) {
  Serve({RespondForever(kOk)});
  Open(2);
  for (auto& room : rooms_) RunTwo(*room);
  EXPECT_EQ(Shared()->idle(), 4u);
  endpoint_->pool.max_open = 1;
  for (auto& room : rooms_) room->Adopt(*endpoint_);
  EXPECT_EQ(Shared()->open(), 1u);
  endpoint_->pool.max_idle = 0;
  for (auto& room : rooms_) room->Adopt(*endpoint_);
  EXPECT_EQ(Shared()->open(), 0u);
  EXPECT_EQ(Sum(&PoolStats::open), 0u);
}

// Loops that compete for few places, calls that leave at any moment: never too
// many, and in the end no place is missing.
TEST_F(SharedPoolTest, NoPlaceIsLostOrTakenTwiceInAStorm) {
  Serve({RespondForever(kOk)});
  Open(4);
  endpoint_->pool.max_open = 3;
  endpoint_->pool.max_idle = 2;
  const auto shared = Shared();
  std::atomic<bool> running{true};
  std::atomic<size_t> most_open{0}, most_idle{0};
  std::thread watcher([&] {
    while (running) {
      most_open = std::max<size_t>(most_open, shared->open());
      most_idle = std::max<size_t>(most_idle, shared->idle());
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  });
  std::atomic<int> ended{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&, i] {
      std::mt19937 random(i);
      for (int n = 0; n < 250; ++n) {
        Call* call = rooms_[i]->Start(Request());
        if (random() % 3 == 0) {
          std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
          rooms_[i]->Drop(call);
          continue;
        }
        ASSERT_TRUE(rooms_[i]->Becomes([&] { return call->heard.done; })) << "a call hangs";
        if (call->heard.ended()) {
          ++ended;
        } else {
          ASSERT_EQ(call->heard.failure, HttpFailure::kPoolFull) << call->heard.message;
        }
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  running = false;
  watcher.join();
  EXPECT_LE(most_open, 3u);
  EXPECT_LE(most_idle, 2u);
  EXPECT_GT(ended, 100);
  // Answers to calls that left are still under way.
  EXPECT_TRUE(ScriptedServer::Eventually([&] { return shared->open() == Sum(&PoolStats::open); }));
  EXPECT_EQ(shared->idle(), Sum(&PoolStats::idle));
  rooms_.clear();
  EXPECT_EQ(shared->open(), 0u);
  EXPECT_EQ(shared->idle(), 0u);
}

TEST_F(SharedPoolTest, CountsOfEndpointsThatAreGoneAreForgotten) {
  Open(2);
  endpoint_->host = "127.0.0.1";
  for (int i = 0; i < 5; ++i) {
    endpoint_->port = UnusedPort();
    Run(*rooms_[0]);
    Run(*rooms_[1]);
  }
  EXPECT_GE(registry_->size(), 1u);
  EXPECT_LE(registry_->size(), 5u);
  rooms_.clear();
  EXPECT_EQ(registry_->size(), 0u);
}

TEST(SharedPoolCountTest, ManyThreadsNeverOpenMoreThanThereMayBe) {
  SharedPool pool;
  std::atomic<int> open{0}, idle{0};
  std::atomic<bool> wrong{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20000; ++i) {
        if (pool.Open(3) != SharedPool::Opening::kOpened) continue;
        if (++open > 3) wrong = true;
        if (pool.TryKeep(3, 2)) {
          if (++idle > 2) wrong = true;
          --idle;
          --open;
          pool.CloseIdle();
        } else {
          --open;
          pool.Close();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(wrong);
  EXPECT_EQ(pool.open(), 0u);
  EXPECT_EQ(pool.idle(), 0u);
}

}  // namespace
}  // namespace sluice
