// What endpoints did in the last ten seconds, for `top`. Each loop has a
// counter of its own, so that loops share nothing; a question merges them.
#ifndef SLUICE_SERVER_COMMAND_LIVE_COUNTERS_H_
#define SLUICE_SERVER_COMMAND_LIVE_COUNTERS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "server/engine/call_observer.h"
#include "server/resilience/sliding_buckets.h"
#include "server/resilience/time.h"

namespace sluice {

// Of one endpoint.
struct LiveTally {
  uint64_t attempts = 0;
  uint64_t errors = 0;
  uint64_t retries = 0;
  // Cell and attempts whose first token came within it; sorted, sparse.
  std::vector<std::pair<uint16_t, uint32_t>> first_token;

  void AddFirstToken(uint16_t cell, uint32_t attempts);
  void Add(const LiveTally& other);
  // Nearest rank, at the upper bound of a cell; zero: no token came.
  Duration Percentile(double share) const;

  // Cells grow by a tenth, from 1 ms on: a percentile is at most that wrong.
  static uint16_t CellOf(Duration first_token);
  static Duration UpperBound(uint16_t cell);
};

// (upstream, endpoint).
using LiveKey = std::pair<std::string, std::string>;

// Written by its loop's thread, once or twice an attempt; read by questions.
class LiveCounter : public CallObserver {
 public:
  static constexpr int kSeconds = 10;

  explicit LiveCounter(size_t max_endpoints) : max_endpoints_(max_endpoints) {}

  void AttemptEnded(const CallInfo& info, const AttemptRecord& attempt) override;
  void RetryScheduled(const CallInfo& info, const AttemptRecord& failed, Duration delay, bool failover) override;

  void MergeInto(std::map<LiveKey, LiveTally>& sums, TimePoint now) const;

 private:
  using Buckets = SlidingBuckets<LiveTally, kSeconds>;
  struct Endpoint {
    Buckets buckets{absl::Seconds(kSeconds)};
    TimePoint last_used = absl::InfinitePast();
  };

  // Null: too many endpoints are busy already.
  LiveTally* TallyOf(const AttemptRecord& attempt) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t max_endpoints_;
  // Only a question ever contends for it.
  mutable std::mutex mutex_;
  absl::flat_hash_map<LiveKey, Endpoint> endpoints_ ABSL_GUARDED_BY(mutex_);
};

// Owns the counters of all loops. Thread-safe.
class LiveCounters {
 public:
  // At most `max_endpoints` are counted by a loop at a time; those that were
  // idle make room.
  explicit LiveCounters(size_t max_endpoints = 10000) : max_endpoints_(max_endpoints) {}

  // For one loop. Lives as long as this.
  LiveCounter& AddLoop();
  std::map<LiveKey, LiveTally> Sums(TimePoint now) const;
  // How much time the sums of `now` are of: nearly ten seconds, for the second
  // under way is not over; less after `started`.
  static Duration Window(TimePoint now, TimePoint started);

 private:
  const size_t max_endpoints_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<LiveCounter>> loops_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice

#endif  // SLUICE_SERVER_COMMAND_LIVE_COUNTERS_H_
