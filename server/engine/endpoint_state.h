// What a data plane learns about one endpoint while it runs: its breaker,
// whether it is ejected or fails its health checks, how fast it answers.
// Shared by every loop and by successive revisions; touched a few times per
// attempt, never per chunk.
#ifndef SLUICE_SERVER_ENGINE_ENDPOINT_STATE_H_
#define SLUICE_SERVER_ENGINE_ENDPOINT_STATE_H_

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "server/resilience/circuit_breaker.h"
#include "server/resilience/outlier.h"
#include "server/resilience/peak_ewma.h"
#include "server/resilience/random.h"
#include "server/resilience/time.h"

namespace sluice {

// What a plan has to know of a candidate, read at one moment.
struct EndpointView {
  bool healthy = true;      // by its health checks; true where there are none
  TimePoint ejected_until = absl::InfinitePast();
  TimePoint admits_at = absl::InfinitePast();  // the breaker; in the past: now
  bool probing = false;     // it is half-open and has no permit left: admits_at is a guess
  int in_flight = 0;
  Duration ewma;            // of the time to first token; zero: not known
  TimePoint available_since = absl::InfinitePast();  // slow start counts from here
};

// A change of a breaker's state that one result made.
struct BreakerChange {
  BreakerState from;
  BreakerState to;
};

// How an attempt ended, as far as its endpoint and upstream learn from it.
struct AttemptResult {
  CircuitBreaker::Outcome outcome = CircuitBreaker::Outcome::kIgnored;
  std::string_view failure;  // "503", "timeout"; for people
  std::optional<Duration> time_to_first_token;
  // Nobody waited for it any longer, and it had told nothing so far: its first
  // content would have taken at least so long.
  std::optional<Duration> silent_for;
  // Set by its ticket: when its first content came.
  std::optional<TimePoint> answered;
};

// Thread-safe.
class EndpointState {
 public:
  explicit EndpointState(TimePoint now = absl::InfinitePast());

  // `active`: it takes calls. One that is new, or takes calls again, begins its
  // slow start.
  void Configure(const CircuitBreakerConfig& breaker, bool active, TimePoint now);
  EndpointView View(TimePoint now) const;

  // A permit of the breaker, or none. The attempt counts as in flight from
  // here to Ended or Withdrawn, exactly one of which follows. An open breaker
  // whose time is over becomes half open by it, which `change` tells.
  std::optional<CircuitBreaker::Permit> TryStart(TimePoint now, Random& random,
                                                 std::optional<BreakerChange>* change = nullptr);
  // Not begun after all: the permit goes back.
  void Withdrawn(const CircuitBreaker::Permit& permit, TimePoint now, Random& random);

  // The first content came: a success now, and no news at the end unless it is cut.
  std::optional<BreakerChange> Answers(CircuitBreaker::Permit& permit, Duration time_to_first_token,
                                       Duration ewma_decay, TimePoint now, Random& random);
  // The caller left before that: as CircuitBreaker::TryVerify. Ended follows in
  // any case, later or at once.
  bool TryVerify(CircuitBreaker::Permit& permit, TimePoint now);

  struct Learned {
    std::optional<BreakerChange> breaker;
    bool wants_ejection = false;  // enough failures in a row
  };
  // `outlier` null: no outlier detection.
  Learned Ended(const CircuitBreaker::Permit& permit, const AttemptResult& result, const OutlierConfig* outlier,
                TimePoint now, Random& random);
  // The time for which it is out.
  Duration Eject(const OutlierConfig& outlier, TimePoint now);
  // Ejected, or its breaker admits nothing.
  bool out(TimePoint now) const;

  // The verdict of active health checks.
  void SetHealthy(bool healthy, TimePoint now);

  // For operators and metrics.
  BreakerFigures breaker_figures(TimePoint now) const;
  // False: its mode keeps the breaker from refusing calls.
  bool TripBreaker(TimePoint now, Duration lasting, std::string reason);
  void ResetBreaker(TimePoint now);
  int in_flight() const;
  uint64_t ejections() const;

 private:
  std::optional<BreakerChange> RecordBreaker(const CircuitBreaker::Permit& permit, const AttemptResult& result,
                                             TimePoint now, Random& random) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable std::mutex mutex_;
  CircuitBreaker breaker_ ABSL_GUARDED_BY(mutex_);
  OutlierHost outlier_ ABSL_GUARDED_BY(mutex_);
  PeakEwma ewma_ ABSL_GUARDED_BY(mutex_);
  Duration ewma_decay_ ABSL_GUARDED_BY(mutex_) = absl::Seconds(10);
  bool active_ ABSL_GUARDED_BY(mutex_) = false;
  bool healthy_ ABSL_GUARDED_BY(mutex_) = true;
  TimePoint available_since_ ABSL_GUARDED_BY(mutex_);
  int in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t ejections_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_ENDPOINT_STATE_H_
