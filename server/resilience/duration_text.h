// Lengths of time as servers write them for people and in headers. Pure; any
// thread.
#ifndef SLUICE_SERVER_RESILIENCE_DURATION_TEXT_H_
#define SLUICE_SERVER_RESILIENCE_DURATION_TEXT_H_

#include <optional>
#include <string_view>

#include "server/resilience/time.h"

namespace sluice {

struct DurationText {
  Duration duration;
  // A number alone: seconds, by custom.
  bool has_unit = false;
};

// Takes a length of time from the front of `text`: "5.289s", "6m0s", "120 ms",
// "1 minute and 30 seconds", "7". Case does not matter. None, and `text` as it
// was, where no number stands there or the word behind it is no unit ("3
// attempts").
std::optional<DurationText> TakeDuration(std::string_view& text);

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_DURATION_TEXT_H_
