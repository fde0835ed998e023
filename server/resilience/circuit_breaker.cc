#include "server/resilience/circuit_breaker.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

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

double Percent(uint32_t part, uint32_t whole) { return whole == 0 ? 0 : part * 100.0 / whole; }

bool TooManyFailed(const CallCounts& counts, const CircuitBreakerConfig& config) {
  return counts.failures * 100.0 >= config.failure_percent * counts.calls;
}

bool TooManySlow(const CallCounts& counts, const CircuitBreakerConfig& config) {
  return counts.slow * 100.0 >= config.slow_percent * counts.calls;
}

std::string Seconds(Duration time) { return absl::StrFormat("%g s", absl::ToDoubleSeconds(time)); }

// "31 of 52 calls failed in the last 60 s (59.6 % >= 50 %)". Failures are named
// before slowness: they weigh more.
std::string RateText(const CallCounts& counts, const CircuitBreakerConfig& config, std::string_view what,
                     std::string_view when) {
  const bool failed = TooManyFailed(counts, config);
  const uint32_t part = failed ? counts.failures : counts.slow;
  const std::string verb =
      failed ? "failed" : absl::StrCat("waited longer than ", Seconds(config.slow_after), " for the first token");
  return absl::StrFormat("%d of %d %s %s%s (%.3g %% >= %g %%)", part, counts.calls, what, verb, when,
                         Percent(part, counts.calls), failed ? config.failure_percent : config.slow_percent);
}

std::string WindowText(const CallCounts& counts, const CircuitBreakerConfig& config) {
  return config.count_window ? RateText(counts, config, "last calls", "")
                             : RateText(counts, config, "calls", absl::StrCat(" in the last ", Seconds(config.time_window)));
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

void CircuitBreaker::Record(const Permit& permit, Outcome outcome, std::optional<Duration> time_to_first_token,
                            std::string_view failure_name, TimePoint now, Random& random) {
  Advance(now);
  if (permit.epoch != epoch_) return;
  if (!Learns()) outcome = Outcome::kIgnored;
  if (outcome == Outcome::kIgnored) {
    if (permit.probe) --probes_taken_;
    return;
  }
  const bool failed = outcome == Outcome::kFailure;
  const bool slow = time_to_first_token.has_value() && *time_to_first_token > config_.slow_after;
  (permit.probe ? probes_ : window_).Add(failed, slow, failure_name, now);
  permit.probe ? JudgeProbes(now) : JudgeWindow(now, random);
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
  return probes_.Counts(half_open_until_) == CallCounts{.calls = probes_taken_};
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
  ++opened_total_;
  last_trip_ = std::move(trip);
}

void CircuitBreaker::Close(TimePoint now) {
  phase_ = {BreakerState::kClosed, now};
  ++epoch_;
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
  if (counts.calls < EnoughCalls(config_)) return;
  const bool failed = TooManyFailed(counts, config_);
  if (!failed && !TooManySlow(counts, config_)) return;
  const uint32_t in_row = phase_.opened_in_row + 1;
  Open({BreakerState::kOpen, now, now + OpenTime(in_row, DrawJitter(random)), in_row},
       {.cause = failed ? BreakerTrip::Cause::kFailures : BreakerTrip::Cause::kSlow,
        .at = now,
        .reason = WindowText(counts, config_),
        .counts = counts,
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
        .reason = RateText(counts, config_, "probes", ""),
        .counts = counts,
        .failures = probes_.Failures(now)});
}

// --- What people do to it

void CircuitBreaker::Configure(const CircuitBreakerConfig& config, TimePoint now) {
  Advance(now);
  if (config.mode != config_.mode) mode_since_ = now;
  if (!SameWindow(config, config_)) window_ = MakeWindow(config);
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
