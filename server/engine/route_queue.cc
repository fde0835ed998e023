#include "server/engine/route_queue.h"

#include <algorithm>
#include <utility>

namespace sluice {

void RouteQueue::Configure(const QueueLimits& limits) {
  std::lock_guard lock(mutex_);
  limits_ = limits;
  queue_.set_max_length(limits.max_length);
}

std::optional<RouteQueue::Id> RouteQueue::Enter(std::string_view tenant, uint64_t cost, TimePoint now,
                                                TimePoint until, Wake wake) {
  Wake lost;
  Wake next;
  Id id = 0;
  {
    std::lock_guard lock(mutex_);
    // Who comes between two windows waits for the next.
    if (limits_.window > absl::ZeroDuration() && queue_.in_line() == 0 && next_batch_ <= now) {
      next_batch_ = now + limits_.window;
      batch_left_ = 0;
    }
    if (until > now) lost = TakePlaceFor(tenant, now);
    id = ++last_id_;
    // Does not fail once somebody gave up a place for it.
    if (!queue_.Push(tenant, cost, id, until, now)) return std::nullopt;
    wakes_.emplace(id, std::move(wake));
    if (front_ == 0) next = TakeTurn(id, now);
  }
  if (lost) lost();
  if (next) next();
  return id;
}

RouteQueue::Wake RouteQueue::TakePlaceFor(std::string_view tenant, TimePoint now) {
  const auto loser = queue_.TakeFromAside(tenant, now);
  if (!loser) return nullptr;
  const auto found = wakes_.find(*loser);
  Wake wake = std::move(found->second);
  wakes_.erase(found);
  return wake;
}

void RouteQueue::Leave(Id id, bool admitted, TimePoint now) {
  Wake next;
  {
    std::lock_guard lock(mutex_);
    if (wakes_.erase(id) == 0) return;
    if (front_ == id && admitted) {
      queue_.Admit(id);
    } else {
      queue_.Remove(id);
    }
    if (admitted && batch_left_ > 0) --batch_left_;
    if (front_ == id || front_ == 0) next = TakeTurn(id, now);
  }
  if (next) next();
}

RouteQueue::Wake RouteQueue::TakeTurn(Id self, TimePoint now) {
  const auto front = queue_.Front(now);
  // Those that cannot make it any more leave by timers of their own.
  queue_.TakeExpired(now);
  front_ = front ? front->id : 0;
  if (front_ == self) return nullptr;  // it learns by MayTry
  const auto found = wakes_.find(front_);
  return found == wakes_.end() ? nullptr : found->second;
}

std::optional<TimePoint> RouteQueue::MayTry(Id id, TimePoint now) {
  std::lock_guard lock(mutex_);
  if (!wakes_.contains(id)) return std::nullopt;
  if (front_ != id) return queue_.IsFirstAside(id) ? now : absl::InfiniteFuture();
  if (limits_.window <= absl::ZeroDuration()) return now;
  if (now >= next_batch_) {
    batch_left_ = queue_.in_line();
    next_batch_ = now + limits_.window;
  }
  return batch_left_ > 0 ? now : next_batch_;
}

void RouteQueue::Refused(Id id, TimePoint) {
  std::lock_guard lock(mutex_);
  if (front_ == id) batch_left_ = 0;
}

void RouteQueue::StepAside(Id id, TimePoint now) {
  Wake next;
  {
    std::lock_guard lock(mutex_);
    if (!queue_.StepAside(id)) return;
    // The batch goes on, with those of it that are left.
    batch_left_ = std::min(batch_left_, queue_.in_line());
    if (front_ == id) next = TakeTurn(id, now);
  }
  if (next) next();
}

void RouteQueue::Rejoin(Id id, TimePoint now) {
  Wake next;
  {
    std::lock_guard lock(mutex_);
    if (queue_.Rejoin(id) && front_ == 0) next = TakeTurn(id, now);
  }
  if (next) next();
}

void RouteQueue::Poke() {
  Wake wake;
  {
    std::lock_guard lock(mutex_);
    const auto found = wakes_.find(front_);
    if (found == wakes_.end()) return;
    wake = found->second;
  }
  wake();
}

bool RouteQueue::MustWait(std::string_view tenant) const {
  std::lock_guard lock(mutex_);
  return wakes_.size() > queue_.aside() || queue_.has_tenant(tenant);
}

bool RouteQueue::empty() const {
  std::lock_guard lock(mutex_);
  return wakes_.empty();
}

QueueFigures RouteQueue::figures(TimePoint now) const {
  std::lock_guard lock(mutex_);
  return {queue_.size(), queue_.OldestAge(now)};
}

}  // namespace sluice
