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

void Cooldown::Lift() {
  until_ns_.store(kNever, std::memory_order_relaxed);
  refusals_.store(0, std::memory_order_relaxed);
}

int Cooldown::RefusedWithoutTime(TimePoint now) {
  if (until() > now) return refusals_.load(std::memory_order_relaxed);
  return refusals_.fetch_add(1, std::memory_order_relaxed);
}

// Written by the first success only: this line is shared by all loops.
void Cooldown::Succeeded() {
  if (refusals_.load(std::memory_order_relaxed) != 0) refusals_.store(0, std::memory_order_relaxed);
}

}  // namespace sluice
