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
  // By an operator: the rest is over, and what led to it forgotten.
  void Lift();

  // A refusal that told no time: after how many others in a row. Those that come
  // while it rests were under way before, and do not count.
  int RefusedWithoutTime(TimePoint now);
  void Succeeded();

 private:
  static constexpr int64_t kNever = INT64_MIN;
  std::atomic<int64_t> until_ns_{kNever};
  std::atomic<int> refusals_{0};
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_COOLDOWN_H_
