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
  // Of those that did not fail so far: their answers have begun and not ended.
  uint32_t answering = 0;
  // Of the failures: answers that had begun.
  uint32_t cut = 0;

  // Answers that are over: whole, left by their callers, or cut.
  uint32_t answered() const { return calls - failures - answering + cut; }
  void Add(const CallCounts& other);
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

  // A call whose answer has begun, and where it stands: it counts as one that did
  // not fail, until it is told that its answer was cut.
  struct Mark {
    int64_t place;
    bool slow;
  };
  Mark AddAnswering(bool slow, TimePoint now);
  // Once for each mark of this window, in whatever order. What has left the window
  // meanwhile is a call of its own if it was cut, and else nothing.
  void AnswerEnded(const Mark& mark);
  void AnswerCut(const Mark& mark, std::string_view failure, TimePoint now);

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
    int64_t added = 0;
    std::vector<uint8_t> results;  // the n-th is at n % size
    Tally sum;

    // Its number.
    int64_t Add(uint8_t result);
    bool Has(int64_t number) const { return number >= 0 && number < added && added - number <= size; }
    void Replace(int64_t number, uint8_t result);
    void Count(uint8_t result, uint32_t sign);
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
