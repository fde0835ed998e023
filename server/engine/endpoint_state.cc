#include "server/engine/endpoint_state.h"

#include <algorithm>
#include <utility>

namespace sluice {
namespace {

std::optional<BreakerChange> ChangeBetween(BreakerState before, BreakerState after) {
  if (before == after) return std::nullopt;
  return BreakerChange{before, after};
}

}  // namespace

EndpointState::EndpointState(TimePoint now) : breaker_(CircuitBreakerConfig{}, now), available_since_(now) {}

void EndpointState::Configure(const CircuitBreakerConfig& breaker, bool active, TimePoint now) {
  std::lock_guard lock(mutex_);
  if (active && !active_) available_since_ = now;
  active_ = active;
  if (breaker_.config() != breaker) breaker_.Configure(breaker, now);
}

EndpointView EndpointState::View(TimePoint now) const {
  std::lock_guard lock(mutex_);
  EndpointView view;
  view.healthy = healthy_;
  view.ejected_until = outlier_.ejected_until();
  view.admits_at = breaker_.AdmitsAt(now);
  view.probing = view.admits_at > now && breaker_.AwaitsProbes(now);
  view.in_flight = in_flight_;
  view.ewma = ewma_.Value(now, ewma_decay_);
  view.available_since = std::max(available_since_, view.ejected_until);
  return view;
}

std::optional<CircuitBreaker::Permit> EndpointState::TryStart(TimePoint now, Random& random,
                                                              std::optional<BreakerChange>* change) {
  std::lock_guard lock(mutex_);
  const BreakerState before = breaker_.state(now);
  const auto permit = breaker_.TryAcquire(now, random);
  if (change != nullptr) *change = ChangeBetween(before, breaker_.state(now));
  if (permit) ++in_flight_;
  return permit;
}

void EndpointState::Withdrawn(const CircuitBreaker::Permit& permit, TimePoint now, Random& random) {
  std::lock_guard lock(mutex_);
  --in_flight_;
  breaker_.Record(permit, CircuitBreaker::Outcome::kIgnored, std::nullopt, "", now, random);
}

std::optional<BreakerChange> EndpointState::Answers(CircuitBreaker::Permit& permit, Duration time_to_first_token,
                                                    Duration ewma_decay, TimePoint now, Random& random) {
  std::lock_guard lock(mutex_);
  ewma_decay_ = ewma_decay;
  ewma_.Observe(time_to_first_token, now, ewma_decay);
  outlier_.OnContent();
  const BreakerState before = breaker_.state(now);
  breaker_.Answer(permit, time_to_first_token, now, random);
  return ChangeBetween(before, breaker_.state(now));
}

bool EndpointState::TryVerify(CircuitBreaker::Permit& permit, TimePoint now) {
  std::lock_guard lock(mutex_);
  return breaker_.TryVerify(permit, now);
}

std::optional<BreakerChange> EndpointState::RecordBreaker(const CircuitBreaker::Permit& permit,
                                                          const AttemptResult& result, TimePoint now,
                                                          Random& random) {
  const BreakerState before = breaker_.state(now);
  breaker_.Record(permit, result.outcome, result.time_to_first_token, result.failure, now, random);
  return ChangeBetween(before, breaker_.state(now));
}

EndpointState::Learned EndpointState::Ended(const CircuitBreaker::Permit& permit, const AttemptResult& result,
                                            const OutlierConfig* outlier, TimePoint now, Random& random) {
  std::lock_guard lock(mutex_);
  --in_flight_;
  if (result.silent_for) ewma_.ObserveAtLeast(*result.silent_for, now, ewma_decay_);
  Learned learned;
  learned.breaker = RecordBreaker(permit, result, now, random);
  if (outlier == nullptr) return learned;
  if (result.outcome == CircuitBreaker::Outcome::kFailure) {
    learned.wants_ejection = result.answered ? outlier_.OnCut(*outlier, now) : outlier_.OnFailure(*outlier, now);
  } else if (result.answered) {
    outlier_.OnAnswerEnded();
  } else if (result.outcome == CircuitBreaker::Outcome::kSuccess) {
    outlier_.OnSuccess();
  }
  return learned;
}

Duration EndpointState::Eject(const OutlierConfig& outlier, TimePoint now) {
  std::lock_guard lock(mutex_);
  outlier_.Eject(outlier, now);
  ++ejections_;
  return outlier_.ejected_until() - now;
}

bool EndpointState::out(TimePoint now) const {
  std::lock_guard lock(mutex_);
  return outlier_.ejected(now) || breaker_.AdmitsAt(now) > now;
}

void EndpointState::SetHealthy(bool healthy, TimePoint now) {
  std::lock_guard lock(mutex_);
  if (healthy && !healthy_) available_since_ = now;
  healthy_ = healthy;
}

BreakerFigures EndpointState::breaker_figures(TimePoint now) const {
  std::lock_guard lock(mutex_);
  return breaker_.Figures(now);
}

bool EndpointState::TripBreaker(TimePoint now, Duration lasting, std::string reason) {
  std::lock_guard lock(mutex_);
  return breaker_.Trip(now, lasting, std::move(reason));
}

void EndpointState::ResetBreaker(TimePoint now) {
  std::lock_guard lock(mutex_);
  breaker_.Reset(now);
}

int EndpointState::in_flight() const {
  std::lock_guard lock(mutex_);
  return in_flight_;
}

uint64_t EndpointState::ejections() const {
  std::lock_guard lock(mutex_);
  return ejections_;
}

}  // namespace sluice
