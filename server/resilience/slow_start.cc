#include "server/resilience/slow_start.h"

#include <algorithm>

namespace sluice {
namespace {

// A share of zero would keep an endpoint out for ever where time stands still
// between two looks.
constexpr double kLeastShare = 0.001;

}  // namespace

double SlowStartShare(TimePoint available_since, TimePoint now, Duration window, double min_percent) {
  if (window <= absl::ZeroDuration() || now - available_since >= window) return 1;
  const double grown = std::max(0.0, absl::FDivDuration(now - available_since, window));
  return std::clamp(std::max(grown, min_percent / 100), kLeastShare, 1.0);
}

}  // namespace sluice
