// Where a call goes, and when: limits, plan, queue, retry, hedge.
#include <algorithm>
#include <utility>

#include "server/engine/call_error.h"
#include "server/engine/call_impl.h"

namespace sluice {
namespace {

// Who waits for room is told when some is given back; this is for room that
// comes without a word (a limit that was raised, a throttle that eases).
constexpr Duration kLookForRoom = absl::Seconds(1);

}  // namespace

void CallImpl::EnterRoute(const RouteConfig& route) {
  route_ = &route;
  planner_.emplace(route, PlanTraits{params_.affinity, estimated_tokens_});
  backoff_.emplace(route.retry.backoff);
  attempts_before_ = record_.attempts.size();
  hedges_ = 0;
  next_backoff_ = absl::ZeroDuration();
  queue_until_ = absl::InfiniteFuture();
  encode_error_ = absl::OkStatus();
  route.state->CallStarted();
}

CallImpl::Step CallImpl::Go() {
  // Who came earlier goes earlier.
  if (route_->queue && route_->state->queue().MustWait(params_.info.tenant)) {
    return Wait(Now(), OthersWait(route_name()));
  }
  if (const auto refusal = charges_.Pass(*route_, params_.info.tenant, estimated_tokens_, Now())) {
    return Limited(*refusal);
  }
  if (Launch(nullptr, absl::ZeroDuration(), RetryCharge())) return Step::kStay;
  return NowhereNow();
}

// A target whose format cannot carry the request is none for this call.
std::optional<Plan> CallImpl::Choose(TimePoint when) {
  while (const auto plan = planner_->Pick(when, context_.random)) {
    const absl::Status prepared = requests_.Prepare(*plan->target);
    if (prepared.ok()) return plan;
    encode_error_ = prepared;
    planner_->Bar(plan->upstream());
  }
  return std::nullopt;
}

bool CallImpl::Launch(const Plan* preferred, Duration backoff, RetryCharge charge) {
  refused_.reset();
  bool started = preferred != nullptr && preferred->cooldown().until() <= Now() &&
                 TryStart(*preferred, backoff, charge, /*hedge=*/false);
  while (!started) {
    const auto plan = Choose(Now());
    if (!plan) break;
    // Another place than the one that the charge was made for pays for itself.
    if (!charge.IsFor(plan->upstream().name)) charge.Release();
    if (planner_->IsRepeat(*plan) && !charge.held() && !ChargeRepeat(*plan, charge)) break;
    started = TryStart(*plan, backoff, charge, /*hedge=*/false);
  }
  planner_->TakeBack();
  return started;
}

// Refused, the place is set aside, and the next choice is another.
bool CallImpl::TryStart(const Plan& plan, Duration backoff, RetryCharge& charge, bool hedge) {
  Ticket ticket;
  std::string limit;
  const auto refusal = Ticket::Take(*route_, plan, estimated_tokens_, Now(), context_.random, &ticket, &limit);
  if (refusal == Ticket::Refusal::kEndpoint) {
    planner_->SetAside(*plan.endpoint);
    return false;
  }
  if (refusal != Ticket::Refusal::kNone) {
    if (limit.empty()) limit = refusal == Ticket::Refusal::kConcurrency ? "concurrency" : "breaker";
    refused_ = LimitRefusal{std::move(limit), plan.upstream().name, absl::InfiniteDuration()};
    planner_->SetAside(plan.upstream());
    return false;
  }
  if (!hedge) presence_.MoveTo(*route_->state, plan.upstream().name);
  planner_->Tried(plan);
  std::string span;
  std::string traceparent;
  if (params_.trace) {
    TraceContext child = ChildOf(*params_.trace, context_.random);
    traceparent = child.ToTraceparent();
    span = std::move(child.span_id);
  }
  const FormParts form = requests_.FormAt(*plan.target);
  attempts_.Start({*route_, plan, std::move(ticket), std::move(charge), requests_.Build(plan, form, traceparent),
                   std::move(span), backoff, hedge, form});
  if (!hedge) SetHedgeTimer();
  return true;
}

CallError CallImpl::ErrorOfNowhere(const EndpointsLeft& left) const {
  const bool known = left.soonest > Now() && left.soonest != absl::InfiniteFuture();
  if (!record_.attempts.empty()) {
    RetryDecision why{.verdict = RetryDecision::Verdict::kNoEndpoint};
    if (known) why = {.verdict = RetryDecision::Verdict::kAllCooling, .cooldown = left.soonest - Now()};
    return AttemptsFailed(route_name(), record_.attempts, why, "");
  }
  if (!known && (refused_ || left.crowded)) return NoRoom(route_name(), refused_);
  return NowhereToGo(route_name(), left, Now());
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
  // Where something is free, or only crowded, the time is not known.
  const bool room_may_come = left.crowded || left.soonest <= Now();
  return WaitLooking(room_may_come ? Now() : left.soonest, ErrorOfNowhere(left));
}

// --- the queue --------------------------------------------------------------

CallImpl::Step CallImpl::Limited(const LimitRefusal& refusal) {
  if (!seat_.taken()) context_.observer.Limited(params_.info, refusal);
  CallError error = OverLimit(route_name(), refusal);
  return WaitLooking(Now() + refusal.wait, std::move(error), refusal.own ? Hold::kOwn : Hold::kShared);
}

bool CallImpl::CanWaitUntil(TimePoint when) const {
  if (!route_->queue || shown()) return false;
  return when < std::min({queue_until_, Now() + route_->queue->max_wait, deadline_});
}

// A call that cannot make it is told so at once.
CallImpl::Step CallImpl::Wait(TimePoint until, CallError otherwise, Hold hold) {
  if (!CanWaitUntil(until)) return GiveUp(std::move(otherwise));
  if (queue_until_ == absl::InfiniteFuture()) queue_until_ = std::min(deadline_, Now() + route_->queue->max_wait);
  const bool again = seat_.taken();
  if (!again && !TakeSeat()) return GiveUp(QueueFull(route_name(), route_->queue->max_length, otherwise));
  if (hold == Hold::kOwn) {
    seat_.StepAside();
  } else if (again) {
    seat_.Refused();
  }
  not_before_ = until;
  wait_error_ = std::move(otherwise);
  // The first look after coming is at once: room given back before was not told.
  AwaitTurn(again && until <= Now() ? Now() + kLookForRoom : until);
  return Step::kStay;
}

bool CallImpl::TakeSeat() {
  if (!seat_.Take(route_->state->queue(), params_.info.tenant, 1, queue_until_)) {
    context_.observer.LeftQueue(params_.info, QueueExit::kFull, absl::ZeroDuration());
    return false;
  }
  context_.observer.Queued(params_.info);
  queue_timer_.Set(queue_until_, [this] { Push(CallMessage::Kind::kQueueOver); });
  return true;
}

// The time that is known may come sooner: a probe goes well, a call gives back
// tokens that it did not use.
CallImpl::Step CallImpl::WaitLooking(TimePoint until, CallError otherwise, Hold hold) {
  const Step step = Wait(until, std::move(otherwise), hold);
  if (step == Step::kStay && not_before_ > Now() + kLookForRoom) {
    not_before_ = Now() + kLookForRoom;
    AwaitTurn(not_before_);
  }
  return step;
}

void CallImpl::AwaitTurn(TimePoint at) {
  const auto may = seat_.MayTry();
  // Others come first, or it lost its place: the seat is woken.
  if (!may || *may == absl::InfiniteFuture()) return;
  retry_timer_.Set(std::max(at, *may), [this] { Push(CallMessage::Kind::kTurn); });
}

CallImpl::Step CallImpl::Turn() {
  if (!seat_.taken()) return Step::kStay;
  if (not_before_ <= Now()) seat_.Rejoin();
  const auto may = seat_.MayTry();
  if (!may) return PlaceLost();
  if (std::max(*may, not_before_) > Now()) {
    AwaitTurn(not_before_);
    return Step::kStay;
  }
  if (const auto refusal = charges_.Pass(*route_, params_.info.tenant, estimated_tokens_, Now())) {
    return Limited(*refusal);
  }
  if (!Launch(nullptr, std::exchange(next_backoff_, absl::ZeroDuration()), RetryCharge())) return NowhereNow();
  LeaveQueue(QueueExit::kAdmitted);
  return Step::kStay;
}

CallImpl::Step CallImpl::QueueOver() {
  if (!seat_.taken()) return Step::kStay;
  const Duration waited = Now() - seat_.since();
  LeaveQueue(QueueExit::kTimedOut);
  if (!record_.attempts.empty()) return GiveUp(std::move(wait_error_));
  return GiveUp(QueueTimedOut(route_name(), waited, wait_error_));
}

// To a call of another tenant, which held fewer places.
CallImpl::Step CallImpl::PlaceLost() {
  LeaveQueue(QueueExit::kFull);
  return GiveUp(QueueFull(route_name(), route_->queue->max_length, wait_error_));
}

void CallImpl::LeaveQueue(QueueExit exit) {
  const Duration waited = Now() - seat_.since();
  record_.queued += waited;
  retry_timer_.Cancel();
  queue_timer_.Cancel();
  seat_.Leave(exit == QueueExit::kAdmitted);
  context_.observer.LeftQueue(params_.info, exit, waited);
}

// --- again ------------------------------------------------------------------

int CallImpl::MaxAttempts() const {
  const UpstreamFigures figures = last_upstream_ ? last_upstream_->figures() : UpstreamFigures{};
  const double load = figures.limit == 0 ? 0 : static_cast<double>(figures.requests) / figures.limit;
  return route_->state->MaxAttempts(route_->retry.max_attempts, load, Now());
}

bool CallImpl::ChargeRepeat(const Plan& plan, RetryCharge& charge) {
  const std::string& upstream = plan.upstream().name;
  const auto charged = route_->state->TryChargeRetry(upstream);
  if (charged == RouteState::Charge::kAllowed) {
    charge = RetryCharge(*route_->state, upstream);
    return true;
  }
  context_.observer.RetryRefused(params_.info, upstream,
                                 charged == RouteState::Charge::kNoTokens ? RetryRefusal::kBudgetTokens
                                                                          : RetryRefusal::kBudgetConcurrency);
  return false;
}

CallImpl::Step CallImpl::Retry(const RetryDecision& decision, size_t failed) {
  const auto plan = Choose(Now() + decision.delay);
  if (!plan) return NowhereNow();
  RetryCharge charge;
  // A first visit is a failover: it loads nothing that has failed this call.
  if (planner_->IsRepeat(*plan) && !ChargeRepeat(*plan, charge)) {
    const RetryDecision none{.verdict = RetryDecision::Verdict::kNoBudget};
    return Exhausted(AttemptsFailed(route_name(), record_.attempts, none, ""));
  }
  const AttemptRecord& before = record_.attempts[failed];
  const bool elsewhere = plan->upstream().name != before.upstream || plan->endpoint->name != before.endpoint;
  presence_.MoveTo(*route_->state, plan->upstream().name);
  context_.observer.RetryScheduled(params_.info, before, decision.delay, elsewhere);
  next_plan_ = plan;
  next_backoff_ = decision.delay;
  next_charge_ = std::move(charge);
  if (decision.delay == absl::ZeroDuration()) return RetryDue();
  retry_timer_.Set(Now() + decision.delay, [this] { Push(CallMessage::Kind::kRetryDue); });
  return Step::kStay;
}

// Another call may have been told meanwhile that the endpoint needs rest.
CallImpl::Step CallImpl::RetryDue() {
  const Plan plan = *std::exchange(next_plan_, std::nullopt);
  if (Launch(&plan, next_backoff_, std::move(next_charge_))) {
    next_backoff_ = absl::ZeroDuration();
    return Step::kStay;
  }
  return NowhereNow();
}

// --- hedging ----------------------------------------------------------------

void CallImpl::SetHedgeTimer() {
  if (!route_->hedge || hedges_ >= route_->hedge->max_hedges) return;
  const auto delay = route_->hedge->delay ? route_->hedge->delay : route_->state->TimeToFirstTokenP95(Now());
  if (delay) hedge_timer_.Set(Now() + *delay, [this] { Push(CallMessage::Kind::kHedgeDue); });
}

void CallImpl::HedgeDue() {
  if (attempts_.empty() || winner_ != nullptr || AttemptsMade() >= MaxAttempts()) return;
  const auto plan = Choose(Now());
  RetryCharge charge;
  if (!plan || !ChargeRepeat(*plan, charge)) return;
  if (!route_->state->TryHedge()) {
    return context_.observer.RetryRefused(params_.info, plan->upstream().name, RetryRefusal::kHedgeShare);
  }
  const size_t slow = attempts_.front().index;
  const bool started = TryStart(*plan, absl::ZeroDuration(), charge, /*hedge=*/true);
  planner_->TakeBack();
  if (!started) return route_->state->GiveHedgeBack();
  ++hedges_;
  context_.observer.HedgeStarted(params_.info, record_.attempts[slow]);
  SetHedgeTimer();
}

}  // namespace sluice
