// Who reads callers' sockets: when a loop takes over and when it gives back, and
// that each tag runs once, one at a time, whoever polls.
#include "server/service/caller_poll.h"

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <thread>

#include "server/service/notifier.h"

namespace sluice {
namespace {

const TimePoint kStart = absl::UnixEpoch() + absl::Hours(1);
constexpr Duration kWindow = absl::Milliseconds(10);

// `rate` messages a second, one each time, for `time`; what the last said.
bool Feed(BusyWindow& window, TimePoint& now, double rate, Duration time) {
  const TimePoint end = now + time;
  bool busy = false;
  while (now < end) {
    now += absl::Seconds(1 / rate);
    busy = window.Add(now, 1);
  }
  return busy;
}

TEST(BusyWindowTest, IsBusyFromTheRateOn) {
  BusyWindow window(5000, kWindow);
  TimePoint now = kStart;
  EXPECT_FALSE(Feed(window, now, 4000, absl::Seconds(1)));
  EXPECT_TRUE(Feed(window, now, 6000, absl::Milliseconds(25)));
}

TEST(BusyWindowTest, StaysBusyUntilTheRateHasHalved) {
  BusyWindow window(5000, kWindow);
  TimePoint now = kStart;
  EXPECT_TRUE(Feed(window, now, 6000, absl::Milliseconds(25)));
  EXPECT_TRUE(Feed(window, now, 3000, absl::Seconds(1)));
  EXPECT_FALSE(Feed(window, now, 2000, absl::Seconds(1)));
  EXPECT_FALSE(Feed(window, now, 3000, absl::Seconds(1)));
}

TEST(BusyWindowTest, OneLargeTurnAfterALongSleepIsNoLoad) {
  BusyWindow window(5000, kWindow);
  EXPECT_FALSE(window.Add(kStart, 1));
  EXPECT_FALSE(window.Add(kStart + absl::Seconds(1), 300));
}

TEST(BusyWindowTest, ARestLastsAWindowWhateverComes) {
  BusyWindow window(5000, kWindow);
  TimePoint now = kStart;
  EXPECT_TRUE(Feed(window, now, 6000, absl::Milliseconds(25)));
  window.Rest(now);
  EXPECT_FALSE(Feed(window, now, 50000, kWindow / 2));
  EXPECT_TRUE(Feed(window, now, 50000, kWindow));
}

TEST(BusyWindowTest, NothingForAWindowIsIdle) {
  BusyWindow window(5000, kWindow);
  TimePoint now = kStart;
  EXPECT_TRUE(Feed(window, now, 6000, absl::Milliseconds(25)));
  EXPECT_FALSE(window.Add(now + 2 * kWindow, 0));
}

// A notifier with a queue that no server uses; alarms stand for gRPC's news.
class NotifierTest : public testing::Test {
 protected:
  struct Counted : CompletionTag {
    explicit Counted(NotifierTest& test) : test(test) {}
    void Complete(bool) override {
      if (test.inside.exchange(true)) ++test.overlaps;
      by_thread = std::this_thread::get_id();
      ++runs;
      ++test.completed;
      test.inside = false;
    }
    NotifierTest& test;
    std::atomic<int> runs{0};
    std::thread::id by_thread;
    grpc::Alarm alarm;
  };

  NotifierTest() {
    grpc::ServerBuilder builder;
    auto queue = builder.AddCompletionQueue(true);
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    server_ = builder.BuildAndStart();
    notifier_ = std::make_unique<Notifier>(0, std::move(queue));
  }
  void TearDown() override {
    notifier_->TakeOver();
    server_->Shutdown();
    notifier_->Close();
    EXPECT_EQ(overlaps, 0);
  }

  Counted& Send() {
    tags_.emplace_back(*this);
    tags_.back().alarm.Set(notifier_->queue(), gpr_inf_past(GPR_CLOCK_MONOTONIC), &tags_.back());
    return tags_.back();
  }
  template <typename F>
  static bool Eventually(F condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }
  bool Aside() {
    return Eventually([this] { return notifier_->StandAside(); });
  }

 public:
  std::atomic<bool> inside{false};
  std::atomic<int> overlaps{0};
  std::atomic<int> completed{0};

 protected:
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Notifier> notifier_;
  std::deque<Counted> tags_;
};

TEST_F(NotifierTest, ItsThreadRunsWhatComes) {
  Counted& tag = Send();
  ASSERT_TRUE(Eventually([&] { return completed == 1; }));
  EXPECT_NE(tag.by_thread, std::this_thread::get_id());
}

TEST_F(NotifierTest, AsideItsThreadLeavesTheQueueToWhoAsked) {
  ASSERT_TRUE(Aside());
  Counted& tag = Send();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(completed, 0);
  ASSERT_TRUE(Eventually([&] {
    notifier_->Poll(1);
    return completed == 1;
  }));
  EXPECT_EQ(tag.by_thread, std::this_thread::get_id());
}

TEST_F(NotifierTest, AfterTakeOverItsThreadRunsWhatWasLeft) {
  ASSERT_TRUE(Aside());
  Counted& tag = Send();
  notifier_->TakeOver();
  ASSERT_TRUE(Eventually([&] { return completed == 1; }));
  EXPECT_NE(tag.by_thread, std::this_thread::get_id());
}

TEST_F(NotifierTest, TakeOverBeforeItStoodAsideLeavesItWhereItWas) {
  for (int i = 0; i < 100; ++i) {
    notifier_->StandAside();
    notifier_->TakeOver();
  }
  Send();
  EXPECT_TRUE(Eventually([&] { return completed == 1; }));
}

TEST_F(NotifierTest, EveryTagRunsOnceHoweverOftenTheyChangePlaces) {
  constexpr int kTags = 3000;
  for (int i = 0; i < kTags; ++i) {
    Send();
    switch (i % 5) {
      case 0: notifier_->StandAside(); break;
      case 1: if (notifier_->StandAside()) notifier_->Poll(3); break;
      case 2: ASSERT_TRUE(Aside()); notifier_->Poll(2); break;
      case 3: notifier_->TakeOver(); break;
      case 4: notifier_->TakeOver(); if (notifier_->StandAside()) notifier_->Poll(1); break;
    }
  }
  notifier_->TakeOver();
  EXPECT_TRUE(Eventually([&] { return completed == kTags; }));
  for (const Counted& tag : tags_) EXPECT_EQ(tag.runs, 1);
}

}  // namespace
}  // namespace sluice
