#include "server/resilience/priority_load.h"

#include <algorithm>

namespace sluice {
namespace {

// Envoy's overprovisioning factor: below 1/1.4 = 72 % a priority spills over.
constexpr uint64_t kOverprovision = 140;

// What it can take of the whole load, in percent.
uint64_t Capacity(const PriorityHealth& priority) {
  if (priority.total == 0) return 0;
  return std::min<uint64_t>(100, kOverprovision * priority.available / priority.total);
}

bool BelowThreshold(const PriorityHealth& priority, double panic_percent) {
  const double healthy = priority.total == 0 ? 0 : 100.0 * priority.healthy / priority.total;
  return healthy < panic_percent;
}

// 100 in proportion to the shares, in whole numbers: what rounding leaves goes
// to the largest fractions, the earlier one first.
void Apportion(absl::Span<const uint64_t> shares, absl::InlinedVector<int, 4>& percent) {
  uint64_t sum = 0;
  for (const uint64_t share : shares) sum += share;
  if (sum == 0) return;
  int left = 100;
  absl::InlinedVector<uint64_t, 4> fractions;
  for (size_t i = 0; i < shares.size(); ++i) {
    percent[i] = static_cast<int>(100 * shares[i] / sum);
    fractions.push_back(100 * shares[i] % sum);
    left -= percent[i];
  }
  for (; left > 0; --left) {
    const auto largest = std::max_element(fractions.begin(), fractions.end());
    ++percent[largest - fractions.begin()];
    *largest = 0;
  }
}

}  // namespace

PriorityLoad SpreadLoad(absl::Span<const PriorityHealth> priorities, double panic_percent) {
  PriorityLoad load;
  load.percent.assign(priorities.size(), 0);
  load.panic.assign(priorities.size(), false);
  uint64_t taken = 0;  // of the first 100
  absl::InlinedVector<uint64_t, 4> shares;
  for (const PriorityHealth& priority : priorities) {
    shares.push_back(std::min(Capacity(priority), 100 - taken));
    taken += shares.back();
  }
  bool all_panic = !priorities.empty() && taken < 100;
  for (size_t i = 0; i < priorities.size(); ++i) {
    load.panic[i] = taken < 100 && BelowThreshold(priorities[i], panic_percent);
    all_panic = all_panic && load.panic[i];
  }
  if (all_panic) {
    for (size_t i = 0; i < priorities.size(); ++i) shares[i] = priorities[i].total;
  }
  Apportion(shares, load.percent);
  return load;
}

size_t PickPriority(const PriorityLoad& load, absl::Span<const bool> skip, double at) {
  int sum = 0;
  size_t first = load.percent.size();
  for (size_t i = load.percent.size(); i-- > 0;) {
    if (skip[i]) continue;
    sum += load.percent[i];
    first = i;
  }
  double left = at * sum;
  for (size_t i = first; i < load.percent.size(); ++i) {
    if (skip[i]) continue;
    if (left < load.percent[i]) return i;
    left -= load.percent[i];
  }
  return first;
}

}  // namespace sluice
