// How each place does over time: well, slow, dead, out of quota, cutting its
// answers; and what a request that comes at a moment meets there.
#ifndef SLUICE_TESTS_SIM_WEATHER_H_
#define SLUICE_TESTS_SIM_WEATHER_H_

#include <map>
#include <string>
#include <vector>

#include "tests/sim/dice.h"
#include "tests/support/fake_transport.h"

namespace sluice {

class Weather {
 public:
  // From `begin` on it changes every few seconds; after `until` all is well.
  Weather(uint64_t seed, const std::vector<std::string>& places, TimePoint begin, TimePoint until);

  // The answer to request `number`, of that many tokens where it is whole.
  Script ScriptFor(const std::string& place, uint64_t number, int tokens, TimePoint now);

  static std::string Token(uint64_t number, int i) { return std::to_string(number) + ":" + std::to_string(i) + " "; }

 private:
  enum class Mood { kWell, kSlow, kDead, kLimited, kFlaky, kCutting, kSilent, kWrong };

  Mood MoodAt(const std::string& place, TimePoint now) const;
  Script Answer(uint64_t number, int tokens, Duration first, Duration each);
  Script Refusal();
  void Cut(Script& script);

  Dice dice_;
  std::map<std::string, std::map<TimePoint, Mood>> moods_;  // by when they begin
};

}  // namespace sluice

#endif  // SLUICE_TESTS_SIM_WEATHER_H_
