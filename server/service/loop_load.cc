#include "server/service/loop_load.h"

#include <algorithm>
#include <numeric>

namespace sluice {
namespace {

constexpr double kFull = 0.8;
constexpr double kOfOpenCall = 0.001;
constexpr double kOfComingCall = 0.125;

}  // namespace

void LoopLoad::TurnEnded(TimePoint began, TimePoint ended, int64_t open) {
  open_.store(open, std::memory_order_relaxed);
  awake_ += ended - began;
  const Duration elapsed = ended - window_began_;
  if (elapsed < kWindow) return;
  awake_share_.store(absl::FDivDuration(awake_, elapsed), std::memory_order_relaxed);
  window_began_ = ended;
  awake_ = absl::ZeroDuration();
}

void LoopLoad::Rested() {
  open_.store(0, std::memory_order_relaxed);
  awake_share_.store(0, std::memory_order_relaxed);
}

double LoopLoad::Load() const {
  const double open = kOfOpenCall * static_cast<double>(open_.load(std::memory_order_relaxed));
  const double coming = kOfComingCall * static_cast<double>(coming_.load(std::memory_order_relaxed));
  return std::max({awake_share_.load(std::memory_order_relaxed), open, coming});
}

size_t ChooseLoop(std::span<const double> loads) {
  const double all = std::accumulate(loads.begin(), loads.end(), 0.0);
  size_t part = 1;
  while (part < loads.size() && all >= kFull * static_cast<double>(part)) ++part;
  return static_cast<size_t>(std::min_element(loads.begin(), loads.begin() + part) - loads.begin());
}

}  // namespace sluice
