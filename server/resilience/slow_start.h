// What share of its weight an endpoint gets while it is new, or healthy again.
// Pure.
#ifndef SLUICE_SERVER_RESILIENCE_SLOW_START_H_
#define SLUICE_SERVER_RESILIENCE_SLOW_START_H_

#include "server/resilience/time.h"

namespace sluice {

// In (0, 1]: grows in proportion to time, from `min_percent` (0..100) on, to 1
// at the end of `window` (Envoy's slow start with aggression 1).
// `available_since` InfinitePast: it always was. A window of zero: no slow start.
double SlowStartShare(TimePoint available_since, TimePoint now, Duration window, double min_percent);

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_SLOW_START_H_
