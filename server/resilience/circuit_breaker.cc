#include "server/resilience/circuit_breaker.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_format.h"
#include "server/resilience/breaker_rates.h"

namespace sluice {
namespace {

// Spreads the probes of many data planes that tripped together.
constexpr double kOpenJitter = 0.2;
// How soon to ask again while probes are under way.
constexpr Duration kProbePoll = absl::Seconds(1);

double DrawJitter(Random& random) { return 1 - kOpenJitter + 2 * kOpenJitter * random.Uniform(); }

BreakerWindow MakeWindow(const CircuitBreakerConfig& config) {
  return config.count_window ? BreakerWindow::OfCount(config.count) : BreakerWindow::OfTime(config.time_window);
}

bool SameWindow(const CircuitBreakerConfig& a, const CircuitBreakerConfig& b) {
  if (a.count_window != b.count_window) return false;
  return a.count_window ? a.count == b.count : a.time_window == b.time_window;
}

uint32_t Permits(const CircuitBreakerConfig& config) { return std::max(1u, config.half_open_permits); }

// Calls from which on rates are judged.
uint32_t EnoughCalls(const CircuitBreakerConfig& config) {
  return std::max(1u, config.count_window ? std::min(config.min_calls, config.count) : config.min_calls);
}

uint32_t EnoughProbes(const CircuitBreakerConfig& config) {
  return std::max(1u, std::min(config.min_calls, Permits(config)));
}

}  // namespace

CircuitBreaker::CircuitBreaker(const CircuitBreakerConfig& config, TimePoint now)
    : config_(config),
      mode_since_(now),
      window_(MakeWindow(config)),
      // Holds as many results as there are permits, which may change meanwhile.
      probes_(BreakerWindow::OfCount(std::numeric_limits<uint32_t>::max())) {
  phase_.since = now;
}

// --- What the mode lets through

bool CircuitBreaker::Acts() const { return config_.mode == BreakerMode::kAutomatic; }

bool CircuitBreaker::Learns() const { return Acts() || config_.mode == BreakerMode::kObserveOnly; }

bool CircuitBreaker::Admits(TimePoint now) const {
  if (Acts()) return PhaseAdmits(now);
  return config_.mode != BreakerMode::kForcedOpen;
}

TimePoint CircuitBreaker::AdmitsAt(TimePoint now) const {
  if (Admits(now)) return now;
  if (!Acts()) return absl::InfiniteFuture();
  const Phase phase = PhaseAt(now);
  if (phase.state == BreakerState::kOpen) return phase.open_until;
  const TimePoint soon = now + std::min(config_.open, kProbePoll);
  if (soon < half_open_until_) return soon;
  return PhaseAt(half_open_until_).open_until;
}

bool CircuitBreaker::AwaitsProbes(TimePoint now) const {
  return Acts() && PhaseAt(now).state == BreakerState::kHalfOpen && !PhaseAdmits(now);
}

std::optional<CircuitBreaker::Permit> CircuitBreaker::TryAcquire(TimePoint now, Random& random) {
  if (config_.mode == BreakerMode::kDisabled) return Permit{};
  Advance(now);
  if (config_.mode == BreakerMode::kForcedOpen || !PhaseAdmits(now)) {
    ++refused_total_;
    // A real breaker would not have seen this call: its result counts nowhere.
    return config_.mode == BreakerMode::kObserveOnly ? std::optional<Permit>(Permit{}) : std::nullopt;
  }
  if (phase_.state == BreakerState::kOpen) BeginHalfOpen(now, random);
  const bool probe = phase_.state == BreakerState::kHalfOpen;
  if (probe) ++probes_taken_;
  return Permit{epoch_, probe};
}

void CircuitBreaker::Answer(Permit& permit, Duration time_to_first_token, TimePoint now, Random& random) {
  Advance(now);
  silent_ends_ = 0;
  heard_ = true;
  if (permit.epoch != epoch_ || !Learns()) return;
  permit.answer = WindowOf(permit).AddAnswering(time_to_first_token > config_.slow_after, now);
  permit.window = window_number_;
  Judge(permit, now, random);
}

void CircuitBreaker::Record(const Permit& permit, Outcome outcome, std::optional<Duration> time_to_first_token,
                            std::string_view failure_name, TimePoint now, Random& random) {
  Advance(now);
  if (permit.verifies) verifying_ = false;
  if (permit.epoch != epoch_) return;
  if (!Learns()) outcome = Outcome::kIgnored;
  if (permit.answer) return AnswerEnded(permit, outcome, failure_name, now, random);
  if (outcome == Outcome::kIgnored) {
    if (permit.probe) --probes_taken_;
    return;
  }
  const bool failed = outcome == Outcome::kFailure;
  const bool slow = time_to_first_token.has_value() && *time_to_first_token > config_.slow_after;
  if (!failed) silent_ends_ = 0;
  WindowOf(permit).Add(failed, slow, failure_name, now);
  if (failed && permit.verifies && !permit.probe && !heard_) return OpenAsVerified(failure_name, now, random);
  Judge(permit, now, random);
}

void CircuitBreaker::AnswerEnded(const Permit& permit, Outcome outcome, std::string_view failure_name, TimePoint now,
                                 Random& random) {
  BreakerWindow& window = WindowOf(permit);
  const bool there = permit.probe || permit.window == window_number_;
  if (outcome != Outcome::kFailure) {
    if (there) window.AnswerEnded(*permit.answer);
    return;
  }
  if (there) {
    window.AnswerCut(*permit.answer, failure_name, now);
  } else {
    window.Add(/*failed=*/true, permit.answer->slow, failure_name, now);
  }
  Judge(permit, now, random);
}

bool CircuitBreaker::TryVerify(Permit& permit, TimePoint now) {
  Advance(now);
  if (config_.verify_after == 0 || !Learns() || permit.epoch != epoch_ || permit.answer) return false;
  if (!permit.probe && silent_ends_ < config_.verify_after) {
    ++silent_ends_;
    return false;
  }
  if (verifying_) return false;
  verifying_ = permit.verifies = true;
  heard_ = false;
  return true;
}

// --- What results and time make of it

bool CircuitBreaker::PhaseAdmits(TimePoint now) const {
  const Phase phase = PhaseAt(now);
  switch (phase.state) {
    case BreakerState::kOpen:
      return now >= phase.open_until;
    case BreakerState::kHalfOpen:
      return probes_taken_ < Permits(config_);
    default:
      return true;
  }
}

CircuitBreaker::Phase CircuitBreaker::PhaseAt(TimePoint now) const {
  if (phase_.state != BreakerState::kHalfOpen || now < half_open_until_) return phase_;
  // That too few calls came to probe it says nothing against it: only what is
  // unanswered or went badly makes the next open time longer.
  const uint32_t in_row = phase_.opened_in_row + (ProbesTold() ? 0 : 1);
  return {BreakerState::kOpen, half_open_until_, half_open_until_ + OpenTime(in_row, reopen_jitter_), in_row};
}

bool CircuitBreaker::ProbesTold() const {
  const CallCounts counts = probes_.Counts(half_open_until_);
  return counts.calls == probes_taken_ && counts.failures == 0 && counts.slow == 0;
}

void CircuitBreaker::Advance(TimePoint now) {
  const Phase phase = PhaseAt(now);
  if (phase.state == phase_.state) return;
  const CallCounts counts = probes_.Counts(now);
  Open(phase, {.cause = BreakerTrip::Cause::kProbesLate,
               .at = phase.since,
               .reason = absl::StrFormat("half-open for %s: %d of %d probes were answered",
                                         Seconds(phase.since - phase_.since), counts.calls, Permits(config_)),
               .counts = counts,
               .failures = probes_.Failures(now)});
}

Duration CircuitBreaker::OpenTime(uint32_t in_row, double jitter) const {
  const int doublings = static_cast<int>(std::min(in_row, 64u)) - 1;
  return std::min(config_.max_open, config_.open * std::ldexp(1.0, std::max(0, doublings))) * jitter;
}

void CircuitBreaker::Open(const Phase& phase, BreakerTrip trip) {
  phase_ = phase;
  ++epoch_;
  silent_ends_ = 0;
  ++opened_total_;
  last_trip_ = std::move(trip);
}

void CircuitBreaker::Close(TimePoint now) {
  phase_ = {BreakerState::kClosed, now};
  ++epoch_;
  silent_ends_ = 0;
  window_.Clear();
}

void CircuitBreaker::BeginHalfOpen(TimePoint now, Random& random) {
  phase_.state = BreakerState::kHalfOpen;
  phase_.since = now;
  phase_.open_until = absl::InfinitePast();
  ++epoch_;
  probes_.Clear();
  probes_taken_ = 0;
  half_open_until_ = now + config_.max_half_open;
  reopen_jitter_ = DrawJitter(random);
}

void CircuitBreaker::JudgeWindow(TimePoint now, Random& random) {
  const CallCounts counts = window_.Counts(now);
  const uint32_t enough = EnoughCalls(config_);
  if (counts.calls < enough) return;
  const bool failed = TooManyFailed(counts, config_);
  const bool cut = counts.cut > 0 && counts.answered() >= enough && TooManyCut(counts, config_);
  if (!failed && !cut && !TooManySlow(counts, config_)) return;
  OpenFor(failed || cut ? BreakerTrip::Cause::kFailures : BreakerTrip::Cause::kSlow,
          WindowText(counts, config_, failed, cut), now, random);
}

// The one attempt stands for those before it: their callers could not tell.
void CircuitBreaker::OpenAsVerified(std::string_view failure_name, TimePoint now, Random& random) {
  OpenFor(BreakerTrip::Cause::kFailures,
          absl::StrFormat("an attempt that went on when its caller had left failed (%s), and there was no content for "
                          "%d callers in a row that left before",
                          failure_name, config_.verify_after),
          now, random);
}

void CircuitBreaker::OpenFor(BreakerTrip::Cause cause, std::string reason, TimePoint now, Random& random) {
  const uint32_t in_row = phase_.opened_in_row + 1;
  Open({BreakerState::kOpen, now, now + OpenTime(in_row, DrawJitter(random)), in_row},
       {.cause = cause,
        .at = now,
        .reason = std::move(reason),
        .counts = window_.Counts(now),
        .failures = window_.Failures(now)});
}

void CircuitBreaker::JudgeProbes(TimePoint now) {
  const CallCounts counts = probes_.Counts(now);
  if (counts.calls < EnoughProbes(config_)) return;
  if (!TooManyFailed(counts, config_) && !TooManySlow(counts, config_)) return Close(now);
  const uint32_t in_row = phase_.opened_in_row + 1;
  Open({BreakerState::kOpen, now, now + OpenTime(in_row, reopen_jitter_), in_row},
       {.cause = BreakerTrip::Cause::kProbesFailed,
        .at = now,
        .reason = ProbesText(counts, config_),
        .counts = counts,
        .failures = probes_.Failures(now)});
}

// --- What people do to it

void CircuitBreaker::Configure(const CircuitBreakerConfig& config, TimePoint now) {
  Advance(now);
  if (config.mode != config_.mode) mode_since_ = now;
  if (!SameWindow(config, config_)) {
    window_ = MakeWindow(config);
    ++window_number_;
  }
  config_ = config;
  if (phase_.state != BreakerState::kHalfOpen) return;
  half_open_until_ = std::max(now, phase_.since + config_.max_half_open);
  // Fewer permits than were given out: the answers that are here may do.
  JudgeProbes(now);
}

bool CircuitBreaker::Trip(TimePoint now, Duration lasting, std::string reason) {
  // Told to be refused, it must not take effect when a later policy lets it.
  if (config_.mode == BreakerMode::kDisabled || config_.mode == BreakerMode::kObserveOnly) return false;
  Advance(now);
  const CallCounts counts = window_.Counts(now);
  Open({BreakerState::kOpen, now, now + lasting, phase_.opened_in_row},
       {.cause = BreakerTrip::Cause::kOperator,
        .at = now,
        .reason = std::move(reason),
        .counts = counts,
        .failures = window_.Failures(now)});
  return !Admits(now);
}

void CircuitBreaker::Reset(TimePoint now) {
  Advance(now);  // what it did until now stays told
  Close(now);
}

BreakerState CircuitBreaker::state(TimePoint now) const {
  switch (config_.mode) {
    case BreakerMode::kAutomatic:
      return PhaseAt(now).state;
    case BreakerMode::kDisabled:
      return BreakerState::kDisabled;
    case BreakerMode::kForcedOpen:
      return BreakerState::kForcedOpen;
    case BreakerMode::kObserveOnly:
      return BreakerState::kObserveOnly;
  }
  return BreakerState::kClosed;
}

BreakerFigures CircuitBreaker::Figures(TimePoint now) const {
  CircuitBreaker moved = *this;
  moved.Advance(now);
  const bool half_open = moved.phase_.state == BreakerState::kHalfOpen;
  const BreakerWindow& window = half_open ? probes_ : window_;
  const CallCounts counts = window.Counts(now);
  return {.state = state(now),
          .since = Acts() ? moved.phase_.since : mode_since_,
          .automatic = moved.phase_.state,
          .automatic_since = moved.phase_.since,
          .open_until = moved.phase_.open_until,
          .opened_in_row = moved.phase_.opened_in_row,
          .opened_total = moved.opened_total_,
          .refused_total = refused_total_,
          .counts = counts,
          .failure_percent = Percent(counts.failures, counts.calls),
          .slow_percent = Percent(counts.slow, counts.calls),
          .failures = window.Failures(now),
          .permits_used = half_open ? probes_taken_ : 0,
          .permits = Permits(config_),
          .last_trip = std::move(moved.last_trip_)};
}

}  // namespace sluice
