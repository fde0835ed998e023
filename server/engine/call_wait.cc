// Waiting in the route's queue, for a time that is known or for room.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/engine/call_error.h"
#include "server/engine/call_impl.h"

namespace sluice {
namespace {

// Who waits for room is told when some is given back; this is for room that
// comes without a word (a limit that was raised, a throttle that eases), and for
// times that come sooner than was known (a breaker that another route's probe
// closed).
constexpr Duration kLookForRoom = absl::Seconds(1);

bool WithinLimits(const RouteConfig& route, std::string_view tenant, uint64_t tokens, TimePoint now) {
  return std::all_of(route.rate_limits.begin(), route.rate_limits.end(), [&](const RateLimitUse& use) {
    if (use.scope == RateLimitUse::Scope::kUpstream) return true;  // the planner looks at these
    const std::string_view key = use.scope == RateLimitUse::Scope::kTenant ? tenant : std::string_view(route.name);
    return use.state->FreeAt(key, tokens, now) <= now;
  });
}

}  // namespace

// Nothing: no time is known that would be worth waiting for.
std::optional<CallImpl::Waiting> CallImpl::WaitingFor(const EndpointsLeft& left) const {
  const TimePoint now = Now();
  if (!route_->queue) {
    if (left.known != absl::InfiniteFuture()) return Waiting{left.known, Hold::kTime};
    // No time is known, but one that went before decides for the others too.
    if (left.probing && route_->state->queue().Awaits(Places())) return Waiting{now, Hold::kShared};
    return std::nullopt;
  }
  // Where something is free, or only crowded, the time is not known.
  if (left.crowded || left.soonest <= now) return Waiting{now, Hold::kShared};
  if (left.soonest == absl::InfiniteFuture()) return std::nullopt;
  return Waiting{left.soonest, left.soonest == left.known ? Hold::kTime : Hold::kShared};
}

CallImpl::Step CallImpl::NowhereNow() {
  const EndpointsLeft left = planner_->Left(Now());
  if (!encode_error_.ok() && left.soonest == absl::InfiniteFuture() && !left.crowded) {
    return GiveUp(CannotEncode(route_name(), encode_error_));
  }
  if (!refused_ && (left.crowded || left.hold == EndpointsLeft::Hold::kLimit)) {
    const Duration wait = left.crowded ? absl::InfiniteDuration() : left.soonest - Now();
    refused_ = LimitRefusal{std::string(left.limit), std::string(left.upstream), wait};
  }
  if (refused_ && !seat_.taken()) context_.observer.Limited(params_.info, *refused_);
  const auto what = WaitingFor(left);
  return what ? Wait(*what, ErrorOfNowhere(left)) : GiveUp(ErrorOfNowhere(left));
}

CallImpl::Step CallImpl::Limited(const LimitRefusal& refusal) {
  const bool waits = route_->queue.has_value();
  if (!seat_.taken() || !waits) context_.observer.Limited(params_.info, refusal);
  CallError error = OverLimit(route_name(), refusal);
  if (!waits) return GiveUp(std::move(error));
  return Wait({Now() + refusal.wait, refusal.own ? Hold::kOwn : Hold::kShared}, std::move(error));
}

// All that could take another attempt rests: the attempt follows when the first
// of them is back. A retry like one that waits for its backoff, but in the queue.
CallImpl::Step CallImpl::RetryAfterRest(const EndpointsLeft& left, size_t failed, CallError error) {
  const auto what = WaitingFor(left);
  if (!what) return GiveUp(std::move(error));
  const auto plan = Choose(what->until);
  const bool waits = plan && CanWaitUntil(what->until) && !FallbackTakesNow(error);
  if (waits && !Schedule(*plan, std::max(what->until - Now(), absl::ZeroDuration()), failed)) {
    const RetryDecision none{.verdict = RetryDecision::Verdict::kNoBudget};
    return Exhausted(AttemptsFailed(route_name(), record_.attempts, none, ""));
  }
  return Wait(*what, std::move(error));
}

// Who came earlier goes earlier.
bool CallImpl::MustStandBehind() const {
  RouteQueue& queue = route_->state->queue();
  return !queue.quiet() && route_->waiting().max_length > 0 && queue.MustWait(params_.info.tenant, Places());
}

CallImpl::Step CallImpl::StandBehind() {
  const Waiting behind{Now(), Hold::kShared};
  const EndpointsLeft left = planner_->Left(Now());
  // Those before it wait for a time that came sooner, or for another place.
  if (left.soonest <= Now()) route_->state->queue().PokeOldest(Places());
  return Wait(behind, record_.attempts.empty() ? OthersWait(route_name()) : ErrorOfNowhere(left));
}

// Not only where the policy would let it, but where it could go on at once.
bool CallImpl::FallbackTakesNow(const CallError& error) const {
  if ((shown() && !cut_index_) || !FallbackTakes(error)) return false;
  const FallbackConfig* fallback = route_->fallback.get();
  for (; fallback != nullptr; fallback = fallback->route->fallback.get()) {
    if (!fallback->route) return params_.request->takes_static_answer();
    const PlanTraits traits{params_.affinity, estimated_tokens_};
    if (WithinLimits(*fallback->route, params_.info.tenant, estimated_tokens_, Now()) &&
        Planner(*fallback->route, traits).Left(Now()).soonest <= Now()) {
      return true;
    }
  }
  return false;
}

// --- the queue --------------------------------------------------------------

bool CallImpl::CanWaitUntil(TimePoint when) const {
  if (route_->waiting().max_length == 0 || (shown() && !cut_index_) || when >= deadline_) return false;
  return when <= (seat_.taken() ? wait_until_ : Now() + WaitLeft()) && WaitLeft() > absl::ZeroDuration();
}

CallImpl::Step CallImpl::Wait(Waiting what, CallError otherwise) {
  if (FallbackTakesNow(otherwise)) return GiveUp(std::move(otherwise));
  return WaitHere(what, std::move(otherwise));
}

// A call that cannot make it is told so at once.
CallImpl::Step CallImpl::WaitHere(Waiting what, CallError otherwise) {
  if (!CanWaitUntil(what.until)) {
    const bool off = route_->waiting().max_length == 0 || what.until == absl::InfiniteFuture();
    if (off || shown()) return GiveUp(std::move(otherwise));
    const bool fits = what.until <= Now() + WaitLeft();
    return GiveUp(NotWaited(std::move(otherwise), WaitLeft(), /*deadline=*/fits));
  }
  const bool again = seat_.taken();
  if (!again) {
    if (const auto full = TakeSeat()) return GiveUp(QueueFullError(*full, otherwise));
  }
  if (what.hold != Hold::kShared) {
    seat_.StepAside(what.hold == Hold::kTime);
  } else if (again) {
    seat_.Refused();
  }
  for_a_time_ = what.hold == Hold::kTime || !route_->queue;
  wait_error_ = std::move(otherwise);
  // The first look after coming is at once: room given back before was not told.
  look_at_ = std::min(again && what.until <= Now() ? absl::InfiniteFuture() : what.until, Now() + kLookForRoom);
  AwaitTurn();
  return Step::kStay;
}

std::string CallImpl::Places() const {
  return absl::StrCat(absl::Hex(reinterpret_cast<uintptr_t>(route_)), planner_->Bars());
}

// By what the room is full, if it is.
std::optional<QueueBound> CallImpl::TakeSeat() {
  wait_until_ = std::min(deadline_, Now() + WaitLeft());
  const std::string places = Places();
  QueueEntrant entrant;
  entrant.tenant = params_.info.tenant;
  entrant.places = places;
  entrant.bytes = params_.request->Bytes();
  QueueBound bound;
  if (!seat_.Take(route_->state->queue(), entrant, wait_until_, &bound)) {
    context_.observer.LeftQueue(params_.info, QueueExit::kFull, absl::ZeroDuration());
    return bound;
  }
  context_.observer.Queued(params_.info);
  queue_timer_.Set(wait_until_, [this] { Push(CallMessage::Kind::kQueueOver); });
  return std::nullopt;
}

CallError CallImpl::QueueFullError(QueueBound bound, const CallError& cause) const {
  const QueueConfig queue = route_->waiting();
  const std::string setting = bound == QueueBound::kBytes ? absl::StrCat("max_bytes ", queue.max_bytes)
                                                          : absl::StrCat("max_length ", queue.max_length);
  return QueueFull(route_name(), setting, cause);
}

// Something changed: it looks at once, if it is its turn.
void CallImpl::Woken() {
  look_at_ = std::min(look_at_, Now());
  Push(CallMessage::Kind::kTurn);
}

void CallImpl::AwaitTurn() {
  const auto may = seat_.MayTry();
  // Others come first, or it lost its place: the seat is woken.
  if (!may || *may == absl::InfiniteFuture()) return;
  retry_timer_.Set(std::max({*may, look_at_, not_before_}), [this] { Push(CallMessage::Kind::kTurn); });
}

CallImpl::Step CallImpl::Turn() {
  if (!seat_.taken()) return Step::kStay;
  if (std::max(look_at_, not_before_) <= Now()) seat_.Rejoin();
  const auto may = seat_.MayTry();
  if (!may) return PlaceLost();
  if (std::max({*may, look_at_, not_before_}) > Now()) {
    // Held back by the release alone, it must still hear when that is in vain.
    const bool first = look_at_ <= Now() && *may != absl::InfiniteFuture();
    if (first && for_a_time_ && planner_->Left(Now()).soonest > Now()) return NowhereNow();
    AwaitTurn();
    return Step::kStay;
  }
  if (const auto refusal = charges_.Pass(*route_, params_.info.tenant, estimated_tokens_, Now())) {
    return Limited(*refusal);
  }
  return GoFromQueue() ? Step::kStay : NowhereNow();
}

bool CallImpl::GoFromQueue() {
  if (!Launch(nullptr, std::exchange(next_backoff_, absl::ZeroDuration()), next_charge_)) return false;
  LeaveQueue(QueueExit::kAdmitted);
  return true;
}

// One that waited for a time which is over is not refused for those that are let
// go before it, unless one of them failed: it would have fitted.
CallImpl::Step CallImpl::QueueOver() {
  if (!seat_.taken()) return Step::kStay;
  if (for_a_time_ && planner_->Left(Now()).soonest <= Now() && !route_->state->queue().Stopped(Places()) &&
      !charges_.Pass(*route_, params_.info.tenant, estimated_tokens_, Now()) && GoFromQueue()) {
    return Step::kStay;
  }
  const Duration waited = Now() - seat_.since();
  LeaveQueue(QueueExit::kTimedOut);
  if (!record_.attempts.empty()) return GiveUp(std::move(wait_error_));
  return GiveUp(QueueTimedOut(route_name(), waited, wait_error_));
}

// To a call of another tenant, which held fewer places.
CallImpl::Step CallImpl::PlaceLost() {
  LeaveQueue(QueueExit::kFull);
  return GiveUp(QueueFullError(QueueBound::kLength, wait_error_));
}

void CallImpl::LeaveQueue(QueueExit exit) {
  const Duration waited = Now() - seat_.since();
  record_.queued += waited;
  not_before_ = absl::InfinitePast();
  retry_timer_.Cancel();
  queue_timer_.Cancel();
  if (exit == QueueExit::kAdmitted) {
    seat_.LeaveFor(released_);
  } else {
    seat_.Leave(/*admitted=*/false);
  }
  context_.observer.LeftQueue(params_.info, exit, waited);
}

}  // namespace sluice
