#include "server/engine/route_queue.h"

#include <utility>

namespace sluice {

void RouteQueue::Configure(const QueueLimits& limits) {
  std::lock_guard lock(mutex_);
  limits_ = limits;
  queue_.set_max_length(limits.max_length);
}

std::optional<RouteQueue::Id> RouteQueue::Enter(std::string_view tenant, uint64_t cost, TimePoint now,
                                                TimePoint until, Wake wake) {
  std::lock_guard lock(mutex_);
  // Who comes between two windows waits for the next.
  if (limits_.window > absl::ZeroDuration() && wakes_.empty() && next_batch_ <= now) {
    next_batch_ = now + limits_.window;
    batch_left_ = 0;
  }
  const Id id = ++last_id_;
  if (!queue_.Push(tenant, cost, id, until, now)) return std::nullopt;
  wakes_.emplace(id, std::move(wake));
  if (front_ == 0) TakeTurn(now);  // it learns by MayTry, not by a wake
  return id;
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
    if (front_ == id) next = TakeTurn(now);
  }
  if (next) next();
}

RouteQueue::Wake RouteQueue::TakeTurn(TimePoint now) {
  const auto front = queue_.Front(now);
  // Those that cannot make it any more leave by timers of their own.
  queue_.TakeExpired(now);
  front_ = front ? front->id : 0;
  const auto found = wakes_.find(front_);
  return found == wakes_.end() ? nullptr : found->second;
}

TimePoint RouteQueue::MayTry(Id id, TimePoint now) {
  std::lock_guard lock(mutex_);
  if (front_ != id) return absl::InfiniteFuture();
  if (limits_.window <= absl::ZeroDuration()) return now;
  if (now >= next_batch_) {
    batch_left_ = queue_.size();
    next_batch_ = now + limits_.window;
  }
  return batch_left_ > 0 ? now : next_batch_;
}

void RouteQueue::Refused(Id id, TimePoint) {
  std::lock_guard lock(mutex_);
  if (front_ == id) batch_left_ = 0;
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

bool RouteQueue::empty() const {
  std::lock_guard lock(mutex_);
  return wakes_.empty();
}

QueueFigures RouteQueue::figures(TimePoint now) const {
  std::lock_guard lock(mutex_);
  return {queue_.size(), queue_.OldestAge(now)};
}

}  // namespace sluice
