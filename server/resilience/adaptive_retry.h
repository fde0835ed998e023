// Fewer attempts while things go badly, and the sliding failure rate
// that it looks at. Called by the engine when a call begins to retry; the
// window is fed at every attempt's end, under the lock of its route. Pure.
#ifndef SLUICE_SERVER_RESILIENCE_ADAPTIVE_RETRY_H_
#define SLUICE_SERVER_RESILIENCE_ADAPTIVE_RETRY_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "server/resilience/time.h"

namespace sluice {

// As sluice.v1.AdaptiveRetry.
struct AdaptiveRetryConfig {
  Duration latency_above = absl::Milliseconds(500);
  double failure_percent_above = 50;
  Duration window = absl::Seconds(10);

  bool operator==(const AdaptiveRetryConfig&) const = default;
};

// Measured over the window; what could not be measured yet reduces nothing.
struct AdaptiveInputs {
  std::optional<Duration> ttft_p99 = std::nullopt;
  // p99 of the window's newer half ÷ that of its older half.
  std::optional<double> p99_growth = std::nullopt;
  double failure_rate = 0;  // 0..1
  double load = 0;          // in flight ÷ limit; 0 without a limit
};

// A p99 that grows so fast is about to pass the threshold; counted from half of
// the threshold on, because a doubling of almost nothing is noise.
inline constexpr double kFastGrowth = 2;
// At its limit an upstream has nothing to spare for repeats.
inline constexpr double kFullLoad = 1;

// How many attempts a call may make in place of `base` (>= 1):
// - 1 (no retry) while the failure rate is above failure_percent_above;
// - one fewer while the p99 is above latency_above, or on its way there: above
//   half of it and p99_growth >= kFastGrowth;
// - one fewer while load >= kFullLoad.
// Thresholds are passed, not met, but for load and growth. Never more than
// `base`, never fewer than 1.
int AdaptiveMaxAttempts(const AdaptiveRetryConfig& config, int base, const AdaptiveInputs& inputs);

// The failure rate of the last `window`, in buckets of a tenth of it: an outcome
// counts for between 9/10 of the window and the whole. Memory is fixed.
class OutcomeWindow {
 public:
  // With fewer outcomes in the window the rate is unknown: after a quiet night
  // the first failure must not read as 100 %.
  static constexpr uint64_t kMinOutcomes = 10;

  explicit OutcomeWindow(Duration window, uint64_t min_outcomes = kMinOutcomes);

  // One whose time is before the window's is not counted.
  void Add(bool failed, TimePoint now);
  // A success that was counted then and turned out to be none.
  void TakeSuccessBack(TimePoint then);

  uint64_t Total(TimePoint now) const;
  uint64_t Failures(TimePoint now) const;
  // 0..1; none while there are fewer than min_outcomes.
  std::optional<double> FailureRate(TimePoint now) const;

 private:
  struct Bucket {
    int64_t number;  // of the stretch of time that it counts
    uint64_t total = 0;
    uint64_t failures = 0;
  };
  struct Sums {
    uint64_t total = 0;
    uint64_t failures = 0;
  };

  int64_t NumberAt(TimePoint now) const;
  Sums SumsAt(TimePoint now) const;

  int64_t bucket_ns_;
  uint64_t min_outcomes_;
  std::vector<Bucket> buckets_;  // a ring by number
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_ADAPTIVE_RETRY_H_
