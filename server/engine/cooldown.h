// The rest that an upstream asked for (Retry-After, rate limit, quota), kept for
// each (endpoint, credential): another account has limits of its own. Shared by
// every loop and by successive revisions.
#ifndef SLUICE_SERVER_ENGINE_COOLDOWN_H_
#define SLUICE_SERVER_ENGINE_COOLDOWN_H_

#include <atomic>
#include <cstdint>

#include "server/resilience/time.h"

namespace sluice {

// Thread-safe, without a lock: looked at for every candidate of a plan.
class Cooldown {
 public:
  // Never shortens a rest that is already longer.
  void RestUntil(TimePoint until);
  // InfinitePast if it never rested.
  TimePoint until() const;

 private:
  static constexpr int64_t kNever = INT64_MIN;
  std::atomic<int64_t> until_ns_{kNever};
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_COOLDOWN_H_
