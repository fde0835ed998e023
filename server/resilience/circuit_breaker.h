// Stops calls to what keeps failing, and probes whether it is well again: one
// for each endpoint and one for each upstream. Pure: time and randomness are
// arguments. Called by the engine once when an attempt is admitted, once when its
// first content came, and once when it ended, and by operators. Not thread-safe:
// the holder locks.
//
// First content is a success when it comes. If the answer is cut then, it becomes a
// failure in place of the success, so that no attempt counts twice; cuts are judged
// among the answers that are over, too.
//
// What a caller ends is no result. But callers that all leave early would hide that
// nothing answers here, so after some such ends in a row one attempt goes on to its
// own end and stands for them: TryVerify.
#ifndef SLUICE_SERVER_RESILIENCE_CIRCUIT_BREAKER_H_
#define SLUICE_SERVER_RESILIENCE_CIRCUIT_BREAKER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/resilience/breaker_window.h"
#include "server/resilience/random.h"
#include "server/resilience/time.h"

namespace sluice {

// What a policy makes of a breaker, as sluice.v1.BreakerMode.
enum class BreakerMode {
  kAutomatic,
  kDisabled,     // admits all, records nothing
  kForcedOpen,   // admits nothing
  kObserveOnly,  // admits all, records, and tells what it would do
};

enum class BreakerState { kClosed, kOpen, kHalfOpen, kDisabled, kForcedOpen, kObserveOnly };

struct CircuitBreakerConfig {
  // Opens when a rate is at or above its percentage, and calls >= min_calls.
  double failure_percent = 50;
  double slow_percent = 100;
  // A call is slow when its time to first token is longer than this.
  Duration slow_after = absl::Seconds(60);
  // The last `count` calls, or those of the last `time_window` (resolution: a
  // sixtieth of it).
  bool count_window = false;
  Duration time_window = absl::Seconds(60);
  uint32_t count = 100;
  // A count window clamps it to its size, half-open to its permits.
  uint32_t min_calls = 20;
  // The first time; each further one in a row doubles it. Jitter ± 20 % on top.
  Duration open = absl::Seconds(10);
  Duration max_open = absl::Seconds(300);
  // Few: a herd would trip a provider that is just recovering.
  uint32_t half_open_permits = 3;
  // Half-open for longer is open again: probes that never end leave no stuck
  // state behind.
  Duration max_half_open = absl::Seconds(30);
  BreakerMode mode = BreakerMode::kAutomatic;
  // Ends in silence in a row, by callers, after which an attempt is verified; 0:
  // none ever is, half-open neither.
  uint32_t verify_after = 5;

  bool operator==(const CircuitBreakerConfig&) const = default;
};

// Why a breaker opened, with the numbers of that moment.
struct BreakerTrip {
  enum class Cause {
    kNone,
    kFailures,      // too many failed
    kSlow,          // too many were slow
    kProbesFailed,  // half-open: the probes failed, or were slow
    kProbesLate,    // half-open for longer than max_half_open
    kOperator,
  };

  Cause cause = Cause::kNone;
  TimePoint at = absl::InfinitePast();
  // "31 of 52 calls failed in the last 60 s (59.6 % >= 50 %)"
  std::string reason;
  CallCounts counts;
  std::vector<FailureCount> failures;  // most frequent first
};

// What operators and metrics see.
struct BreakerFigures {
  // What acts.
  BreakerState state = BreakerState::kClosed;
  TimePoint since;
  // What results alone would make of it: kClosed, kOpen or kHalfOpen. Differs
  // from `state` in modes other than automatic; kObserveOnly tells by it what
  // it would do.
  BreakerState automatic = BreakerState::kClosed;
  TimePoint automatic_since;
  // Of automatic == kOpen: the first call from then on is a probe. InfinitePast
  // otherwise.
  TimePoint open_until = absl::InfinitePast();
  uint32_t opened_in_row = 0;  // without having closed; operators' trips are not counted
  uint64_t opened_total = 0;
  // Calls that TryAcquire refused; in kObserveOnly those that it would have.
  uint64_t refused_total = 0;
  // In the window; of automatic == kHalfOpen the probes.
  CallCounts counts;
  double failure_percent = 0;
  double slow_percent = 0;
  std::vector<FailureCount> failures;  // most frequent first
  uint32_t permits_used = 0;           // half-open: probes under way or answered
  uint32_t permits = 0;
  BreakerTrip last_trip;
};

class CircuitBreaker {
 public:
  // Held by an admitted call until Record. Tagged with the epoch in which it
  // was admitted: its result moves the state only in that epoch.
  struct Permit {
    uint64_t epoch = 0;  // 0: its result counts nowhere
    bool probe = false;
    bool verifies = false;  // goes on though its caller left
    // Where its first content was counted, and in which window.
    std::optional<BreakerWindow::Mark> answer = std::nullopt;
    uint32_t window = 0;
  };

  enum class Outcome {
    kSuccess,
    kFailure,
    kIgnored,  // gives the permit back: the caller's error, cancelled, our own limits
  };

  CircuitBreaker(const CircuitBreakerConfig& config, TimePoint now);

  // TryAcquire would succeed.
  bool Admits(TimePoint now) const;
  // The earliest time at which it may admit: now if it does, the end of open,
  // InfiniteFuture when forced open. Half-open with all permits out: a probe's
  // answer may come at any time, so a short while (min(open, 1 s)) from now.
  TimePoint AdmitsAt(TimePoint now) const;
  // Half-open with all permits out: AdmitsAt is a guess, not a time that is known.
  bool AwaitsProbes(TimePoint now) const;
  // The first call after the end of open makes the breaker half-open.
  std::optional<Permit> TryAcquire(TimePoint now, Random& random);

  // First content came, from here on a success. A probe is judged by it: half-open
  // need not wait for a long answer's end.
  void Answer(Permit& permit, Duration time_to_first_token, TimePoint now, Random& random);

  // Once for each permit, at its end. After Answer, kFailure is a cut, and all else
  // leaves the success as it is. `time_to_first_token`: nullopt where there was
  // none; of a call that timed out before, pass how long it waited. `failure_name`
  // ("503", "timeout") is for explain.
  void Record(const Permit& permit, Outcome outcome, std::optional<Duration> time_to_first_token,
              std::string_view failure_name, TimePoint now, Random& random);

  // The caller left before any content. True: the attempt is to go on, and its own
  // end is recorded. False: the end in silence was counted, and kIgnored is to be
  // recorded. One goes on at a time: after verify_after ends in silence in a row
  // (without any content in between), or the first of half-open. Where that one
  // fails, and nothing came from here meanwhile, the breaker opens at once: it
  // stands for all those before it, whose share nobody knows.
  bool TryVerify(Permit& permit, TimePoint now);

  // New thresholds keep state and counters; a new window starts its counters
  // anew but never closes what is open. An open time under way keeps its end.
  void Configure(const CircuitBreakerConfig& config, TimePoint now);

  // By an operator: open for this time, then half-open. False: the policy's mode
  // keeps it from refusing calls.
  bool Trip(TimePoint now, Duration lasting, std::string reason);
  // By an operator: closed, counters cleared. The policy's mode stays.
  void Reset(TimePoint now);

  BreakerFigures Figures(TimePoint now) const;
  // Figures().state alone.
  BreakerState state(TimePoint now) const;
  const CircuitBreakerConfig& config() const { return config_; }

 private:
  // What results and time made of it, whatever the mode.
  struct Phase {
    BreakerState state = BreakerState::kClosed;
    TimePoint since;
    TimePoint open_until = absl::InfinitePast();
    uint32_t opened_in_row = 0;
  };

  bool Acts() const;
  bool Learns() const;
  bool PhaseAdmits(TimePoint now) const;
  // Half-open whose time is over reads as open, also before a call made it so.
  Phase PhaseAt(TimePoint now) const;
  void Advance(TimePoint now);
  bool ProbesTold() const;
  Duration OpenTime(uint32_t in_row, double jitter) const;
  void Open(const Phase& phase, BreakerTrip trip);
  void Close(TimePoint now);
  void BeginHalfOpen(TimePoint now, Random& random);
  BreakerWindow& WindowOf(const Permit& permit) { return permit.probe ? probes_ : window_; }
  void AnswerEnded(const Permit& permit, Outcome outcome, std::string_view failure_name, TimePoint now,
                   Random& random);
  void Judge(const Permit& permit, TimePoint now, Random& random) {
    permit.probe ? JudgeProbes(now) : JudgeWindow(now, random);
  }
  void OpenAsVerified(std::string_view failure_name, TimePoint now, Random& random);
  void OpenFor(BreakerTrip::Cause cause, std::string reason, TimePoint now, Random& random);
  void JudgeWindow(TimePoint now, Random& random);
  void JudgeProbes(TimePoint now);

  CircuitBreakerConfig config_;
  TimePoint mode_since_;
  Phase phase_;
  uint64_t epoch_ = 1;
  BreakerWindow window_;
  uint32_t window_number_ = 0;  // a mark is of use in the window that it was made for
  uint32_t silent_ends_ = 0;    // in a row, by callers
  bool verifying_ = false;
  bool heard_ = false;  // there was content since the verified attempt's caller left
  // Half-open only.
  BreakerWindow probes_;
  uint32_t probes_taken_ = 0;
  TimePoint half_open_until_;
  double reopen_jitter_ = 1;  // drawn beforehand: a breaker reopens by time alone, too
  uint64_t opened_total_ = 0;
  uint64_t refused_total_ = 0;
  BreakerTrip last_trip_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_CIRCUIT_BREAKER_H_
