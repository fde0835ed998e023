// The last stretch of time, cut into buckets: what happened in it is kept in
// bounded memory, at the price of a resolution of one bucket. Used by breaker
// window, throttle and adaptive limit. Not thread-safe.
#ifndef SLUICE_SERVER_RESILIENCE_SLIDING_BUCKETS_H_
#define SLUICE_SERVER_RESILIENCE_SLIDING_BUCKETS_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "server/resilience/time.h"

namespace sluice {

// Buckets are aligned to the clock's zero and the current one is not yet full:
// what was put in leaves between (kBuckets - 1) / kBuckets of the window and
// the whole window later. Allocates on first use: an idle endpoint costs little.
template <typename Bucket, int kBuckets>
class SlidingBuckets {
 public:
  // `window` is at least kBuckets nanoseconds.
  explicit SlidingBuckets(Duration window)
      : width_ns_(std::max<int64_t>(1, absl::ToInt64Nanoseconds(window) / kBuckets)) {}

  // The bucket of `now`. Threads bring their times in slightly out of order:
  // one that is older than the newest counts as the newest.
  Bucket& At(TimePoint now) {
    newest_ = std::max(newest_, IndexOf(now));
    if (slots_.empty()) slots_.resize(kBuckets);
    Slot& slot = slots_[((newest_ % kBuckets) + kBuckets) % kBuckets];
    if (slot.index != newest_) slot = Slot{newest_, Bucket{}};
    return slot.bucket;
  }

  // Where the last At() found its bucket, and that bucket again: null once newer
  // ones took its place. By time where no number was kept: perhaps the one after.
  int64_t newest() const { return newest_; }
  Bucket* Find(int64_t number) {
    if (slots_.empty() || number > newest_ || number <= newest_ - kBuckets) return nullptr;
    Slot& slot = slots_[((number % kBuckets) + kBuckets) % kBuckets];
    return slot.index == number ? &slot.bucket : nullptr;
  }
  Bucket* Find(TimePoint then) { return Find(IndexOf(then)); }

  // Calls visit(bucket) for those within the window that ends at `now`.
  template <typename Visit>
  void ForEach(TimePoint now, Visit&& visit) const {
    const int64_t oldest = std::max(newest_, IndexOf(now)) - kBuckets;
    for (const Slot& slot : slots_) {
      if (slot.index > oldest) visit(slot.bucket);
    }
  }

  void Clear() {
    slots_.clear();
    newest_ = kNever;
  }

 private:
  // Far from the smallest, so that kBuckets may be taken off.
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::min() / 2;

  struct Slot {
    int64_t index = 2 * kNever;
    Bucket bucket;
  };

  int64_t IndexOf(TimePoint now) const {
    const int64_t ns = absl::ToInt64Nanoseconds(now - absl::UnixEpoch());
    return ns >= 0 ? ns / width_ns_ : -((-ns + width_ns_ - 1) / width_ns_);
  }

  int64_t width_ns_;
  int64_t newest_ = kNever;
  std::vector<Slot> slots_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_SLIDING_BUCKETS_H_
