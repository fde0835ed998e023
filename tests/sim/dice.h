// What chance decides in a simulation: every choice comes from one seed.
#ifndef SLUICE_TESTS_SIM_DICE_H_
#define SLUICE_TESTS_SIM_DICE_H_

#include <cstdint>
#include <initializer_list>

#include "server/resilience/random.h"
#include "server/resilience/time.h"

namespace sluice {

class Dice {
 public:
  explicit Dice(uint64_t seed) : random_(seed) {}

  bool Chance(double p) { return random_.Uniform() < p; }
  // Both ends included.
  int Number(int least, int most) { return least + static_cast<int>(random_.Below(static_cast<uint64_t>(most - least) + 1)); }
  Duration Time(Duration least, Duration most) { return least + (most - least) * random_.Uniform(); }
  template <typename T>
  T OneOf(std::initializer_list<T> values) {
    return *(values.begin() + random_.Below(values.size()));
  }
  uint64_t Seed() { return random_.Next(); }

 private:
  Random random_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_SIM_DICE_H_
