// Rates of a data plane, as it tells them to its control plane.
#ifndef SLUICE_SERVER_TELEMETRY_NODE_FIGURES_H_
#define SLUICE_SERVER_TELEMETRY_NODE_FIGURES_H_

#include <cstdint>
#include <deque>

#include "server/resilience/time.h"
#include "server/telemetry/call_metrics.h"

namespace sluice {

struct NodeFigures {
  int64_t open_calls = 0;
  double calls_per_second = 0;   // over the last 10 s
  double errors_per_minute = 0;  // over the last 60 s
};

// Makes rates of totals. Not thread-safe: the config worker asks every few
// seconds.
class NodeFiguresSampler {
 public:
  // Time is an argument; it never goes back. The first sample has no rates.
  NodeFigures Sample(TimePoint now, const CallTotals& totals);

 private:
  struct Past {
    TimePoint when;
    uint64_t calls;
    uint64_t errors;
  };
  // The newest sample that is at least `window` old, or the oldest.
  const Past& Before(TimePoint when) const;

  std::deque<Past> past_;  // of the last 60 s, at most 1,000
};

}  // namespace sluice

#endif  // SLUICE_SERVER_TELEMETRY_NODE_FIGURES_H_
