#include "controlplane/ctl/time_text.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sluice::ctl {

std::string AtText(absl::Time time, const Clock& clock) {
  const bool near = absl::AbsDuration(clock.now - time) < absl::Hours(24);
  return absl::FormatTime(near ? "%H:%M:%S" : "%Y-%m-%d %H:%M", time, clock.zone);
}

std::string AgoText(absl::Time time, const Clock& clock) {
  return absl::StrCat(AgeText(clock.now - time), " ago (", AtText(time, clock), ")");
}

std::string AgeText(absl::Duration age) {
  const int64_t seconds = std::max<int64_t>(0, absl::ToInt64Seconds(age));
  if (seconds < 60) return absl::StrCat(seconds, "s");
  if (seconds < 3600) return absl::StrCat(seconds / 60, "m");
  if (seconds < 48 * 3600) return absl::StrCat(seconds / 3600, "h");
  return absl::StrCat(seconds / 86400, "d");
}

std::string ElapsedText(absl::Duration elapsed) {
  if (elapsed > absl::ZeroDuration() && elapsed < absl::Milliseconds(1)) return "<1 ms";
  if (elapsed < absl::Seconds(1)) return absl::StrCat(absl::ToInt64Milliseconds(elapsed), " ms");
  return absl::StrFormat("%.3g s", absl::ToDoubleSeconds(elapsed));
}

}  // namespace sluice::ctl
