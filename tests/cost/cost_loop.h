// A loop whose time its driver moves, with the timers of the production loop:
// what they cost is a part of what is counted. One thread.
#ifndef SLUICE_TESTS_COST_COST_LOOP_H_
#define SLUICE_TESTS_COST_COST_LOOP_H_

#include <utility>
#include <vector>

#include "server/runtime/loop.h"
#include "server/runtime/timer_heap.h"

namespace sluice::cost {

class CostLoop : public Loop {
 public:
  TimePoint Now() const override { return now_; }
  absl::Time WallNow() const override { return now_ + absl::Hours(24 * 365 * 56); }
  TimerId StartTimer(TimePoint when, Callback callback) override {
    return timers_.Add(absl::ToUnixNanos(when), std::move(callback));
  }
  void CancelTimer(TimerId id) override { timers_.Cancel(id); }
  void Post(Callback callback) override { posted_.push_back(std::move(callback)); }

  // Runs what was posted and what is due.
  void Turn() {
    while (!posted_.empty()) {
      running_.swap(posted_);
      for (Callback& callback : running_) callback();
      running_.clear();
    }
    while (!timers_.empty() && timers_.next_ns() <= absl::ToUnixNanos(now_)) {
      Callback callback = timers_.Pop();
      callback();
    }
  }
  // Time passes; then a turn.
  void Advance(Duration duration) {
    now_ += duration;
    Turn();
  }

 private:
  TimePoint now_ = absl::UnixEpoch() + absl::Hours(1);
  TimerHeap timers_;
  std::vector<Callback> posted_;
  std::vector<Callback> running_;
};

}  // namespace sluice::cost

#endif  // SLUICE_TESTS_COST_COST_LOOP_H_
