#include "server/resilience/latency_quantiles.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sluice {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::min();
constexpr double kGamma = (1 + LatencyQuantiles::kRelativeError) / (1 - LatencyQuantiles::kRelativeError);

size_t SlotOf(int64_t number, int slots) { return static_cast<size_t>((number % slots + slots) % slots); }

// Cell 0 ends at kLeast; cell i is (kLeast · γ^(i-1), kLeast · γ^i].
int CellOf(Duration sample) {
  const Duration inside = std::clamp(sample, LatencyQuantiles::kLeast, LatencyQuantiles::kMost);
  const double ratio = absl::FDivDuration(inside, LatencyQuantiles::kLeast);
  return static_cast<int>(std::ceil(std::log(ratio) / std::log(kGamma)));
}

// The value of a cell that is equally wrong, in proportion, at both of its ends.
Duration ValueOf(int cell) {
  if (cell == 0) return LatencyQuantiles::kLeast;
  return std::min(LatencyQuantiles::kMost, LatencyQuantiles::kLeast * (2 * std::pow(kGamma, cell) / (kGamma + 1)));
}

}  // namespace

LatencyQuantiles::LatencyQuantiles(Duration window, uint64_t min_samples)
    : slice_ns_(std::max<int64_t>(1, absl::ToInt64Nanoseconds(window) / kSlices)),
      min_samples_(std::max<uint64_t>(1, min_samples)),
      slices_(kSlices, Slice{.number = kNever}) {}

void LatencyQuantiles::Add(Duration sample, TimePoint now) {
  const int64_t number = NumberAt(now);
  Slice& slice = slices_[SlotOf(number, kSlices)];
  if (slice.number > number) return;
  if (slice.number < number) slice = Slice{.number = number};
  ++slice.total;
  ++slice.cells[CellOf(sample)];
}

void LatencyQuantiles::AddAtLeast(Duration sample, double q, TimePoint now) {
  const auto known = Quantile(q, now);
  if (known && sample >= *known) Add(sample, now);
}

std::optional<Duration> LatencyQuantiles::Quantile(double q, TimePoint now) const {
  const int64_t newest = NumberAt(now);
  const Sums sums = SumsOf(newest - kSlices + 1, newest);
  if (sums.total < min_samples_) return std::nullopt;
  return QuantileOf(sums, q);
}

std::optional<double> LatencyQuantiles::Growth(double q, TimePoint now) const {
  const int64_t newest = NumberAt(now);
  const Sums newer = SumsOf(newest - kSlices / 2 + 1, newest);
  const Sums older = SumsOf(newest - kSlices + 1, newest - kSlices / 2);
  const uint64_t enough = (min_samples_ + 1) / 2;
  if (newer.total < enough || older.total < enough) return std::nullopt;
  return absl::FDivDuration(QuantileOf(newer, q), QuantileOf(older, q));
}

uint64_t LatencyQuantiles::Samples(TimePoint now) const {
  const int64_t newest = NumberAt(now);
  return SumsOf(newest - kSlices + 1, newest).total;
}

int64_t LatencyQuantiles::NumberAt(TimePoint now) const {
  const int64_t ns = absl::ToUnixNanos(now);
  return ns / slice_ns_ - (ns % slice_ns_ < 0 ? 1 : 0);
}

LatencyQuantiles::Sums LatencyQuantiles::SumsOf(int64_t first, int64_t last) const {
  Sums sums;
  for (const Slice& slice : slices_) {
    if (slice.number == kNever || slice.number < first || slice.number > last) continue;
    sums.total += slice.total;
    for (int i = 0; i < kCells; ++i) sums.cells[i] += slice.cells[i];
  }
  return sums;
}

Duration LatencyQuantiles::QuantileOf(const Sums& sums, double q) {
  const double share = std::clamp(q, 0.0, 1.0) * static_cast<double>(sums.total);
  // 0.07 · 100 is a little more than 7 in doubles.
  uint64_t left = std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(share - 1e-9 * share)));
  for (int i = 0; i < kCells; ++i) {
    if (sums.cells[i] >= left) return ValueOf(i);
    left -= sums.cells[i];
  }
  return kMost;
}

}  // namespace sluice
