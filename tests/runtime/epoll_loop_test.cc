// The loop: order, threads, sockets.
#include "server/runtime/epoll_loop.h"

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;

class Pair {
 public:
  Pair() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds_), 0); }
  ~Pair() {
    close(fds_[0]);
    if (fds_[1] >= 0) close(fds_[1]);
  }
  int ours() const { return fds_[0]; }
  int theirs() const { return fds_[1]; }
  void Say(char c) { EXPECT_EQ(write(fds_[1], &c, 1), 1); }
  void HangUp() { close(std::exchange(fds_[1], -1)); }

 private:
  int fds_[2];
};

class Handler : public FdHandler {
 public:
  explicit Handler(std::function<void(bool, bool)> react) : react_(std::move(react)) {}
  void OnReady(bool readable, bool writable) override { react_(readable, writable); }

 private:
  std::function<void(bool, bool)> react_;
};

TEST(EpollLoopTest, TimersRunInTheOrderTheyAreDue) {
  EpollLoop loop;
  std::vector<int> order;
  const TimePoint now = loop.Now();
  loop.StartTimer(now + absl::Milliseconds(6), [&] {
    order.push_back(3);
    loop.Stop();
  });
  loop.StartTimer(now + absl::Milliseconds(2), [&] { order.push_back(1); });
  loop.StartTimer(now + absl::Milliseconds(2), [&] { order.push_back(2); });
  const auto cancelled = loop.StartTimer(now + absl::Milliseconds(1), [&] { order.push_back(0); });
  loop.CancelTimer(cancelled);
  loop.Run();
  EXPECT_THAT(order, ElementsAre(1, 2, 3));
}

TEST(EpollLoopTest, NoTimerRunsBeforeItsTimeAndTheClockStandsStillInATurn) {
  EpollLoop loop;
  const TimePoint due = loop.Now() + absl::Milliseconds(5);
  loop.StartTimer(due, [&] {
    const TimePoint now = loop.Now();
    EXPECT_GE(now, due);
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    EXPECT_EQ(loop.Now(), now);
    loop.Stop();
  });
  loop.Run();
}

TEST(EpollLoopTest, ATimerThatIsDueAtOnceWaitsForTheNextTurn) {
  EpollLoop loop;
  int turns = 0, ran_in_turn = -1, started_in_turn = -1;
  loop.SetAfterTurn([&] {
    ++turns;
    return absl::InfiniteDuration();
  });
  loop.Post([&] {
    started_in_turn = turns;
    loop.StartTimer(loop.Now() - absl::Seconds(1), [&] {
      ran_in_turn = turns;
      loop.Stop();
    });
  });
  loop.Run();
  EXPECT_EQ(ran_in_turn, started_in_turn + 1);
}

TEST(EpollLoopTest, PostFromTheLoopWaitsForTheNextTurnAndWritesNoWakeUp) {
  EpollLoop loop;
  int turns = 0;
  std::vector<int> ran;
  loop.SetAfterTurn([&] {
    ++turns;
    return absl::InfiniteDuration();
  });
  loop.Post([&] {
    loop.Post([&] {
      ran.push_back(turns);
      loop.Post([&] {
        ran.push_back(turns);
        loop.Stop();
      });
    });
  });
  loop.Run();
  EXPECT_THAT(ran, ElementsAre(1, 2));
  EXPECT_EQ(loop.wake_ups(), 0u);
}

TEST(EpollLoopTest, PostsOfOtherThreadsKeepTheirOrderAndWakeItUp) {
  EpollLoop loop;
  constexpr int kThreads = 4, kPosts = 5000;
  std::vector<int> last(kThreads, -1);
  int heard = 0;
  std::thread runner([&] { loop.Run(); });
  std::vector<std::thread> posters;
  for (int t = 0; t < kThreads; ++t) {
    posters.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        loop.Post([&, t, i] {
          EXPECT_EQ(last[t], i - 1);
          last[t] = i;
          if (++heard == kThreads * kPosts) loop.Stop();
        });
      }
    });
  }
  for (std::thread& poster : posters) poster.join();
  runner.join();
  EXPECT_EQ(heard, kThreads * kPosts);
}

TEST(EpollLoopTest, OneWakeUpServesAllPostsToASleepingLoop) {
  EpollLoop loop;
  std::atomic<bool> sleeping{false};
  std::atomic<bool> posted{false};
  int ran = 0;
  loop.SetAfterTurn([&] {
    sleeping = true;
    return absl::InfiniteDuration();
  });
  std::thread runner([&] { loop.Run(); });
  while (!sleeping) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  // The first one keeps the loop awake until the rest are there.
  loop.Post([&] {
    while (!posted) std::this_thread::yield();
  });
  for (int i = 0; i < 100; ++i) loop.Post([&] { ++ran; });
  posted = true;
  loop.Post([&] { loop.Stop(); });
  runner.join();
  EXPECT_EQ(ran, 100);
  EXPECT_EQ(loop.wake_ups(), 1u);
}

TEST(EpollLoopTest, StopFromAnotherThreadEndsASleep) {
  EpollLoop loop;
  int turns = 0;
  loop.SetAfterTurn([&] {
    ++turns;
    return absl::InfiniteDuration();
  });
  std::thread runner([&] { loop.Run(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  loop.Stop();
  runner.join();
  const int before = turns;
  loop.Stop();
  loop.Run();  // returns: it was told before
  EXPECT_EQ(turns, before + 1);
}

TEST(EpollLoopTest, ReportsReadableWritableAndHangUp) {
  EpollLoop loop;
  Pair pair;
  std::vector<std::string> heard;
  Handler handler([&](bool readable, bool writable) {
    heard.push_back(std::string(readable ? "r" : "") + (writable ? "w" : ""));
    char c;
    if (readable && read(pair.ours(), &c, 1) == 0) return loop.Stop();
    if (heard.size() == 1) {
      loop.Watch(pair.ours(), true, false, &handler);
      pair.Say('x');
    } else {
      pair.HangUp();
    }
  });
  loop.Watch(pair.ours(), true, true, &handler);
  loop.Run();
  loop.Unwatch(pair.ours());
  EXPECT_THAT(heard, ElementsAre("w", "r", "rw"));
}

TEST(EpollLoopTest, AnUnwatchedDescriptorIsSilentInTheSameTurn) {
  EpollLoop loop;
  Pair first, second;
  int heard = 0;
  Handler handler([&](bool, bool) {
    ++heard;
    loop.Unwatch(first.ours());
    loop.Unwatch(second.ours());
    loop.StartTimer(loop.Now() + absl::Milliseconds(5), [&] { loop.Stop(); });
  });
  first.Say('x');
  second.Say('x');
  loop.Watch(first.ours(), true, false, &handler);
  loop.Watch(second.ours(), true, false, &handler);
  loop.Run();
  EXPECT_EQ(heard, 1);
}

TEST(EpollLoopTest, AnEventOfTheLastOwnerOfADescriptorIsNotTheNextOnes) {
  EpollLoop loop;
  Pair first, second;
  int later = 0;
  Handler next([&](bool, bool) { ++later; });
  int* hits = &later;
  bool swapped = false;
  Handler handler([&](bool, bool) {
    if (std::exchange(swapped, true)) return;
    // Both are ready; each is watched anew for what it is not ready for.
    for (int fd : {first.ours(), second.ours()}) {
      char c;
      EXPECT_EQ(read(fd, &c, 1), 1);
      loop.Unwatch(fd);
      loop.Watch(fd, true, false, &next);
    }
    loop.StartTimer(loop.Now() + absl::Milliseconds(5), [&] { loop.Stop(); });
  });
  first.Say('x');
  second.Say('x');
  loop.Watch(first.ours(), true, false, &handler);
  loop.Watch(second.ours(), true, false, &handler);
  loop.Run();
  EXPECT_EQ(*hits, 0);
}

TEST(EpollLoopTest, AfterTurnBoundsTheSleep) {
  EpollLoop loop;
  int turns = 0;
  loop.SetAfterTurn([&] {
    if (++turns == 5) loop.Stop();
    return absl::Milliseconds(1);
  });
  loop.Run();  // would sleep for ever
  EXPECT_EQ(turns, 5);
}

TEST(EpollLoopTest, CallbacksThatNeverRanAreDestroyedWithIt) {
  auto held = std::make_shared<int>(1);
  {
    EpollLoop loop;
    loop.Post([held] {});
    loop.StartTimer(absl::InfiniteFuture(), [held] {});
    EXPECT_EQ(held.use_count(), 3);
  }
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace sluice
