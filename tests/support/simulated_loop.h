// A loop that owns time: timers run in the order of (time, sequence), and time
// moves only when nothing is left to do now. One thread; nothing sleeps.
#ifndef SLUICE_TESTS_SUPPORT_SIMULATED_LOOP_H_
#define SLUICE_TESTS_SUPPORT_SIMULATED_LOOP_H_

#include <cstddef>
#include <map>
#include <unordered_map>
#include <utility>

#include "server/runtime/loop.h"

namespace sluice {

class SimulatedLoop : public Loop {
 public:
  TimePoint Now() const override { return now_; }
  absl::Time WallNow() const override { return wall_start_ + (now_ - start_); }
  TimerId StartTimer(TimePoint when, Callback callback) override;
  void CancelTimer(TimerId id) override;
  void Post(Callback callback) override { StartTimer(now_, std::move(callback)); }

  // Runs the next timer, moving time to it; false if there is none.
  bool RunOne();
  // Runs until no timer is left; returns how many ran. Stops after `max_steps`
  // (a timer that always sets another would never end).
  size_t RunUntilIdle(size_t max_steps = 1'000'000);
  // Runs what is due within `duration`; time is then exactly that much later.
  void RunFor(Duration duration);
  // Time passes, and nothing runs: what was due then is late.
  void StandStill(Duration duration) { now_ += duration; }

  size_t timers() const { return queue_.size(); }
  // When the next timer runs; InfiniteFuture if there is none.
  TimePoint next() const { return queue_.empty() ? absl::InfiniteFuture() : queue_.begin()->first.first; }

 private:
  using Key = std::pair<TimePoint, TimerId>;

  const TimePoint start_ = absl::UnixEpoch() + absl::Hours(1);
  const absl::Time wall_start_ = absl::FromUnixSeconds(1'767'225'600);  // 2026-01-01
  TimePoint now_ = start_;
  TimerId next_id_ = 1;
  std::map<Key, Callback> queue_;
  std::unordered_map<TimerId, TimePoint> times_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_SUPPORT_SIMULATED_LOOP_H_
