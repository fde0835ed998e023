// Against a sorted map: the same timers in the same order.
#include "server/runtime/timer_heap.h"

#include <map>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace sluice {
namespace {

TEST(TimerHeapTest, AgreesWithASortedMap) {
  TimerHeap heap;
  std::multimap<int64_t, int> oracle;
  struct Entry {
    Loop::TimerId id;
    std::multimap<int64_t, int>::iterator in_oracle;
  };
  std::map<int, Entry> live;
  std::mt19937 random(7);
  int last_run = -1;
  for (int i = 0; i < 50'000; ++i) {
    switch (random() % 3) {
      case 0: {
        const int64_t when = random() % 1000;
        const auto id = heap.Add(when, [&last_run, i] { last_run = i; });
        ASSERT_NE(id, 0u);
        live[i] = {id, oracle.emplace(when, i)};
        break;
      }
      case 1: {
        if (live.empty()) break;
        auto victim = live.lower_bound(static_cast<int>(random() % (i + 1)));
        if (victim == live.end()) victim = live.begin();
        heap.Cancel(victim->second.id);
        heap.Cancel(victim->second.id);
        oracle.erase(victim->second.in_oracle);
        live.erase(victim);
        break;
      }
      default: {
        if (heap.empty()) break;
        ASSERT_EQ(heap.next_ns(), oracle.begin()->first);
        heap.Pop()();
        ASSERT_EQ(last_run, oracle.begin()->second);
        heap.Cancel(live[last_run].id);
        live.erase(last_run);
        oracle.erase(oracle.begin());
      }
    }
    ASSERT_EQ(heap.size(), oracle.size());
  }
}

TEST(TimerHeapTest, AnOldIdDoesNotCancelTheTimerThatTookItsPlace) {
  TimerHeap heap;
  const auto old = heap.Add(1, [] {});
  heap.Cancel(old);
  heap.Add(2, [] {});
  heap.Cancel(old);
  EXPECT_EQ(heap.size(), 1u);
  heap.Cancel(0);
  heap.Cancel(~Loop::TimerId{0});
  EXPECT_EQ(heap.size(), 1u);
}

TEST(TimerHeapTest, CancelMayDestroyWhatCancelsAnother) {
  TimerHeap heap;
  const auto second = heap.Add(2, [] {});
  struct CancelsWhenDestroyed {
    TimerHeap& heap;
    Loop::TimerId other;
    ~CancelsWhenDestroyed() { heap.Cancel(other); }
  };
  auto guard = std::make_shared<CancelsWhenDestroyed>(heap, second);
  const auto first = heap.Add(1, [guard] {});
  guard.reset();
  heap.Cancel(first);
  EXPECT_TRUE(heap.empty());
}

}  // namespace
}  // namespace sluice
