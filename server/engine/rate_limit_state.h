// The buckets of one RateLimit, whoever names it: shared by every loop, route
// and successive revision.
#ifndef SLUICE_SERVER_ENGINE_RATE_LIMIT_STATE_H_
#define SLUICE_SERVER_ENGINE_RATE_LIMIT_STATE_H_

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "server/resilience/keyed_rate_limit.h"
#include "server/resilience/time.h"

namespace sluice {

struct RateLimitFigures {
  size_t keys = 0;         // remembered
  uint64_t refused = 0;
  uint64_t evictions = 0;  // keys forgotten for want of room
};

// Thread-safe. `key`: what has a bucket of its own (route, tenant, upstream).
class RateLimitState {
 public:
  RateLimitState(const RateLimitConfig& config, size_t max_keys);

  void Configure(const RateLimitConfig& config, size_t max_keys, TimePoint now);

  // Nothing: taken. Else how long to wait.
  std::optional<Duration> TryTake(std::string_view key, uint64_t tokens, TimePoint now);
  void Settle(std::string_view key, uint64_t estimated, uint64_t actual, TimePoint now);
  void GiveBack(std::string_view key, uint64_t tokens, TimePoint now);
  // When an attempt of this size may pass: now, or later. Takes nothing.
  TimePoint FreeAt(std::string_view key, uint64_t tokens, TimePoint now);

  RateLimitFigures figures() const;

 private:
  mutable std::mutex mutex_;
  KeyedRateLimit limit_ ABSL_GUARDED_BY(mutex_);
  uint64_t refused_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_RATE_LIMIT_STATE_H_
