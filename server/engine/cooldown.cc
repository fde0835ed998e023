#include "server/engine/cooldown.h"

namespace sluice {

void Cooldown::RestUntil(TimePoint until) {
  const int64_t wanted = absl::ToUnixNanos(until);
  int64_t known = until_ns_.load(std::memory_order_relaxed);
  while (known < wanted && !until_ns_.compare_exchange_weak(known, wanted, std::memory_order_relaxed)) {
  }
}

TimePoint Cooldown::until() const {
  const int64_t known = until_ns_.load(std::memory_order_relaxed);
  return known == kNever ? absl::InfinitePast() : absl::FromUnixNanos(known);
}

}  // namespace sluice
