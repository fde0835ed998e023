#include "server/telemetry/node_figures.h"

namespace sluice {
namespace {

constexpr Duration kCallWindow = absl::Seconds(10);
constexpr Duration kErrorWindow = absl::Seconds(60);
constexpr size_t kMaxSamples = 1000;

// Per second.
double Rate(uint64_t before, uint64_t now, Duration elapsed) {
  const double seconds = absl::ToDoubleSeconds(elapsed);
  return seconds > 0 ? static_cast<double>(now - before) / seconds : 0;
}

}  // namespace

const NodeFiguresSampler::Past& NodeFiguresSampler::Before(TimePoint when) const {
  const Past* best = &past_.front();
  for (const Past& sample : past_) {
    if (sample.when > when) break;
    best = &sample;
  }
  return *best;
}

NodeFigures NodeFiguresSampler::Sample(TimePoint now, const CallTotals& totals) {
  NodeFigures figures;
  figures.open_calls = totals.open_calls;
  if (!past_.empty()) {
    const Past& calls_from = Before(now - kCallWindow);
    figures.calls_per_second = Rate(calls_from.calls, totals.calls, now - calls_from.when);
    const Past& errors_from = Before(now - kErrorWindow);
    figures.errors_per_minute = 60 * Rate(errors_from.errors, totals.errors, now - errors_from.when);
  }
  past_.push_back({now, totals.calls, totals.errors});
  // One sample at least as old as the window stays, to measure from.
  while (past_.size() > kMaxSamples || (past_.size() > 1 && past_[1].when <= now - kErrorWindow)) {
    past_.pop_front();
  }
  return figures;
}

}  // namespace sluice
