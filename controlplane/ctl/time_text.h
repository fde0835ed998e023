// Times as people read them: how long ago, and when by their own clock. Pure
// functions.
#ifndef SLUICE_CONTROLPLANE_CTL_TIME_TEXT_H_
#define SLUICE_CONTROLPLANE_CTL_TIME_TEXT_H_

#include <string>

#include "absl/time/time.h"

namespace sluice::ctl {

// Where and when somebody looks.
struct Clock {
  absl::Time now;
  absl::TimeZone zone;
};

// "14:02:11"; with its date where it is a day away or more: "2026-11-25 14:02".
std::string AtText(absl::Time time, const Clock& clock);
// "2m ago (14:02:11)".
std::string AgoText(absl::Time time, const Clock& clock);
// One unit: "41s", "5m", "3h", "12d".
std::string AgeText(absl::Duration age);
// "<1 ms", "41 ms", "2.4 s".
std::string ElapsedText(absl::Duration elapsed);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_TIME_TEXT_H_
