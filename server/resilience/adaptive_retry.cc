#include "server/resilience/adaptive_retry.h"

#include <algorithm>
#include <limits>

namespace sluice {
namespace {

constexpr int64_t kBuckets = 10;
constexpr int64_t kNever = std::numeric_limits<int64_t>::min();

bool IsSlow(const AdaptiveRetryConfig& config, const AdaptiveInputs& inputs) {
  if (!inputs.ttft_p99) return false;
  if (*inputs.ttft_p99 > config.latency_above) return true;
  return *inputs.ttft_p99 > config.latency_above / 2 && inputs.p99_growth && *inputs.p99_growth >= kFastGrowth;
}

size_t SlotOf(int64_t number) { return static_cast<size_t>((number % kBuckets + kBuckets) % kBuckets); }

}  // namespace

int AdaptiveMaxAttempts(const AdaptiveRetryConfig& config, int base, const AdaptiveInputs& inputs) {
  if (inputs.failure_rate * 100 > config.failure_percent_above) return 1;
  int attempts = base;
  if (IsSlow(config, inputs)) --attempts;
  if (inputs.load >= kFullLoad) --attempts;
  return std::max(1, attempts);
}

OutcomeWindow::OutcomeWindow(Duration window, uint64_t min_outcomes)
    : bucket_ns_(std::max<int64_t>(1, absl::ToInt64Nanoseconds(window) / kBuckets)),
      min_outcomes_(min_outcomes),
      buckets_(kBuckets, Bucket{.number = kNever}) {}

void OutcomeWindow::Add(bool failed, TimePoint now) {
  const int64_t number = NumberAt(now);
  Bucket& bucket = buckets_[SlotOf(number)];
  if (bucket.number > number) return;
  if (bucket.number < number) bucket = Bucket{.number = number};
  ++bucket.total;
  if (failed) ++bucket.failures;
}

void OutcomeWindow::TakeSuccessBack(TimePoint then) {
  const int64_t number = NumberAt(then);
  Bucket& bucket = buckets_[SlotOf(number)];
  if (bucket.number == number && bucket.total > bucket.failures) --bucket.total;
}

uint64_t OutcomeWindow::Total(TimePoint now) const { return SumsAt(now).total; }

uint64_t OutcomeWindow::Failures(TimePoint now) const { return SumsAt(now).failures; }

std::optional<double> OutcomeWindow::FailureRate(TimePoint now) const {
  const Sums sums = SumsAt(now);
  if (sums.total == 0 || sums.total < min_outcomes_) return std::nullopt;
  return static_cast<double>(sums.failures) / static_cast<double>(sums.total);
}

int64_t OutcomeWindow::NumberAt(TimePoint now) const {
  const int64_t ns = absl::ToUnixNanos(now);
  return ns / bucket_ns_ - (ns % bucket_ns_ < 0 ? 1 : 0);
}

OutcomeWindow::Sums OutcomeWindow::SumsAt(TimePoint now) const {
  const int64_t newest = NumberAt(now);
  Sums sums;
  for (const Bucket& bucket : buckets_) {
    if (bucket.number == kNever || bucket.number <= newest - kBuckets || bucket.number > newest) continue;
    sums.total += bucket.total;
    sums.failures += bucket.failures;
  }
  return sums;
}

}  // namespace sluice
