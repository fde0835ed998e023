// How many of those that waited for the same time go when it is over: one first,
// two for each that does well, none after one that fails. Pure: time is an
// argument. Called by a route's queue, under its lock.
#ifndef SLUICE_SERVER_RESILIENCE_RELEASE_RAMP_H_
#define SLUICE_SERVER_RESILIENCE_RELEASE_RAMP_H_

#include <cstdint>

#include "server/resilience/time.h"

namespace sluice {

class ReleaseRamp {
 public:
  // A refusal comes within a round trip, content may take a minute. One that was
  // not refused for so long counts as if it had succeeded, or a slow upstream
  // would let hardly anybody go before their waits are over.
  static constexpr Duration kPatience = absl::Milliseconds(250);
  // After a failure that told no time: as long as the first backoff by default.
  static constexpr Duration kPause = absl::Milliseconds(500);

  // Which release one that was let go belongs to; what becomes of those of an
  // earlier one says nothing any more.
  using Release = uint64_t;

  // A time is in the way: who goes at its end goes alone.
  void Hold();
  // When one more may go; in the past: now.
  TimePoint OpensAt(TimePoint now) const;
  Release Went(TimePoint now);

  // Once for each that went.
  void Succeeded(Release release);
  void Failed(Release release, TimePoint now);
  // It was cancelled, say: another goes in its place.
  void Lost(Release release);

  bool holds() const { return holds_; }
  // The last that is known of those that went is a failure.
  bool stopped() const { return stopped_; }
  // Somebody went of whom the end is not known yet.
  bool awaits() const { return under_way_ > 0; }

 private:
  void Begin(TimePoint opens);

  bool holds_ = false;  // else everybody goes
  bool stopped_ = false;
  Release release_ = 1;
  uint64_t may_go_ = 0;
  TimePoint opens_ = absl::InfinitePast();
  TimePoint last_went_;
  uint64_t under_way_ = 0;
  uint64_t undecided_ = 0;  // of these: did not let others go yet
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_RELEASE_RAMP_H_
