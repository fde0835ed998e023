// How much may be under way at one upstream at a time: requests, requests that
// wait for a connection, tokens; optionally a limit on requests that follows
// the measured time to first token. Pure. Called by the engine once when an
// attempt is admitted, once when it is connected, once when it has its first
// token, and once when it ends. Not thread-safe: the holder locks.
#ifndef SLUICE_SERVER_RESILIENCE_CONCURRENCY_LIMIT_H_
#define SLUICE_SERVER_RESILIENCE_CONCURRENCY_LIMIT_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "server/resilience/sliding_buckets.h"
#include "server/resilience/time.h"

namespace sluice {

struct ConcurrencyConfig {
  // Not set: no limit.
  std::optional<uint32_t> max_requests = std::nullopt;  // pending ones included
  std::optional<uint32_t> max_pending = std::nullopt;   // admitted and not yet connected
  std::optional<uint64_t> max_tokens = std::nullopt;    // estimates, as charged at admission
  // Beside max_requests: the smaller one holds.
  bool adaptive = false;
  uint32_t adaptive_min = 4;     // enough to keep measuring; >= 1
  uint32_t adaptive_max = 1000;  // >= adaptive_min
  // b: this much above the smallest time to first token is not yet overload.
  double adaptive_buffer = 0.25;
  // The smallest time to first token is that of this period (resolution: a tenth).
  Duration adaptive_period = absl::Minutes(10);
  // The limit moves once each interval, by the median of its samples.
  Duration adaptive_interval = absl::Seconds(1);

  bool operator==(const ConcurrencyConfig&) const = default;
};

// Gradient limit on concurrency (Netflix, Envoy's adaptive concurrency):
//   limit ← gradient · limit + √limit,   gradient = min TTFT · (1 + b) / sampled TTFT,
// gradient within [0.5, 2] as Envoy has it. A limit that was not used by half
// does not grow: an idle hour must not open it for the burst after it (ours).
class AdaptiveLimit {
 public:
  explicit AdaptiveLimit(const ConcurrencyConfig& config);

  // `in_flight`: requests under way at that moment.
  void OnSample(const ConcurrencyConfig& config, Duration ttft, uint32_t in_flight, TimePoint now);
  // One that is only known to be longer than this, for nobody waited for its end:
  // a sample where it raises what is sampled or keeps it up, never the smallest.
  void OnAtLeast(const ConcurrencyConfig& config, Duration ttft, uint32_t in_flight, TimePoint now);
  uint32_t limit() const { return static_cast<uint32_t>(limit_); }
  // Into the bounds of a new config.
  void Clamp(const ConcurrencyConfig& config);
  // InfiniteDuration before the first sample.
  Duration MinTtft(TimePoint now) const;

 private:
  static constexpr size_t kFewestSamples = 5;  // a median of fewer is chance
  static constexpr size_t kMostSamples = 128;  // this many move the limit before the interval ends
  static constexpr int kBuckets = 10;
  struct Smallest {
    Duration ttft = absl::InfiniteDuration();
  };

  void AddSample(const ConcurrencyConfig& config, Duration ttft, uint32_t in_flight, TimePoint now);
  Duration Median();
  void Move(const ConcurrencyConfig& config, TimePoint now);

  double limit_;
  std::vector<Duration> samples_;  // of this interval
  Duration last_median_ = absl::InfiniteDuration();  // of the interval before
  uint32_t peak_ = 0;              // in flight, of this interval
  TimePoint interval_began_ = absl::InfinitePast();
  SlidingBuckets<Smallest, kBuckets> smallest_;
};

class ConcurrencyLimit {
 public:
  enum class Bound { kRequests, kPending, kTokens };

  explicit ConcurrencyLimit(const ConcurrencyConfig& config);

  // Which bound one more call of so many tokens would exceed. A call that is
  // alone is never too large in tokens: they are an estimate, and it would be
  // refused for ever.
  std::optional<Bound> Exceeds(uint64_t tokens) const;
  // Takes a place if none is exceeded; it is pending until Connected.
  bool TryAcquire(uint64_t tokens);
  void Connected();
  // `tokens` as in TryAcquire; `was_connected`: Connected was called.
  void Release(uint64_t tokens, bool was_connected);
  // Of any attempt; does something only when adaptive.
  void OnSample(Duration ttft, TimePoint now);
  // Of one that nobody waited for any longer, as AdaptiveLimit::OnAtLeast.
  void OnAtLeast(Duration ttft, TimePoint now);
  // What is in flight stays, also above a new bound; it drains. The adaptive
  // limit goes on from where it is, but for a new period: that starts it anew.
  void Configure(const ConcurrencyConfig& config);

  // The bound on requests in force; nullopt: none.
  std::optional<uint32_t> limit() const;
  uint32_t requests() const { return requests_; }
  uint32_t pending() const { return pending_; }
  uint64_t tokens() const { return tokens_; }
  const ConcurrencyConfig& config() const { return config_; }

 private:
  ConcurrencyConfig config_;
  uint32_t requests_ = 0;
  uint32_t pending_ = 0;
  uint64_t tokens_ = 0;
  std::optional<AdaptiveLimit> adaptive_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_CONCURRENCY_LIMIT_H_
