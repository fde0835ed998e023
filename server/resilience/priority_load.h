// How load spreads over priorities when the better ones are not healthy enough,
// and when health is no longer believed (panic). Envoy's rules. Pure; called
// for each plan of an attempt.
#ifndef SLUICE_SERVER_RESILIENCE_PRIORITY_LOAD_H_
#define SLUICE_SERVER_RESILIENCE_PRIORITY_LOAD_H_

#include <cstddef>
#include <cstdint>

#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"

namespace sluice {

// Of the endpoints of one priority that are meant to take calls.
struct PriorityHealth {
  uint32_t total = 0;
  // Neither ejected nor failing their health checks.
  uint32_t healthy = 0;
  // Healthy, and neither an open breaker nor a cooldown keeps calls away.
  uint32_t available = 0;
};

struct PriorityLoad {
  // Of the load, for each priority; 100 in all, or 0 where nothing is available
  // and nothing is in panic.
  absl::InlinedVector<int, 4> percent;
  // Health is not looked at there: all that their breakers and cooldowns let
  // through get calls.
  absl::InlinedVector<bool, 4> panic;
};

// A priority can take min(100, 1.4 · 100 · available ÷ total) percent: with a
// few endpoints out the rest carry its load, beyond that it spills over to the
// next one. If all together cannot take 100, each gets its part in proportion,
// and those with less than `panic_percent` healthy (0: never) are in panic; if
// every one is, load goes by the number of endpoints.
PriorityLoad SpreadLoad(absl::Span<const PriorityHealth> priorities, double panic_percent);

// A priority by its load; `at` in [0, 1). Those with `skip` get nothing, and
// where nothing is left the first that is not skipped is it. size() if all are.
size_t PickPriority(const PriorityLoad& load, absl::Span<const bool> skip, double at);

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_PRIORITY_LOAD_H_
