#include "server/resilience/peak_ewma.h"

#include <algorithm>
#include <cmath>

namespace sluice {
namespace {

// What is left after `passed`, in [0, 1].
double Kept(Duration passed, Duration decay) {
  if (passed <= absl::ZeroDuration()) return 1;
  if (decay <= absl::ZeroDuration()) return 0;
  return std::exp(-absl::FDivDuration(passed, decay));
}

}  // namespace

void PeakEwma::Observe(Duration sample, TimePoint now, Duration decay) {
  sample = std::max(sample, absl::ZeroDuration());
  if (!known_ || sample >= value_) {
    value_ = sample;
  } else {
    const double kept = Kept(now - observed_, decay);
    value_ = value_ * kept + sample * (1 - kept);
  }
  observed_ = known_ ? std::max(observed_, now) : now;
  known_ = true;
}

void PeakEwma::ObserveAtLeast(Duration sample, TimePoint now, Duration decay) {
  if (sample > Value(now, decay)) Observe(sample, now, decay);
}

Duration PeakEwma::Value(TimePoint now, Duration decay) const {
  return known_ ? value_ * Kept(now - observed_, decay) : absl::ZeroDuration();
}

}  // namespace sluice
