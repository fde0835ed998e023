#include "server/command/breaker_status.h"

#include <algorithm>

#include "proto/policy/duration_text.h"

namespace sluice {
namespace {

bool IsFinite(TimePoint time) { return time != absl::InfinitePast() && time != absl::InfiniteFuture(); }

google::protobuf::Timestamp OnTheWall(TimePoint time, const Moment& moment) {
  return ToProto(moment.wall - (moment.now - time));
}

v1::BreakerCause CauseOf(BreakerTrip::Cause cause) {
  switch (cause) {
    case BreakerTrip::Cause::kNone:
      return v1::BREAKER_CAUSE_UNSPECIFIED;
    case BreakerTrip::Cause::kFailures:
      return v1::BREAKER_CAUSE_FAILURES;
    case BreakerTrip::Cause::kSlow:
      return v1::BREAKER_CAUSE_SLOW;
    case BreakerTrip::Cause::kProbesFailed:
      return v1::BREAKER_CAUSE_PROBES_FAILED;
    case BreakerTrip::Cause::kProbesLate:
      return v1::BREAKER_CAUSE_PROBES_LATE;
    case BreakerTrip::Cause::kOperator:
      return v1::BREAKER_CAUSE_OPERATOR;
  }
  return v1::BREAKER_CAUSE_UNSPECIFIED;
}

void SetFailures(const std::vector<FailureCount>& failures,
                 google::protobuf::RepeatedPtrField<v1::FailureCount>& out) {
  for (const FailureCount& failure : failures) {
    v1::FailureCount& entry = *out.Add();
    entry.set_failure(failure.name);
    entry.set_count(failure.count);
  }
}

void SetWindow(const BreakerView& view, v1::BreakerWindow& window) {
  const CircuitBreakerConfig& config = view.config;
  const BreakerFigures& figures = view.figures;
  uint32_t min_calls = config.min_calls;
  if (config.count_window) {
    window.set_call_span(config.count);
    min_calls = std::min(min_calls, config.count);
  } else {
    *window.mutable_time_span() = ToProto(config.time_window);
  }
  window.set_calls(figures.counts.calls);
  window.set_failures(figures.counts.failures);
  window.set_slow(figures.counts.slow);
  window.set_failure_percent(figures.failure_percent);
  window.set_slow_percent(figures.slow_percent);
  window.set_min_calls(min_calls);
  window.set_max_failure_percent(config.failure_percent);
  window.set_max_slow_percent(config.slow_percent);
  *window.mutable_slow_after() = ToProto(config.slow_after);
  SetFailures(figures.failures, *window.mutable_by_failure());
}

void SetProbes(const BreakerFigures& figures, v1::BreakerProbes& probes) {
  probes.set_permits(figures.permits);
  if (figures.automatic != BreakerState::kHalfOpen) return;
  probes.set_taken(figures.permits_used);
  probes.set_answered(figures.counts.calls);
  probes.set_failed(figures.counts.failures);
}

void SetOpening(const BreakerTrip& trip, const Moment& moment, v1::BreakerOpening& opening) {
  opening.set_cause(CauseOf(trip.cause));
  if (IsFinite(trip.at)) *opening.mutable_at() = OnTheWall(trip.at, moment);
  opening.set_reason(trip.reason);
  opening.set_calls(trip.counts.calls);
  opening.set_failures(trip.counts.failures);
  opening.set_slow(trip.counts.slow);
  SetFailures(trip.failures, *opening.mutable_by_failure());
}

v1::HoldCause ToProto(EndpointHold::Cause cause) {
  switch (cause) {
    case EndpointHold::Cause::kInactive:
      return v1::HOLD_CAUSE_INACTIVE;
    case EndpointHold::Cause::kUnhealthy:
      return v1::HOLD_CAUSE_UNHEALTHY;
    case EndpointHold::Cause::kEjected:
      return v1::HOLD_CAUSE_EJECTED;
    case EndpointHold::Cause::kUpstreamOpen:
      return v1::HOLD_CAUSE_UPSTREAM_OPEN;
    case EndpointHold::Cause::kCooling:
      return v1::HOLD_CAUSE_COOLING;
  }
  return v1::HOLD_CAUSE_UNSPECIFIED;
}

}  // namespace

v1::EndpointHold ToProto(const EndpointHold& hold, const Moment& moment) {
  v1::EndpointHold out;
  out.set_cause(ToProto(hold.cause));
  if (IsFinite(hold.until)) {
    *out.mutable_until() = OnTheWall(hold.until, moment);
    *out.mutable_remaining() = ToProto(std::max(absl::ZeroDuration(), hold.until - moment.now));
  }
  out.set_resting(static_cast<uint32_t>(hold.resting));
  out.set_credentials(static_cast<uint32_t>(hold.credentials));
  return out;
}

v1::BreakerState ToProto(BreakerState state) {
  switch (state) {
    case BreakerState::kClosed:
      return v1::BREAKER_STATE_CLOSED;
    case BreakerState::kOpen:
      return v1::BREAKER_STATE_OPEN;
    case BreakerState::kHalfOpen:
      return v1::BREAKER_STATE_HALF_OPEN;
    case BreakerState::kDisabled:
      return v1::BREAKER_STATE_DISABLED;
    case BreakerState::kForcedOpen:
      return v1::BREAKER_STATE_FORCED_OPEN;
    case BreakerState::kObserveOnly:
      return v1::BREAKER_STATE_OBSERVE_ONLY;
  }
  return v1::BREAKER_STATE_UNSPECIFIED;
}

v1::BreakerStatus ToStatus(const BreakerView& view, const Moment& moment) {
  const BreakerFigures& figures = view.figures;
  v1::BreakerStatus status;
  status.set_upstream(view.name.upstream);
  status.set_endpoint(view.name.endpoint);
  status.set_state(ToProto(figures.state));
  status.set_automatic(ToProto(figures.automatic));
  if (IsFinite(figures.since)) {
    *status.mutable_since() = OnTheWall(figures.since, moment);
    *status.mutable_age() = ToProto(std::max(absl::ZeroDuration(), moment.now - figures.since));
  }
  if (figures.state == BreakerState::kOpen && IsFinite(figures.open_until)) {
    *status.mutable_open_until() = OnTheWall(figures.open_until, moment);
    *status.mutable_open_for() = ToProto(figures.open_until - figures.since);
  }
  status.set_times_in_a_row(figures.automatic == BreakerState::kClosed ? 0 : figures.opened_in_row);
  SetWindow(view, *status.mutable_window());
  SetProbes(figures, *status.mutable_probes());
  if (figures.last_trip.cause != BreakerTrip::Cause::kNone) {
    SetOpening(figures.last_trip, moment, *status.mutable_last_opening());
  }
  status.set_opened_total(figures.opened_total);
  status.set_refused_total(figures.refused_total);
  for (const EndpointHold& hold : view.holds) *status.add_holds() = ToProto(hold, moment);
  return status;
}

}  // namespace sluice
