// The results that a circuit breaker judges: those of the last time, or the
// last so many calls, counted by outcome and by the name of the failure.
// Memory is bounded: 60 buckets of time, or a byte a call. Used by the breaker
// only. Not thread-safe.
#ifndef SLUICE_SERVER_RESILIENCE_BREAKER_WINDOW_H_
#define SLUICE_SERVER_RESILIENCE_BREAKER_WINDOW_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/resilience/sliding_buckets.h"
#include "server/resilience/time.h"

namespace sluice {

struct FailureCount {
  std::string name;
  uint32_t count = 0;

  bool operator==(const FailureCount&) const = default;
};

struct CallCounts {
  uint32_t calls = 0;
  uint32_t failures = 0;
  uint32_t slow = 0;  // failed ones too

  bool operator==(const CallCounts&) const = default;
};

class BreakerWindow {
 public:
  // Names of failures told apart at a time; further ones count as "other".
  static constexpr size_t kNames = 7;
  static constexpr size_t kMaxNameLength = 64;
  // Resolution of a time window: a sixtieth (1 s of a minute).
  static constexpr int kBuckets = 60;

  static BreakerWindow OfTime(Duration window);
  // size >= 1.
  static BreakerWindow OfCount(uint32_t size);

  // `failure` names a failed call; a call that did not fail has none.
  void Add(bool failed, bool slow, std::string_view failure, TimePoint now);
  CallCounts Counts(TimePoint now) const;
  // Most frequent first.
  std::vector<FailureCount> Failures(TimePoint now) const;
  void Clear();

 private:
  static constexpr size_t kOther = kNames;

  struct Tally {
    CallCounts counts;
    std::array<uint32_t, kNames + 1> by_name{};

    void Add(const Tally& other);
  };
  // One byte a call, allocated as calls come.
  struct Ring {
    uint32_t size;
    uint32_t next = 0;
    std::vector<uint8_t> results;
    Tally sum;

    void Add(uint8_t result);
  };
  using Buckets = SlidingBuckets<Tally, kBuckets>;

  explicit BreakerWindow(std::variant<Buckets, Ring> results) : results_(std::move(results)) {}
  Tally Sum(TimePoint now) const;
  // A name's place; that of a name gone from the window is free again.
  size_t PlaceOf(std::string_view failure, TimePoint now);

  std::variant<Buckets, Ring> results_;
  std::vector<std::string> names_;  // at most kNames
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_BREAKER_WINDOW_H_
