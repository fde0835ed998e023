#include "server/engine/upstream_state.h"

#include <algorithm>
#include <utility>

#include "server/engine/route_queue.h"

namespace sluice {

UpstreamState::UpstreamState() : limit_(ConcurrencyConfig{}) {}

void UpstreamState::Configure(const UpstreamPolicy& policy, TimePoint now) {
  forms_.Configure(policy.dialect);
  std::lock_guard lock(mutex_);
  has_breaker_ = policy.breaker.has_value();
  if (!policy.breaker) {
    // It stays, doing nothing: permits that are still out belong to it, and must
    // not fit one that a later revision makes anew.
    CircuitBreakerConfig disabled;
    disabled.mode = BreakerMode::kDisabled;
    if (breaker_) breaker_->Configure(disabled, now);
  } else if (!breaker_) {
    breaker_.emplace(*policy.breaker, now);
  } else if (breaker_->config() != *policy.breaker) {
    breaker_->Configure(*policy.breaker, now);
  }
  limit_.Configure(policy.limits.value_or(ConcurrencyConfig{}));
  if (!policy.throttle) {
    throttle_.reset();
  } else if (!throttle_) {
    throttle_.emplace(*policy.throttle);
  } else {
    throttle_->Configure(*policy.throttle);
  }
}

TimePoint UpstreamState::admits_at(TimePoint now) const {
  std::lock_guard lock(mutex_);
  return breaker_ ? breaker_->AdmitsAt(now) : absl::InfinitePast();
}

bool UpstreamState::probing(TimePoint now) const {
  std::lock_guard lock(mutex_);
  return breaker_ && breaker_->AwaitsProbes(now);
}

bool UpstreamState::HasRoom(uint64_t tokens) const {
  std::lock_guard lock(mutex_);
  return !limit_.Exceeds(tokens);
}

UpstreamState::Start UpstreamState::TryStart(uint64_t tokens, TimePoint now, Random& random) {
  std::lock_guard lock(mutex_);
  if (throttle_ && random.Uniform() < throttle_->RejectProbability(now)) {
    // A refusal counts as a request: the more is refused here, the less gets
    // through, until the upstream accepts again.
    throttle_->OnRequest(now);
    ++throttled_;
    return {Refusal::kThrottle, {}, {}};
  }
  if (!limit_.TryAcquire(tokens)) return {Refusal::kConcurrency, {}, {}};
  Start start;
  if (breaker_) {
    const BreakerState before = breaker_->state(now);
    const auto granted = breaker_->TryAcquire(now, random);
    if (!granted) {
      limit_.Release(tokens, /*was_connected=*/false);
      return {Refusal::kBreaker, {}, {}};
    }
    start.permit = *granted;
    if (const BreakerState after = breaker_->state(now); after != before) start.change = BreakerChange{before, after};
  }
  return start;
}

void UpstreamState::Connected() {
  std::lock_guard lock(mutex_);
  limit_.Connected();
}

std::optional<BreakerChange> UpstreamState::RecordBreaker(const CircuitBreaker::Permit& permit,
                                                          const AttemptResult& result, TimePoint now,
                                                          Random& random) {
  if (!breaker_) return std::nullopt;
  const BreakerState before = breaker_->state(now);
  breaker_->Record(permit, result.outcome, result.time_to_first_token, result.failure, now, random);
  const BreakerState after = breaker_->state(now);
  if (before == after) return std::nullopt;
  return BreakerChange{before, after};
}

std::optional<BreakerChange> UpstreamState::Answers(CircuitBreaker::Permit& permit, Duration time_to_first_token,
                                                    TimePoint now, Random& random) {
  std::lock_guard lock(mutex_);
  limit_.OnSample(time_to_first_token, now);
  if (throttle_) {
    throttle_->OnRequest(now);
    throttle_->OnAccept(now);
  }
  if (!breaker_) return std::nullopt;
  const BreakerState before = breaker_->state(now);
  breaker_->Answer(permit, time_to_first_token, now, random);
  const BreakerState after = breaker_->state(now);
  if (before == after) return std::nullopt;
  return BreakerChange{before, after};
}

bool UpstreamState::TryVerify(CircuitBreaker::Permit& permit, TimePoint now) {
  std::lock_guard lock(mutex_);
  return breaker_ && breaker_->TryVerify(permit, now);
}

// A request counts once it is known whether it was taken. Of one that nobody waited
// for it never is, and those under way would stand against a slow upstream.
void UpstreamState::TellThrottle(const AttemptResult& result, TimePoint now) {
  const bool failed = result.outcome == CircuitBreaker::Outcome::kFailure;
  if (result.answered) {
    if (failed) throttle_->TakeAcceptBack(*result.answered);
  } else if (!result.silent_for) {
    throttle_->OnRequest(now);
    if (!failed) throttle_->OnAccept(now);
  }
}

std::optional<BreakerChange> UpstreamState::Ended(const CircuitBreaker::Permit& permit, uint64_t tokens,
                                                  bool connected, const AttemptResult& result, TimePoint now,
                                                  Random& random) {
  std::optional<BreakerChange> change;
  Waiters waiters;
  {
    std::lock_guard lock(mutex_);
    limit_.Release(tokens, connected);
    if (throttle_) TellThrottle(result, now);
    if (result.silent_for) limit_.OnAtLeast(*result.silent_for, now);
    change = RecordBreaker(permit, result, now, random);
    waiters = waiters_;
  }
  Wake(waiters);
  return change;
}

void UpstreamState::Withdrawn(const CircuitBreaker::Permit& permit, uint64_t tokens, bool connected, TimePoint now,
                              Random& random) {
  Waiters waiters;
  {
    std::lock_guard lock(mutex_);
    limit_.Release(tokens, connected);
    if (breaker_) breaker_->Record(permit, CircuitBreaker::Outcome::kIgnored, std::nullopt, "", now, random);
    waiters = waiters_;
  }
  Wake(waiters);
}

void UpstreamState::AddWaiter(std::weak_ptr<RouteQueue> queue) {
  std::lock_guard lock(mutex_);
  std::erase_if(waiters_, [](const auto& waiter) { return waiter.expired(); });
  const auto same = [&](const auto& waiter) { return !waiter.owner_before(queue) && !queue.owner_before(waiter); };
  if (std::none_of(waiters_.begin(), waiters_.end(), same)) waiters_.push_back(std::move(queue));
}

void UpstreamState::Wake(const Waiters& waiters) {
  for (const auto& waiter : waiters) {
    if (const auto queue = waiter.lock()) queue->Poke();
  }
}

std::optional<BreakerFigures> UpstreamState::breaker_figures(TimePoint now) const {
  std::lock_guard lock(mutex_);
  if (!has_breaker_) return std::nullopt;
  return breaker_->Figures(now);
}

bool UpstreamState::TripBreaker(TimePoint now, Duration lasting, std::string reason) {
  std::lock_guard lock(mutex_);
  return has_breaker_ && breaker_->Trip(now, lasting, std::move(reason));
}

bool UpstreamState::ResetBreaker(TimePoint now) {
  std::lock_guard lock(mutex_);
  if (has_breaker_) breaker_->Reset(now);
  return has_breaker_;
}

UpstreamFigures UpstreamState::figures() const {
  std::lock_guard lock(mutex_);
  UpstreamFigures figures;
  figures.requests = static_cast<int>(limit_.requests());
  figures.pending = static_cast<int>(limit_.pending());
  figures.tokens = limit_.tokens();
  figures.limit = limit_.limit().value_or(0);
  figures.throttled = throttled_;
  return figures;
}

}  // namespace sluice
