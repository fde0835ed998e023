#include "server/engine/route_state.h"

#include <utility>

namespace sluice {

namespace {

constexpr double kHedgeQuantile = 0.95;
constexpr double kAdaptiveQuantile = 0.99;

}  // namespace

RouteState::RouteState() : hedges_(0) {}

void RouteState::Configure(const RoutePolicy& policy) {
  queue_->Configure(policy.queue);
  std::lock_guard lock(mutex_);
  budget_config_ = policy.budget;
  // An upstream that no call is at, and no hedge of one, needs no budget any
  // more; a new one begins with a full bucket, as at the start.
  std::erase_if(budgets_, [](const auto& entry) {
    const RetryBudgetFigures figures = entry.second.Figures();
    return figures.calls == 0 && figures.retries == 0;
  });
  for (auto& [upstream, budget] : budgets_) budget.Configure(policy.budget);
  hedges_.Configure(policy.max_hedge_percent);
  if (policy.hedges_at_p95 && !latency_) latency_.emplace();
  if (!policy.hedges_at_p95) latency_.reset();
  if (!policy.adaptive) {
    adaptive_.reset();
  } else if (!adaptive_ || adaptive_->config.window != policy.adaptive->window) {
    adaptive_.emplace(*policy.adaptive);
  } else {
    adaptive_->config = *policy.adaptive;
  }
}

RetryBudget& RouteState::BudgetOf(std::string_view upstream) {
  const auto found = budgets_.find(upstream);
  if (found != budgets_.end()) return found->second;
  return budgets_.emplace(std::string(upstream), RetryBudget(budget_config_)).first->second;
}

void RouteState::CallStarted() {
  std::lock_guard lock(mutex_);
  hedges_.CallStarted();
}

void RouteState::CallAt(std::string_view upstream) {
  std::lock_guard lock(mutex_);
  BudgetOf(upstream).CallStarted();
}

void RouteState::CallLeft(std::string_view upstream) {
  std::lock_guard lock(mutex_);
  BudgetOf(upstream).CallEnded();
}

RouteState::Charge RouteState::TryChargeRetry(std::string_view upstream) {
  std::lock_guard lock(mutex_);
  RetryBudget& budget = BudgetOf(upstream);
  const uint64_t no_tokens = budget.Figures().refused_by_tokens;
  if (budget.TryCharge()) return Charge::kAllowed;
  return budget.Figures().refused_by_tokens > no_tokens ? Charge::kNoTokens : Charge::kTooMany;
}

void RouteState::ReleaseRetry(std::string_view upstream) {
  std::lock_guard lock(mutex_);
  BudgetOf(upstream).Release();
}

bool RouteState::TryHedge() {
  std::lock_guard lock(mutex_);
  return hedges_.TryHedge();
}

void RouteState::GiveHedgeBack() {
  std::lock_guard lock(mutex_);
  hedges_.GiveBack();
}

void RouteState::AttemptFailed(std::string_view upstream, bool retryable, TimePoint now) {
  std::lock_guard lock(mutex_);
  if (retryable) BudgetOf(upstream).OnFailure();
  if (adaptive_) adaptive_->outcomes.Add(/*failed=*/true, now);
}

RouteState::Success RouteState::AttemptSucceeded(std::string_view upstream,
                                                 std::optional<Duration> time_to_first_token, TimePoint now) {
  std::lock_guard lock(mutex_);
  if (latency_ && time_to_first_token) latency_->Add(*time_to_first_token, now);
  if (adaptive_) {
    if (time_to_first_token) adaptive_->latency.Add(*time_to_first_token, now);
    adaptive_->outcomes.Add(/*failed=*/false, now);
  }
  return {now, BudgetOf(upstream).OnSuccess()};
}

void RouteState::TakeBack(std::string_view upstream, const Success& success) {
  std::lock_guard lock(mutex_);
  BudgetOf(upstream).TakeBack(success.credit);
  if (adaptive_) adaptive_->outcomes.TakeSuccessBack(success.at);
}

void RouteState::EndedInSilence(Duration after, TimePoint now) {
  std::lock_guard lock(mutex_);
  if (latency_) latency_->AddAtLeast(after, kHedgeQuantile, now);
  if (adaptive_) adaptive_->latency.AddAtLeast(after, kAdaptiveQuantile, now);
}

int RouteState::MaxAttempts(int configured, double load, TimePoint now) const {
  std::lock_guard lock(mutex_);
  if (!adaptive_) return configured;
  AdaptiveInputs inputs;
  inputs.ttft_p99 = adaptive_->latency.Quantile(kAdaptiveQuantile, now);
  inputs.p99_growth = adaptive_->latency.Growth(kAdaptiveQuantile, now);
  inputs.failure_rate = adaptive_->outcomes.FailureRate(now).value_or(0);
  inputs.load = load;
  return AdaptiveMaxAttempts(adaptive_->config, configured, inputs);
}

std::optional<Duration> RouteState::TimeToFirstTokenP95(TimePoint now) const {
  std::lock_guard lock(mutex_);
  if (!latency_) return std::nullopt;
  return latency_->Quantile(kHedgeQuantile, now);
}

RouteFigures RouteState::figures(TimePoint now) const {
  RouteFigures figures;
  figures.queue = queue_->figures(now);
  std::lock_guard lock(mutex_);
  for (const auto& [upstream, budget] : budgets_) figures.budgets.push_back({upstream, budget.Figures()});
  figures.hedges = hedges_.hedged() - hedges_.given_back();
  figures.hedges_refused = hedges_.refused();
  return figures;
}

void CallPresence::MoveTo(RouteState& route, const std::string& upstream) {
  if (route_ == &route && *upstream_ == upstream) return;
  Leave();
  route_ = &route;
  upstream_ = &upstream;
  route_->CallAt(upstream);
}

void CallPresence::Leave() {
  if (RouteState* route = std::exchange(route_, nullptr)) route->CallLeft(*upstream_);
}

void RetryCharge::Release() {
  if (RouteState* route = std::exchange(route_, nullptr)) route->ReleaseRetry(*upstream_);
}

}  // namespace sluice
