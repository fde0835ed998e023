// Sliding quantiles of durations: the p95 that a hedge waits for, the p99 of
// adaptive retry. Fed and asked by the engine under the lock of its owner. Pure.
#ifndef SLUICE_SERVER_RESILIENCE_LATENCY_QUANTILES_H_
#define SLUICE_SERVER_RESILIENCE_LATENCY_QUANTILES_H_

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "server/resilience/time.h"

namespace sluice {

// Counts in logarithmic cells, as DDSketch does (Masson, Rim, Lee 2019): a
// quantile is wrong by at most 5 % of itself, between kLeast and kMost; what is
// outside counts as the nearer of them. Time is cut into slices of a sixth of
// the window: a sample counts for between 5/6 of the window and the whole.
// Memory is fixed, about 4 KiB.
class LatencyQuantiles {
 public:
  static constexpr double kRelativeError = 0.05;
  static constexpr Duration kLeast = absl::Microseconds(100);
  static constexpr Duration kMost = absl::Hours(1);
  // With fewer samples there is no p95 to speak of: 20 is the first number of
  // samples whose p95 is not simply the slowest.
  static constexpr uint64_t kMinSamples = 20;

  explicit LatencyQuantiles(Duration window = absl::Seconds(60), uint64_t min_samples = kMinSamples);

  // One whose time is before the window's is not counted.
  void Add(Duration sample, TimePoint now);

  // One that is only known to be longer than this, for nobody waited for its end:
  // counted where it raises the quantile, or keeps it up. A short one would pull
  // down what it says nothing about.
  void AddAtLeast(Duration sample, double q, TimePoint now);

  // The smallest duration that a share q (0..1) of the window's samples does not
  // exceed (nearest rank); none below min_samples.
  std::optional<Duration> Quantile(double q, TimePoint now) const;
  // The quantile of the window's newer half ÷ that of its older half; none when
  // one of them has fewer than half of min_samples.
  std::optional<double> Growth(double q, TimePoint now) const;

  uint64_t Samples(TimePoint now) const;

 private:
  static constexpr int kSlices = 6;
  static constexpr int kCells = 175;  // kLeast · γ^174 > kMost, γ = 1.05 / 0.95
  using Cells = std::array<uint32_t, kCells>;
  struct Slice {
    int64_t number;  // of the stretch of time that it counts
    uint64_t total = 0;
    Cells cells{};
  };
  struct Sums {
    uint64_t total = 0;
    std::array<uint64_t, kCells> cells{};
  };

  int64_t NumberAt(TimePoint now) const;
  // Of the slices first..last, by number.
  Sums SumsOf(int64_t first, int64_t last) const;
  static Duration QuantileOf(const Sums& sums, double q);

  int64_t slice_ns_;
  uint64_t min_samples_;
  std::vector<Slice> slices_;  // a ring by number
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_LATENCY_QUANTILES_H_
