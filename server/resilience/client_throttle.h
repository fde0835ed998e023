// Stops a part of the calls to an upstream that refuses most of them, before
// they are sent (SRE book, chapter 21, "Client-Side Throttling"). Pure: the
// caller draws, once a call. Not thread-safe: the holder locks.
#ifndef SLUICE_SERVER_RESILIENCE_CLIENT_THROTTLE_H_
#define SLUICE_SERVER_RESILIENCE_CLIENT_THROTTLE_H_

#include <cstdint>

#include "server/resilience/sliding_buckets.h"
#include "server/resilience/time.h"

namespace sluice {

struct ClientThrottleConfig {
  // Requests let through for each that is accepted, at most; >= 1. Lower
  // throttles earlier, higher sees sooner that the upstream is well again.
  double k = 2;
  // Resolution: a sixtieth of it.
  Duration window = absl::Minutes(2);

  bool operator==(const ClientThrottleConfig&) const = default;
};

class ClientThrottle {
 public:
  static constexpr int kBuckets = 60;

  struct Counts {
    uint64_t requests = 0;
    uint64_t accepts = 0;

    bool operator==(const Counts&) const = default;
  };

  explicit ClientThrottle(const ClientThrottleConfig& config) : config_(config), buckets_(config.window) {}

  // Every call that wants to go there, those that are rejected here too; the others
  // once it is known whether they were taken.
  void OnRequest(TimePoint now) { ++buckets_.At(now).requests; }
  // The upstream took it: anything but an overload, a failure or no answer.
  void OnAccept(TimePoint now) { ++buckets_.At(now).accepts; }
  // What was taken then was not, after all: its answer was cut.
  void TakeAcceptBack(TimePoint then);
  // max(0, (requests − k · accepts) / (requests + 1)).
  double RejectProbability(TimePoint now) const;

  Counts InWindow(TimePoint now) const;
  // A new k keeps the counts; a new window starts anew.
  void Configure(const ClientThrottleConfig& config);
  const ClientThrottleConfig& config() const { return config_; }

 private:
  ClientThrottleConfig config_;
  SlidingBuckets<Counts, kBuckets> buckets_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_CLIENT_THROTTLE_H_
