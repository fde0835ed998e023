#include "tests/sim/route_watch.h"

#include <algorithm>
#include <cmath>

namespace sluice {
namespace {

// What calls of cost 1 may differ by: one each, and one whose turn was fixed
// before the other came.
constexpr int kMostAhead = 3;
// The queue looks for room each second.
constexpr Duration kLookAgain = absl::Seconds(1);

}  // namespace

void RouteWatch::InForce(const RouteConfig& route) {
  state_ = route.state;
  for (Waiter& waiter : waiters_) waiter.fresh = waiter.equal = false;  // they keep the table they came with
  targets_ = route.targets;
  name_ = route.name;
  tenant_limits_.clear();
  for (const RateLimitUse& use : route.rate_limits) {
    if (use.scope == RateLimitUse::Scope::kTenant) tenant_limits_.push_back(use);
  }
  plain_ = tenant_limits_.size() == route.rate_limits.size();
  written_ = route.queue.has_value();
  max_length_ = std::max(max_length_, route.waiting().max_length);
  window_ = std::max(window_, route.waiting().window);
  if (route.hedge) max_hedge_percent_ = std::max(max_hedge_percent_, route.hedge->max_percent);
  max_retry_percent_ = std::max(max_retry_percent_, route.retry.budget.retry_percent);
  max_min_retries_ = std::max(max_min_retries_, route.retry.budget.min_retries);
}

void RouteWatch::CallEntered() {
  ++calls_;
  ++entered_;
  for (auto& [upstream, charged] : charged_) charged.most_calls = std::max(charged.most_calls, calls_);
}

void RouteWatch::Began(const std::string& upstream, bool charged, int calls_then) {
  if (!charged) return;
  Charged& here = charged_[upstream];
  if (here.running == 0) here.most_calls = calls_;
  here.most_calls = std::max(here.most_calls, calls_then);
  ++here.running;
  ++coverage_["repeats and hedges"];
  const int share = static_cast<int>(std::floor(max_retry_percent_ * here.most_calls / 100));
  const int most = std::max(static_cast<int>(max_min_retries_), share);
  coverage_["budgets used up"] += here.running == most;
  findings_.Check(here.running <= most, name_ + ": more repeats at " + upstream + " than the budget allows");
}

void RouteWatch::Ended(const std::string& upstream, bool charged) {
  if (charged) --charged_[upstream].running;
}

void RouteWatch::Hedged() {
  ++hedges_;
  findings_.Check(static_cast<double>(hedges_) <= max_hedge_percent_ * static_cast<double>(entered_) / 100 + 1,
                  name_ + ": more hedges than its share");
}

bool RouteWatch::waits(uint64_t call) const {
  return std::any_of(waiters_.begin(), waiters_.end(), [&](const Waiter& w) { return w.call == call; });
}

void RouteWatch::Queued(Waiter waiter) {
  const TimePoint now = waiter.since;
  findings_.Check(!waits(waiter.call), "a call waits twice");
  if (!written_ && waiter.fresh && plain_ && waiters_.empty()) {
    findings_.Check(!HasRoom(now), name_ + ": a call waits though there is a place that it has not tried");
    ++coverage_["waited where nothing else was left"];
  }
  waiters_.push_back(std::move(waiter));
  LookAtLimits(now);
}

void RouteWatch::LeftQueue(uint64_t call, QueueExit exit, Duration waited, Duration max_wait, bool at_its_end,
                           TimePoint now) {
  if (exit == QueueExit::kFull && !waits(call)) {
    ++coverage_["queue full"];
    return;
  }
  const auto found = std::find_if(waiters_.begin(), waiters_.end(), [&](const Waiter& w) { return w.call == call; });
  findings_.Check(found != waiters_.end(), "a call left a queue in which it did not wait");
  if (found == waiters_.end()) return;
  findings_.Check(waited == now - found->since, name_ + ": an odd time in the queue");
  findings_.Check(waited <= max_wait, name_ + ": a call waited for longer than max_wait");
  LookAtLimits(now);
  const Waiter left = *found;
  waiters_.erase(found);
  could_go_since_.clear();
  if (exit == QueueExit::kFull) PlaceLost(left, now);
  coverage_["queued and timed out"] += exit == QueueExit::kTimedOut;
  if (exit == QueueExit::kAdmitted) {
    ++coverage_["queued and let go"];
    // One that waited elsewhere before may be through with it sooner.
    if (!at_its_end) {
      CheckOrder(left);
      CheckFairness(left.tenant, now);
    }
  }
  const bool last = std::none_of(waiters_.begin(), waiters_.end(), [&](const Waiter& w) { return w.tenant == left.tenant; });
  if (!last) return;
  ForgetTurns(left.tenant);
  over_limit_at_.erase(left.tenant);
}

void RouteWatch::ForgetTurns(const std::string& tenant) {
  std::erase_if(ahead_, [&](const auto& a) { return a.first.first == tenant || a.first.second == tenant; });
}

// --- tenants over a limit of their own --------------------------------------

std::map<std::string, const RouteWatch::Waiter*> RouteWatch::Firsts() const {
  std::map<std::string, const Waiter*> firsts;
  for (const Waiter& waiter : waiters_) firsts.emplace(waiter.tenant, &waiter);
  return firsts;
}

bool RouteWatch::WithinOwnLimits(const Waiter& waiter, TimePoint now) const {
  return std::all_of(tenant_limits_.begin(), tenant_limits_.end(), [&](const RateLimitUse& use) {
    return use.state->FreeAt(waiter.tenant, waiter.tokens, now) <= now;
  });
}

void RouteWatch::LookAtLimits(TimePoint now) {
  if (tenant_limits_.empty()) return;
  for (const auto& [tenant, first] : Firsts()) {
    if (!WithinOwnLimits(*first, now)) over_limit_at_[tenant] = now;
  }
}

// What a limit was given back is seen when its tenant looks again.
bool RouteWatch::MayBeAside(const std::string& tenant, TimePoint now) const {
  const auto found = over_limit_at_.find(tenant);
  return found != over_limit_at_.end() && now - found->second <= kLookAgain;
}

bool RouteWatch::MustNotOvertake(const std::string& tenant, TimePoint now) {
  LookAtLimits(now);
  // One that lost its place at this moment has not heard of it yet.
  if (state_->queue().figures(now).length < waiters_.size()) return false;
  return std::any_of(waiters_.begin(), waiters_.end(),
                     [&](const Waiter& w) { return w.equal && (w.tenant == tenant || !MayBeAside(w.tenant, now)); });
}

bool RouteWatch::MayRest(TimePoint now) {
  if (!AdmitsEverywhere(now)) rested_at_ = now;
  return now - rested_at_ <= kLookAgain;
}

// Only who is over its own limit yields its place, or who waits for a time; and
// the last of it first. Those that have made attempts, or came with another
// revision, may wait for other places than the rest, and in another order.
void RouteWatch::PlaceLost(const Waiter& loser, TimePoint now) {
  ++coverage_["places lost to other tenants"];
  if (!loser.equal || MayRest(now)) return;
  const auto over = over_limit_at_.find(loser.tenant);
  findings_.Check(MayBeAside(loser.tenant, now),
                  name_ + ": tenant " + loser.tenant + " lost a place that it may hold; over its limit " +
                      (over == over_limit_at_.end() ? "never" : absl::FormatDuration(now - over->second) + " ago"));
  for (const Waiter& waiter : waiters_) {
    findings_.Check(!waiter.equal || waiter.tenant != loser.tenant || waiter.since <= loser.since || waiter.since == now,
                    name_ + ": not the last of tenant " + loser.tenant + " lost its place");
  }
}

// Within a tenant: first in, first out. One whose wait is over at this very
// moment does not count: it leaves by a timer of its own.
void RouteWatch::CheckOrder(const Waiter& admitted) {
  for (const Waiter& waiter : waiters_) {
    if (waiter.tenant == admitted.tenant && waiter.equal && admitted.equal && waiter.since < admitted.since) overtaken_.emplace_back(waiter.call, admitted.tenant);
  }
}

// Who is aside has no turns that others could take.
void RouteWatch::CheckFairness(const std::string& admitted, TimePoint now) {
  LookAtLimits(now);
  const bool equal = std::all_of(waiters_.begin(), waiters_.end(), [](const Waiter& w) { return w.equal; });
  const bool rested = MayRest(now) || !equal;
  for (const auto& [other, first] : Firsts()) {
    if (other == admitted) continue;
    if (MayBeAside(other, now)) {
      ++coverage_["went past a tenant over its limit"];
      ForgetTurns(other);
      continue;
    }
    if (rested) {
      ForgetTurns(other);
      continue;
    }
    ++coverage_["turns between tenants"];
    --ahead_[{other, admitted}];
    findings_.Check(++ahead_[{admitted, other}] <= kMostAhead,
                    name_ + ": tenant " + admitted + " is favoured over " + other);
  }
}

void RouteWatch::InstantOver(TimePoint now) {
  if (waiters_.empty() && overtaken_.empty()) return;
  for (const auto& [call, tenant] : overtaken_) {
    findings_.Check(!waits(call), name_ + ": a call of tenant " + tenant + " overtook an older one");
  }
  overtaken_.clear();
  LookAtLimits(now);
  MayRest(now);
  const size_t length = state_->queue().figures(now).length;
  findings_.Check(length == waiters_.size(), name_ + ": the queue's length is " + std::to_string(length) + ", not " +
                                                 std::to_string(waiters_.size()));
  findings_.Check(length <= max_length_, name_ + ": the queue is longer than max_length");
  CheckWakeUp(now);
}

bool RouteWatch::Admits(const EndpointConfig& endpoint, TimePoint now) {
  const EndpointView view = endpoint.state->View(now);
  return endpoint.active && endpoint.weight > 0 && view.healthy && view.admits_at <= now && view.ejected_until <= now &&
         std::all_of(endpoint.cooldowns.begin(), endpoint.cooldowns.end(),
                     [&](const auto& rest) { return rest->until() <= now; });
}

bool RouteWatch::HasRoom(TimePoint now) const {
  return std::any_of(targets_.begin(), targets_.end(), [&](const TargetConfig& target) {
    const UpstreamConfig& upstream = *target.upstream;
    if (upstream.throttle || upstream.state->admits_at(now) > now || !upstream.state->HasRoom(1000)) return false;
    return std::any_of(upstream.endpoints.begin(), upstream.endpoints.end(),
                       [&](const EndpointConfig& endpoint) { return Admits(endpoint, now); });
  });
}

bool RouteWatch::AdmitsEverywhere(TimePoint now) const {
  return std::all_of(targets_.begin(), targets_.end(), [&](const TargetConfig& target) {
    const UpstreamConfig& upstream = *target.upstream;
    return upstream.state->admits_at(now) <= now &&
           std::all_of(upstream.endpoints.begin(), upstream.endpoints.end(), [&](const EndpointConfig& endpoint) {
             return !endpoint.active || endpoint.weight == 0 || Admits(endpoint, now);
           });
  });
}

// Whoever waits while there is room, within the limits of its tenant, goes: by
// a wake-up, or when it looks again. Others' limits do not hold it up.
void RouteWatch::CheckWakeUp(TimePoint now) {
  const bool fresh = std::all_of(waiters_.begin(), waiters_.end(), [](const Waiter& w) { return w.fresh; });
  if (!plain_ || waiters_.empty() || !fresh || !HasRoom(now)) {
    could_go_since_.clear();
    return;
  }
  const Duration most = kLookAgain + window_ + absl::Milliseconds(1);
  for (const auto& [tenant, first] : Firsts()) {
    if (!WithinOwnLimits(*first, now)) {
      could_go_since_.erase(tenant);
      continue;
    }
    ++coverage_["looked for a lost wake-up"];
    const TimePoint since = could_go_since_.emplace(tenant, now).first->second;
    findings_.Check(now - std::max(since, first->since) <= most, name_ + ": a call waits though there is room");
  }
}

void RouteWatch::AllOver(TimePoint now) {
  findings_.Check(waiters_.empty() && state_->queue().empty(), name_ + ": calls are left in the queue");
  findings_.Check(calls_ == 0, name_ + ": calls never left");
  for (const auto& [upstream, budget] : state_->figures(now).budgets) {
    findings_.Check(budget.calls == 0, name_ + ": a call is left in the budget of " + upstream);
    findings_.Check(budget.retries == 0, name_ + ": a retry is left in the budget of " + upstream);
  }
}

}  // namespace sluice
