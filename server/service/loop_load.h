// How much a loop has to do, and which loop takes the next call.
//
// Calls are packed onto as few loops as have room for them. A loop that has much
// to do finds several events when it wakes, reads callers' sockets itself
// (CallerPoll), and shares no connection with another: two loops at half load
// cost a fifth more than one at full.
#ifndef SLUICE_SERVER_SERVICE_LOOP_LOAD_H_
#define SLUICE_SERVER_SERVICE_LOOP_LOAD_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "server/resilience/time.h"

namespace sluice {

class LoopLoad {
 public:
  // Loop thread, after each turn: it began and ended then, with so many calls
  // open.
  void TurnEnded(TimePoint began, TimePoint ended, int64_t open);
  // Loop thread: it has nothing to do until it is woken.
  void Rested();

  // Any thread: a call is on its way to the loop; it is there.
  void CallComing() { coming_.fetch_add(1, std::memory_order_relaxed); }
  void CallArrived() { coming_.fetch_sub(1, std::memory_order_relaxed); }

  // Any thread. 0: idle; 1: has no room. The largest of
  // - the share of time that it was awake, over the last 20 ms or more;
  // - a thousandth for each open call: 50 chunks a second at 20 µs. A call that
  //   is silent now will speak later, and cannot be moved then;
  // - an eighth for each call on its way: some 50 µs each until the next begins,
  //   and the awake time tells of a burst too late.
  double Load() const;

 private:
  static constexpr Duration kWindow = absl::Milliseconds(20);

  TimePoint window_began_ = absl::InfinitePast();
  Duration awake_;
  std::atomic<double> awake_share_{0};
  std::atomic<int64_t> open_{0};
  std::atomic<int64_t> coming_{0};
};

// Index of the loop that takes the next call. The first loops that would carry
// the load of all at 0.8 each, so that what runs there keeps some room to grow,
// take part; of these it is the one with least to do. Not empty.
size_t ChooseLoop(std::span<const double> loads);

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_LOOP_LOAD_H_
