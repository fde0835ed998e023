// Where a call goes, and when: limits, plan, retry, hedge.
#include <algorithm>
#include <utility>

#include "server/engine/call_error.h"
#include "server/engine/call_impl.h"

namespace sluice {

void CallImpl::EnterRoute(const RouteConfig& route) {
  route_ = &route;
  planner_.emplace(route, PlanTraits{params_.affinity, estimated_tokens_});
  backoff_.emplace(route.retry.backoff);
  attempts_before_ = record_.attempts.size();
  hedges_ = 0;
  next_plan_.reset();
  next_backoff_ = absl::ZeroDuration();
  next_charge_.Release();
  not_before_ = absl::InfinitePast();
  anew_until_ = absl::InfiniteFuture();
  encode_error_ = absl::OkStatus();
  // It is no call of the route that it leaves any more, though it may wait before
  // it goes anywhere: that route's share of retries is taken of its own calls.
  presence_.Leave();
  route.state->CallStarted();
}

CallImpl::Step CallImpl::Go() {
  if (MustStandBehind()) return StandBehind();
  if (const auto refusal = charges_.Pass(*route_, params_.info.tenant, estimated_tokens_, Now())) {
    return Limited(*refusal);
  }
  if (Launch(nullptr, absl::ZeroDuration(), next_charge_)) return Step::kStay;
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

bool CallImpl::Launch(const Plan* preferred, Duration backoff, RetryCharge& charge) {
  refused_.reset();
  no_budget_ = false;
  bool started = preferred != nullptr && preferred->cooldown().until() <= Now() &&
                 TryStart(*preferred, backoff, charge, /*hedge=*/false);
  while (!started) {
    const auto plan = Choose(Now());
    if (!plan) break;
    // Another place than the one that the charge was made for pays for itself.
    if (!charge.IsFor(plan->upstream().name)) charge.Release();
    no_budget_ = planner_->IsRepeat(*plan) && !charge.held() && !ChargeRepeat(*plan, charge);
    if (no_budget_) break;
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
    RetryDecision why{.verdict = no_budget_ ? RetryDecision::Verdict::kNoBudget : RetryDecision::Verdict::kNoEndpoint};
    if (known) why = {.verdict = RetryDecision::Verdict::kAllCooling, .cooldown = left.soonest - Now()};
    return AttemptsFailed(route_name(), record_.attempts, why, "");
  }
  if (!known && (refused_ || left.crowded)) return NoRoom(route_name(), refused_);
  return NowhereToGo(route_name(), left, Now());
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

// A retry counts from here on, whatever it waits for. False: the budget allows
// none.
bool CallImpl::Schedule(const Plan& plan, Duration delay, size_t failed) {
  RetryCharge charge;
  // A first visit is a failover: it loads nothing that has failed this call.
  if (planner_->IsRepeat(plan) && !ChargeRepeat(plan, charge)) return false;
  const AttemptRecord& before = record_.attempts[failed];
  const bool elsewhere = plan.upstream().name != before.upstream || plan.endpoint->name != before.endpoint;
  presence_.MoveTo(*route_->state, plan.upstream().name);
  context_.observer.RetryScheduled(params_.info, before, delay, elsewhere);
  next_charge_ = std::move(charge);
  return true;
}

CallImpl::Step CallImpl::Retry(Duration delay, size_t failed) {
  const auto plan = Choose(Now() + delay);
  if (!plan) return NowhereNow();
  if (!Schedule(*plan, delay, failed)) {
    const RetryDecision none{.verdict = RetryDecision::Verdict::kNoBudget};
    return Exhausted(AttemptsFailed(route_name(), record_.attempts, none, ""));
  }
  next_plan_ = plan;
  next_backoff_ = delay;
  if (delay == absl::ZeroDuration()) return RetryDue();
  retry_timer_.Set(Now() + delay, [this] { Push(CallMessage::Kind::kRetryDue); });
  return Step::kStay;
}

// Another call may have been told meanwhile that the endpoint needs rest.
CallImpl::Step CallImpl::RetryDue() {
  const Plan plan = *std::exchange(next_plan_, std::nullopt);
  // Who waits for the same places was told to come now too.
  if (MustStandBehind() && CanWaitUntil(Now())) return StandBehind();
  if (Launch(&plan, next_backoff_, next_charge_)) {
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
