#include "server/resilience/breaker_window.h"

#include <algorithm>
#include <utility>

namespace sluice {
namespace {

// A result in a byte: the place of its failure's name, and what it was.
constexpr uint8_t kPlace = 0x0f;
constexpr uint8_t kFailed = 0x10;
constexpr uint8_t kSlow = 0x20;

}  // namespace

BreakerWindow BreakerWindow::OfTime(Duration window) { return BreakerWindow(Buckets(window)); }

BreakerWindow BreakerWindow::OfCount(uint32_t size) {
  return BreakerWindow(Ring{.size = std::max(1u, size), .next = 0, .results = {}, .sum = {}});
}

void BreakerWindow::Tally::Add(const Tally& other) {
  counts.calls += other.counts.calls;
  counts.failures += other.counts.failures;
  counts.slow += other.counts.slow;
  for (size_t i = 0; i < by_name.size(); ++i) by_name[i] += other.by_name[i];
}

void BreakerWindow::Ring::Add(uint8_t result) {
  const auto count = [this](uint8_t entry, uint32_t sign) {
    sum.counts.calls += sign;
    if (entry & kSlow) sum.counts.slow += sign;
    if (!(entry & kFailed)) return;
    sum.counts.failures += sign;
    sum.by_name[entry & kPlace] += sign;
  };
  if (results.size() < size) {
    results.push_back(result);
  } else {
    count(std::exchange(results[next], result), static_cast<uint32_t>(-1));
    next = (next + 1) % size;
  }
  count(result, 1);
}

void BreakerWindow::Add(bool failed, bool slow, std::string_view failure, TimePoint now) {
  const size_t place = failed ? PlaceOf(failure.substr(0, kMaxNameLength), now) : 0;
  if (Ring* ring = std::get_if<Ring>(&results_)) {
    ring->Add(static_cast<uint8_t>(place | (failed ? kFailed : 0) | (slow ? kSlow : 0)));
    return;
  }
  Tally& tally = std::get<Buckets>(results_).At(now);
  ++tally.counts.calls;
  if (slow) ++tally.counts.slow;
  if (!failed) return;
  ++tally.counts.failures;
  ++tally.by_name[place];
}

size_t BreakerWindow::PlaceOf(std::string_view failure, TimePoint now) {
  const auto known = std::find(names_.begin(), names_.end(), failure);
  if (known != names_.end()) return known - names_.begin();
  if (names_.size() < kNames) {
    names_.emplace_back(failure);
    return names_.size() - 1;
  }
  const Tally sum = Sum(now);
  const auto unused = std::find(sum.by_name.begin(), sum.by_name.begin() + kNames, 0u);
  const size_t place = unused - sum.by_name.begin();
  if (place < kNames) names_[place] = failure;
  return place;  // kOther if all are in use
}

BreakerWindow::Tally BreakerWindow::Sum(TimePoint now) const {
  if (const Ring* ring = std::get_if<Ring>(&results_)) return ring->sum;
  Tally sum;
  std::get<Buckets>(results_).ForEach(now, [&sum](const Tally& tally) { sum.Add(tally); });
  return sum;
}

CallCounts BreakerWindow::Counts(TimePoint now) const { return Sum(now).counts; }

std::vector<FailureCount> BreakerWindow::Failures(TimePoint now) const {
  const Tally sum = Sum(now);
  std::vector<FailureCount> failures;
  for (size_t i = 0; i < sum.by_name.size(); ++i) {
    if (sum.by_name[i] > 0) failures.push_back({i == kOther ? "other" : names_[i], sum.by_name[i]});
  }
  std::stable_sort(failures.begin(), failures.end(),
                   [](const FailureCount& a, const FailureCount& b) { return a.count > b.count; });
  return failures;
}

void BreakerWindow::Clear() {
  names_.clear();
  if (Ring* ring = std::get_if<Ring>(&results_)) {
    *ring = Ring{.size = ring->size, .next = 0, .results = {}, .sum = {}};
  } else {
    std::get<Buckets>(results_).Clear();
  }
}

}  // namespace sluice
