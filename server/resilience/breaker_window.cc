#include "server/resilience/breaker_window.h"

#include <algorithm>
#include <utility>

namespace sluice {
namespace {

// A result in a byte: the place of its failure's name, and what it was.
constexpr uint8_t kPlace = 0x0f;
constexpr uint8_t kFailed = 0x10;
constexpr uint8_t kSlow = 0x20;
constexpr uint8_t kAnswering = 0x40;
constexpr uint8_t kCut = 0x80;

uint8_t SlowBit(bool slow) { return slow ? kSlow : 0; }

}  // namespace

BreakerWindow BreakerWindow::OfTime(Duration window) { return BreakerWindow(Buckets(window)); }

BreakerWindow BreakerWindow::OfCount(uint32_t size) {
  return BreakerWindow(Ring{.size = std::max(1u, size), .added = 0, .results = {}, .sum = {}});
}

void CallCounts::Add(const CallCounts& other) {
  calls += other.calls;
  failures += other.failures;
  slow += other.slow;
  answering += other.answering;
  cut += other.cut;
}

void BreakerWindow::Tally::Add(const Tally& other) {
  counts.Add(other.counts);
  for (size_t i = 0; i < by_name.size(); ++i) by_name[i] += other.by_name[i];
}

void BreakerWindow::Ring::Count(uint8_t result, uint32_t sign) {
  sum.counts.calls += sign;
  if (result & kSlow) sum.counts.slow += sign;
  if (result & kAnswering) sum.counts.answering += sign;
  if (result & kCut) sum.counts.cut += sign;
  if (!(result & kFailed)) return;
  sum.counts.failures += sign;
  sum.by_name[result & kPlace] += sign;
}

int64_t BreakerWindow::Ring::Add(uint8_t result) {
  if (results.size() < size) {
    results.push_back(result);
    Count(result, 1);
    return added++;
  }
  Replace(added - size, result);
  return added++;
}

void BreakerWindow::Ring::Replace(int64_t number, uint8_t result) {
  Count(std::exchange(results[static_cast<size_t>(number % size)], result), static_cast<uint32_t>(-1));
  Count(result, 1);
}

void BreakerWindow::Add(bool failed, bool slow, std::string_view failure, TimePoint now) {
  const size_t place = failed ? PlaceOf(failure.substr(0, kMaxNameLength), now) : 0;
  if (Ring* ring = std::get_if<Ring>(&results_)) {
    ring->Add(static_cast<uint8_t>(place | (failed ? kFailed : 0) | SlowBit(slow)));
    return;
  }
  Tally& tally = std::get<Buckets>(results_).At(now);
  ++tally.counts.calls;
  if (slow) ++tally.counts.slow;
  if (!failed) return;
  ++tally.counts.failures;
  ++tally.by_name[place];
}

BreakerWindow::Mark BreakerWindow::AddAnswering(bool slow, TimePoint now) {
  if (Ring* ring = std::get_if<Ring>(&results_)) return {ring->Add(kAnswering | SlowBit(slow)), slow};
  Buckets& buckets = std::get<Buckets>(results_);
  CallCounts& counts = buckets.At(now).counts;
  ++counts.calls;
  ++counts.answering;
  if (slow) ++counts.slow;
  return {buckets.newest(), slow};
}

void BreakerWindow::AnswerEnded(const Mark& mark) {
  if (Ring* ring = std::get_if<Ring>(&results_)) {
    if (ring->Has(mark.place)) ring->Replace(mark.place, SlowBit(mark.slow));
  } else if (Tally* tally = std::get<Buckets>(results_).Find(mark.place)) {
    --tally->counts.answering;
  }
}

// A last call stays where it is among them; in time, a cut is of its own moment.
void BreakerWindow::AnswerCut(const Mark& mark, std::string_view failure, TimePoint now) {
  const size_t name = PlaceOf(failure.substr(0, kMaxNameLength), now);
  if (Ring* ring = std::get_if<Ring>(&results_)) {
    const auto result = static_cast<uint8_t>(name | kFailed | kCut | SlowBit(mark.slow));
    if (ring->Has(mark.place)) return ring->Replace(mark.place, result);
    ring->Add(result);
    return;
  }
  Buckets& buckets = std::get<Buckets>(results_);
  Tally cut;
  cut.counts = {.calls = 1, .failures = 1, .slow = mark.slow ? 1u : 0u, .answering = 0, .cut = 1};
  cut.by_name[name] = 1;
  if (Tally* began = buckets.Find(mark.place)) {
    --began->counts.calls;
    --began->counts.answering;
    if (mark.slow) --began->counts.slow;
  }
  buckets.At(now).Add(cut);
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

// Asked for at every call, the names are not.
CallCounts BreakerWindow::Counts(TimePoint now) const {
  if (const Ring* ring = std::get_if<Ring>(&results_)) return ring->sum.counts;
  CallCounts counts;
  std::get<Buckets>(results_).ForEach(now, [&counts](const Tally& tally) { counts.Add(tally.counts); });
  return counts;
}

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
    *ring = Ring{.size = ring->size, .added = 0, .results = {}, .sum = {}};
  } else {
    std::get<Buckets>(results_).Clear();
  }
}

}  // namespace sluice
