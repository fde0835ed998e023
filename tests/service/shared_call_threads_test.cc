// Callers of several loops join, read and leave a call at once. Real loops, no
// gRPC: this is what a thread sanitizer can look at.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/runtime/epoll_loop.h"
#include "server/service/idempotency_store.h"
#include "server/service/shared_reader.h"

namespace sluice {
namespace {

constexpr int kEvents = 200;

struct Counts {
  std::atomic<int> made{0};
  std::atomic<int> alive{0};
  std::atomic<int> whole{0};
  std::atomic<int> broken{0};
};

// One event a turn, then the end.
class TickingCall final : public Call {
 public:
  TickingCall(Loop& loop, StreamSink& sink, Counts& counts) : sink_(sink), loop_(loop), counts_(counts), timer_(loop) {
    ++counts_.made;
    ++counts_.alive;
  }
  ~TickingCall() override { --counts_.alive; }
  void Start() override {
    sink_.Started("a/one", "m");
    Tick();
  }
  void Cancel() override { End(CallOutcome::kFailed); }
  void Stop() override { Cancel(); }
  void SinkDrained() override {}

 private:
  void Tick() {
    if (sent_ == kEvents) return End(CallOutcome::kComplete);
    const std::string text = absl::StrCat(sent_++, " ");
    StreamEvent event;
    event.text = text;
    sink_.Write(event);
    timer_.Set(loop_.Now(), [this] { Tick(); });
  }
  void End(CallOutcome outcome) {
    if (std::exchange(over_, true)) return;
    timer_.Cancel();
    CallRecord record;
    record.outcome = outcome;
    sink_.Finish(record);
  }

  StreamSink& sink_;
  Loop& loop_;
  Counts& counts_;
  Timer timer_;
  int sent_ = 0;
  bool over_ = false;
};

// A caller on its loop, who leaves when told the end, or early.
class ThreadCaller final : public StreamSink {
 public:
  ThreadCaller(Loop& loop, IdempotencyStore& store, Counts& counts, int leave_after)
      : loop_(loop), store_(store), counts_(counts), leave_after_(leave_after) {}

  std::future<void> done() { return done_.get_future(); }

  void Begin() {
    reader_ = std::make_unique<SharedReader>(loop_, *this, SharedReader::Traits{"r", 1 << 20, absl::InfiniteFuture()});
    auto claim = store_.TryClaim("k", Fingerprint{}, reader_->place(), loop_.Now(), [this] {
      return std::make_shared<SharedCall>(loop_, store_, SharedCall::Traits{"k", "id", true, 1 << 20});
    });
    if (claim.call == nullptr) return Leave();
    std::function<void()> run;
    if (claim.verdict == IdempotencyStore::Verdict::kFirst) {
      run = [this, call = claim.call] {
        call->Run([this](CallParams, StreamSink& sink) { return std::make_unique<TickingCall>(loop_, sink, counts_); },
                  CallParams());
      };
    }
    reader_->Follow(claim.call, std::move(run));
    reader_->Start();
  }

  void Started(std::string_view, std::string_view) override {}
  void Write(const StreamEvent& event) override {
    if (event.text != absl::StrCat(read_++, " ")) ++counts_.broken;
    if (read_ == leave_after_) Leave();
  }
  size_t pending_bytes() const override { return 0; }
  bool shows_content() const override { return true; }
  void Discard() override {}
  void Restart() override {}
  void Finish(const CallRecord& record) override {
    if (!left_ && record.outcome == CallOutcome::kComplete && read_ == kEvents) ++counts_.whole;
    Leave();
  }

 private:
  // The reader must not be destroyed from within.
  void Leave() {
    if (std::exchange(left_, true)) return;
    loop_.Post([this] {
      reader_.reset();
      done_.set_value();
    });
  }

  Loop& loop_;
  IdempotencyStore& store_;
  Counts& counts_;
  int leave_after_;
  int read_ = 0;
  bool left_ = false;
  std::unique_ptr<SharedReader> reader_;
  std::promise<void> done_;
};

TEST(SharedCallThreadsTest, EveryoneWhoStaysIsToldAllInOrderAndNothingIsLeft) {
  Counts counts;
  IdempotencyLimits limits;
  limits.ttl = absl::Milliseconds(5);
  IdempotencyStore store(limits);
  std::vector<std::unique_ptr<EpollLoop>> loops;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    loops.push_back(std::make_unique<EpollLoop>());
    threads.emplace_back([loop = loops.back().get()] { loop->Run(); });
  }
  int stayed = 0;
  for (int round = 0; round < 100; ++round) {
    std::vector<std::unique_ptr<ThreadCaller>> callers;
    std::vector<std::future<void>> ends;
    for (int i = 0; i < 9; ++i) {
      // The first of them leaves early too, and the others must not feel it.
      const int leave_after = i % 3 == 0 ? 1 + (round * 7 + i) % kEvents : -1;
      stayed += leave_after < 0;
      EpollLoop& loop = *loops[static_cast<size_t>(i % 3)];
      callers.push_back(std::make_unique<ThreadCaller>(loop, store, counts, leave_after));
      ends.push_back(callers.back()->done());
      loop.Post([caller = callers.back().get()] { caller->Begin(); });
    }
    for (auto& end : ends) ASSERT_EQ(end.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  }
  for (int i = 0; i < 2; ++i) {
    for (auto& loop : loops) {
      std::promise<void> flushed;
      loop->Post([&] { flushed.set_value(); });
      flushed.get_future().wait();
    }
  }
  EXPECT_EQ(counts.broken, 0);
  EXPECT_EQ(counts.whole, stayed);
  EXPECT_EQ(counts.alive, 0);
  // How many meet is the threads' own affair.
  EXPECT_GT(store.figures(absl::InfiniteFuture()).joins, 0u);
  EXPECT_EQ(store.figures(absl::InfiniteFuture()).bytes, 0);
  for (auto& loop : loops) loop->Stop();
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace sluice
