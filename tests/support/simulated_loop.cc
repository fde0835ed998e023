#include "tests/support/simulated_loop.h"

#include <algorithm>

namespace sluice {

Loop::TimerId SimulatedLoop::StartTimer(TimePoint when, Callback callback) {
  const TimerId id = next_id_++;
  // The past is now; the sequence keeps it behind what was asked for before.
  const TimePoint due = std::max(when, now_);
  queue_.emplace(Key{due, id}, std::move(callback));
  times_.emplace(id, due);
  return id;
}

void SimulatedLoop::CancelTimer(TimerId id) {
  const auto found = times_.find(id);
  if (found == times_.end()) return;
  queue_.erase(Key{found->second, id});
  times_.erase(found);
}

bool SimulatedLoop::RunOne() {
  if (queue_.empty()) return false;
  const auto first = queue_.begin();
  now_ = std::max(now_, first->first.first);
  times_.erase(first->first.second);
  Callback callback = std::move(first->second);
  queue_.erase(first);
  callback();
  return true;
}

size_t SimulatedLoop::RunUntilIdle(size_t max_steps) {
  size_t steps = 0;
  while (steps < max_steps && RunOne()) ++steps;
  return steps;
}

void SimulatedLoop::RunFor(Duration duration) {
  const TimePoint until = now_ + duration;
  while (!queue_.empty() && queue_.begin()->first.first <= until) RunOne();
  now_ = until;
}

}  // namespace sluice
