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
  for (Waiter& waiter : waiters_) waiter.fresh = false;  // they keep the table they came with
  targets_ = route.targets;
  name_ = route.name;
  plain_ = route.rate_limits.empty();
  if (route.queue) {
    max_length_ = std::max(max_length_, route.queue->max_length);
    window_ = std::max(window_, route.queue->window);
  }
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

void RouteWatch::Queued(uint64_t call, const std::string& tenant, bool fresh, TimePoint now) {
  findings_.Check(!waits(call), "a call waits twice");
  waiters_.push_back({call, tenant, fresh, now});
}

void RouteWatch::LeftQueue(uint64_t call, QueueExit exit, Duration waited, Duration max_wait, TimePoint now) {
  if (exit == QueueExit::kFull) {
    ++coverage_["queue full"];
    return;
  }
  const auto found = std::find_if(waiters_.begin(), waiters_.end(), [&](const Waiter& w) { return w.call == call; });
  findings_.Check(found != waiters_.end(), "a call left a queue in which it did not wait");
  if (found == waiters_.end()) return;
  findings_.Check(waited == now - found->since, name_ + ": an odd time in the queue");
  findings_.Check(waited <= max_wait, name_ + ": a call waited for longer than max_wait");
  const Waiter left = *found;
  waiters_.erase(found);
  room_since_ = absl::InfiniteFuture();
  coverage_["queued and timed out"] += exit == QueueExit::kTimedOut;
  if (exit == QueueExit::kAdmitted) {
    ++coverage_["queued and let go"];
    CheckOrder(left);
    CheckFairness(left.tenant);
  }
  const bool last = std::none_of(waiters_.begin(), waiters_.end(), [&](const Waiter& w) { return w.tenant == left.tenant; });
  if (last) std::erase_if(ahead_, [&](const auto& a) { return a.first.first == left.tenant || a.first.second == left.tenant; });
}

// Within a tenant: first in, first out. One whose wait is over at this very
// moment does not count: it leaves by a timer of its own.
void RouteWatch::CheckOrder(const Waiter& admitted) {
  for (const Waiter& waiter : waiters_) {
    if (waiter.tenant == admitted.tenant && waiter.since < admitted.since) overtaken_.emplace_back(waiter.call, admitted.tenant);
  }
}

void RouteWatch::CheckFairness(const std::string& admitted) {
  std::map<std::string, int> others;
  for (const Waiter& waiter : waiters_) {
    if (waiter.tenant != admitted) others[waiter.tenant] = 1;
  }
  for (const auto& [other, one] : others) {
    ++coverage_["turns between tenants"];
    ahead_[{other, admitted}] -= one;
    findings_.Check((ahead_[{admitted, other}] += one) <= kMostAhead,
                    name_ + ": tenant " + admitted + " is favoured over " + other);
  }
}

void RouteWatch::InstantOver(TimePoint now) {
  if (waiters_.empty() && overtaken_.empty()) return;
  for (const auto& [call, tenant] : overtaken_) {
    findings_.Check(!waits(call), name_ + ": a call of tenant " + tenant + " overtook an older one");
  }
  overtaken_.clear();
  const size_t length = state_->queue().figures(now).length;
  findings_.Check(length == waiters_.size(), name_ + ": the queue's length is " + std::to_string(length) + ", not " +
                                                 std::to_string(waiters_.size()));
  findings_.Check(length <= max_length_, name_ + ": the queue is longer than max_length");
  CheckWakeUp(now);
}

bool RouteWatch::HasRoom(TimePoint now) const {
  return std::any_of(targets_.begin(), targets_.end(), [&](const TargetConfig& target) {
    const UpstreamConfig& upstream = *target.upstream;
    if (upstream.throttle || upstream.state->admits_at(now) > now || !upstream.state->HasRoom(1000)) return false;
    return std::any_of(upstream.endpoints.begin(), upstream.endpoints.end(), [&](const EndpointConfig& endpoint) {
      const EndpointView view = endpoint.state->View(now);
      return endpoint.active && endpoint.weight > 0 && view.healthy && view.admits_at <= now && view.ejected_until <= now &&
             std::all_of(endpoint.cooldowns.begin(), endpoint.cooldowns.end(),
                         [&](const auto& rest) { return rest->until() <= now; });
    });
  });
}

// Whoever waits while there is room goes: by a wake-up, or when it looks again.
void RouteWatch::CheckWakeUp(TimePoint now) {
  const bool fresh = std::all_of(waiters_.begin(), waiters_.end(), [](const Waiter& w) { return w.fresh; });
  if (!plain_ || waiters_.empty() || !fresh || !HasRoom(now)) {
    room_since_ = absl::InfiniteFuture();
    return;
  }
  if (room_since_ == absl::InfiniteFuture()) room_since_ = now;
  ++coverage_["looked for a lost wake-up"];
  const Duration most = kLookAgain + window_ + absl::Milliseconds(1);
  const TimePoint since = std::max(room_since_, waiters_.front().since);
  findings_.Check(now - since <= most, name_ + ": a call waits though there is room");
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
