// The randomness of the pure core: an argument, seeded from outside, so that
// a seed replays any run.
#ifndef SLUICE_SERVER_RESILIENCE_RANDOM_H_
#define SLUICE_SERVER_RESILIENCE_RANDOM_H_

#include <cstdint>

namespace sluice {

// SplitMix64 (Steele, Lea, Flood 2014): 8 bytes of state, full period, good
// enough to spread load; never for secrets. Not thread-safe: one per loop.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  // Uniform in [0, 1).
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

  // Uniform in [0, bound); bound > 0. The bias of the multiplication is below
  // 2^-32 for every bound that occurs here.
  uint64_t Below(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * bound) >> 64);
  }

 private:
  uint64_t state_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_RANDOM_H_
