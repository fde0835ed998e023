// How a refused client is told when to come back, in the spellings that
// providers use. The simulator's thread only.
#ifndef SLUICE_TESTS_SIMULATOR_PUSHBACK_H_
#define SLUICE_TESTS_SIMULATOR_PUSHBACK_H_

#include <ctime>
#include <string>
#include <string_view>

namespace sluice::simulator {

struct Pushback {
  std::string retry_after;     // as it stands, or "date+2": the date in 2 s
  std::string retry_after_ms;  // as it stands
  std::string reset;           // of x-ratelimit-reset-requests: "800ms"

  // Takes "retry-after=2", "retry-after-ms=800" or "reset=800ms". False if it
  // is none of them.
  bool Read(std::string_view field);
  // The header lines; empty if nothing is to be told.
  std::string Headers(std::time_t now) const;
};

}  // namespace sluice::simulator

#endif  // SLUICE_TESTS_SIMULATOR_PUSHBACK_H_
