// Time as the pure core sees it: an argument, never a clock.
#ifndef SLUICE_SERVER_RESILIENCE_TIME_H_
#define SLUICE_SERVER_RESILIENCE_TIME_H_

#include "absl/time/time.h"

namespace sluice {

// A point on the loop's monotonic clock (Loop::Now()). Its zero has no
// meaning outside the process; never mix it with wall-clock time.
using TimePoint = absl::Time;
using Duration = absl::Duration;

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_TIME_H_
