// One rate limit for many keys (tenants), each with buckets of its own; and
// several limits that a call must pass together. Called by the engine under the
// lock of the limits. Pure.
#ifndef SLUICE_SERVER_RESILIENCE_KEYED_RATE_LIMIT_H_
#define SLUICE_SERVER_RESILIENCE_KEYED_RATE_LIMIT_H_

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "server/resilience/rate_limit.h"
#include "server/resilience/time.h"

namespace sluice {

// Remembers at most max_keys keys. A key whose buckets are full is the same as
// one never seen: those are forgotten first, and as time goes by. Then the one
// that was unused for longest is evicted, and would begin with full buckets:
// evictions() counts these, for they are calls that the limit misses.
// O(log keys) each.
class KeyedRateLimit {
 public:
  // max_keys >= 1.
  KeyedRateLimit(const RateLimitConfig& config, size_t max_keys);
  KeyedRateLimit(const KeyedRateLimit&) = delete;
  KeyedRateLimit& operator=(const KeyedRateLimit&) = delete;

  // As RateBuckets, for this key.
  std::optional<Duration> TryTake(std::string_view key, uint64_t estimated_tokens, TimePoint now);
  void Settle(std::string_view key, uint64_t estimated, uint64_t actual, TimePoint now);
  void GiveBack(std::string_view key, uint64_t estimated, TimePoint now);
  // When TryTake would take at `when` or later, which may be yet to come:
  // changes nothing, for a bucket that was refilled ahead of time would let
  // through too much until then.
  TimePoint FreeAt(std::string_view key, uint64_t estimated_tokens, TimePoint when);

  // New limits for all keys, kept or to come. O(keys).
  void Configure(const RateLimitConfig& config, size_t max_keys, TimePoint now);

  size_t size() const { return entries_.size(); }
  uint64_t evictions() const { return evictions_; }
  const RateLimitConfig& config() const { return config_; }

 private:
  struct Entry {
    std::string key;
    RateBuckets buckets;
    TimePoint idle_at;  // as in by_idle_
  };
  using Entries = std::list<Entry>;

  Entries::iterator Find(std::string_view key);
  Entries::iterator FindOrAdd(std::string_view key, TimePoint now);
  // After its buckets changed: by_idle_ in order again.
  void Changed(Entries::iterator entry, TimePoint now);
  void MakeRoom(TimePoint now);
  // Forgets up to `count` keys with full buckets.
  void ForgetIdle(int count, TimePoint now);
  void Erase(Entries::iterator entry);

  RateLimitConfig config_;
  size_t max_keys_;
  Entries entries_;  // the most recently used first
  absl::flat_hash_map<std::string_view, Entries::iterator> by_key_;  // views of Entry::key
  // By when they will be full.
  absl::btree_set<std::pair<TimePoint, const Entry*>> by_idle_;
  uint64_t evictions_ = 0;
};

// One limit that a call must pass: buckets, or those of a key. The limit and
// the key's text must outlive it.
class RateGate {
 public:
  explicit RateGate(RateBuckets& buckets) : buckets_(&buckets) {}
  RateGate(KeyedRateLimit& limit, std::string_view key) : keyed_(&limit), key_(key) {}

  std::optional<Duration> TryTake(uint64_t estimated_tokens, TimePoint now) const;
  void Settle(uint64_t estimated, uint64_t actual, TimePoint now) const;
  void GiveBack(uint64_t estimated, TimePoint now) const;

 private:
  RateBuckets* buckets_ = nullptr;
  KeyedRateLimit* keyed_ = nullptr;
  std::string_view key_;
};

// Which of several limits refused a call, and for how long.
struct RateRefusal {
  Duration wait;
  size_t gate;  // its place among them
};

// Passes all gates (nullopt) or none: then the longest wait, and the gate that
// asks for it.
std::optional<RateRefusal> TryTakeAll(absl::Span<const RateGate> gates, uint64_t estimated_tokens, TimePoint now);

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_KEYED_RATE_LIMIT_H_
