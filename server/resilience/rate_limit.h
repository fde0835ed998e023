// Requests and tokens over time: what a call must pass at admission, and how
// its token charge is corrected by the usage in the end. Called by the engine
// under the lock of the limit. Pure.
#ifndef SLUICE_SERVER_RESILIENCE_RATE_LIMIT_H_
#define SLUICE_SERVER_RESILIENCE_RATE_LIMIT_H_

#include <cstdint>
#include <optional>

#include "absl/numeric/int128.h"
#include "server/resilience/time.h"

namespace sluice {

// As sluice.v1.RateLimit. A bucket holds what one period allows and is refilled
// all the time.
struct RateLimitConfig {
  std::optional<uint64_t> requests = std::nullopt;  // not set: no limit
  std::optional<uint64_t> tokens = std::nullopt;
  Duration per = absl::Minutes(1);

  bool operator==(const RateLimitConfig&) const = default;
};

// One bucket, in units of 1/period_ns: a refill of `amount` units each
// nanosecond is exact, so a call that waits as long as it was told goes through,
// and giving back undoes taking to the last unit.
class RateBucket {
 public:
  // Begins full. Without an amount there is no limit; 0 lets nothing through.
  RateBucket(std::optional<uint64_t> amount, Duration per);

  void Refill(int64_t elapsed_ns);
  // How long until `count` may go; zero: now. More than the bucket holds may go
  // when it is full.
  Duration WaitFor(uint64_t count) const;
  // May go below zero: a debt, which is waited off.
  void Take(uint64_t count);
  // Like Take, but the debt it makes ends at kMaxDebtPeriods: an upstream that
  // claims an absurd usage must not shut a tenant out for days.
  void Charge(uint64_t count);
  void Return(uint64_t count);
  // Keeps the proportion of what is left, or owed.
  void Configure(std::optional<uint64_t> amount, Duration per);

  bool full() const { return level_ == Most(); }
  // Until it is full; never, if nothing refills it.
  Duration UntilFull() const;
  // What may go now; negative: what is owed.
  double level() const;

  static constexpr int kMaxDebtPeriods = 10;

 private:
  absl::int128 Most() const { return absl::int128(amount_) * period_ns_; }
  absl::int128 Units(uint64_t count) const;
  // Until `missing` units were refilled, rounded up to a nanosecond.
  Duration TimeFor(absl::int128 missing) const;

  bool limited_;
  uint64_t amount_;
  int64_t period_ns_;
  absl::int128 level_;
};

// The requests and tokens of one limit.
class RateBuckets {
 public:
  // Begins full.
  explicit RateBuckets(const RateLimitConfig& config);

  // Whether a call with this estimate may go now: nullopt, and it is charged
  // with one request and the estimate; else how long until it may, if nobody
  // else goes before it. A call that is larger than the token bucket goes when
  // the bucket is full, and leaves a debt: it is late, but never stuck. Infinite
  // only where the limit is 0.
  std::optional<Duration> TryTake(uint64_t estimated_tokens, TimePoint now);
  // The call that was charged with the estimate used this much: the difference
  // is credited, or owed.
  void Settle(uint64_t estimated, uint64_t actual, TimePoint now);
  // The call never went: as if it had not been charged.
  void GiveBack(uint64_t estimated, TimePoint now);
  // New limits from now on; what was used of the old ones stays used, in
  // proportion.
  void Configure(const RateLimitConfig& config, TimePoint now);

  // Full: holds nothing worth remembering.
  bool idle(TimePoint now) const;
  // When it will be, if nothing more is taken.
  TimePoint IdleAt(TimePoint now) const;
  // What may go now; none where there is no such limit. For display.
  std::optional<double> requests_left(TimePoint now) const;
  std::optional<double> tokens_left(TimePoint now) const;

  const RateLimitConfig& config() const { return config_; }

 private:
  RateBuckets At(TimePoint now) const;
  void Refill(TimePoint now);

  RateLimitConfig config_;
  RateBucket requests_;
  RateBucket tokens_;
  TimePoint refilled_ = absl::InfinitePast();  // never goes back
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_RATE_LIMIT_H_
