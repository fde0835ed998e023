#include "server/engine/route_queue.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace sluice {
namespace {

// Those of a tenant's calls that wait for each other.
std::string LineOf(std::string_view tenant, std::string_view places) {
  std::string line(tenant);
  line.push_back('\0');
  return line.append(places);
}

}  // namespace

void RouteQueue::Configure(const QueueLimits& limits) {
  std::lock_guard lock(mutex_);
  limits_ = limits;
  queue_.set_max_length(limits.max_length);
}

std::optional<RouteQueue::Id> RouteQueue::Enter(const QueueEntrant& entrant, TimePoint now, TimePoint until, Wake wake,
                                                QueueBound* bound) {
  Wake lost;
  Wake next;
  Id id = 0;
  {
    std::lock_guard lock(mutex_);
    *bound = QueueBound::kBytes;
    if (entrant.bytes > limits_.max_bytes || bytes_ > limits_.max_bytes - entrant.bytes) return std::nullopt;
    *bound = QueueBound::kLength;
    // Who comes between two windows waits for the next.
    if (limits_.window > absl::ZeroDuration() && queue_.in_line() == 0 && next_batch_ <= now) {
      next_batch_ = now + limits_.window;
      batch_left_ = 0;
    }
    const std::string line = LineOf(entrant.tenant, entrant.places);
    if (until > now) lost = TakePlaceFor(line, now);
    id = ++last_id_;
    // Does not fail once somebody gave up a place for it.
    if (!queue_.Push(line, entrant.cost, id, until, now)) return std::nullopt;
    const auto party = parties_.try_emplace(std::string(entrant.places)).first;
    if (party->second.waiters++ == 0) party->second.serial = ++last_party_;
    waiting_.emplace(id, Waiting{std::move(wake), entrant.bytes, /*timed=*/false, party});
    bytes_ += entrant.bytes;
    length_.store(waiting_.size(), std::memory_order_relaxed);
    if (front_ == 0) next = TakeTurn(id, now);
  }
  if (lost) lost();
  if (next) next();
  return id;
}

// A time that stands in its way now stands in the way of its whole party.
void RouteQueue::SetTimed(Waiting& waiting, bool timed) {
  Party& party = waiting.party->second;
  if (timed) party.ramp.Hold();
  party.timed += timed;
  party.timed -= waiting.timed;
  waiting.timed = timed;
}

void RouteQueue::Forget(WaitingById::iterator gone) {
  Party& party = gone->second.party->second;
  party.timed -= gone->second.timed;
  if (--party.waiters == 0) parties_.erase(gone->second.party);
  bytes_ -= gone->second.bytes;
  waiting_.erase(gone);
  length_.store(waiting_.size(), std::memory_order_relaxed);
}

RouteQueue::Wake RouteQueue::TakePlaceFor(std::string_view line, TimePoint now) {
  const auto loser = queue_.TakeFromAside(line, now);
  if (!loser) return nullptr;
  const auto found = waiting_.find(*loser);
  Wake wake = std::move(found->second.wake);
  Forget(found);
  return wake;
}

std::optional<RouteQueue::Release> RouteQueue::Leave(Id id, bool admitted, TimePoint now) {
  std::optional<Release> release;
  Wake next;
  {
    std::lock_guard lock(mutex_);
    const auto found = waiting_.find(id);
    if (found == waiting_.end()) return std::nullopt;
    // In its turn or not, its tenant pays for it.
    if (admitted) {
      queue_.Admit(id);
    } else {
      queue_.Remove(id);
    }
    if (admitted && batch_left_ > 0) --batch_left_;
    const auto& [places, party] = *found->second.party;
    if (admitted && party.ramp.holds()) {
      release = Release{places, party.serial, found->second.party->second.ramp.Went(now)};
    }
    Forget(found);
    if (front_ == id || front_ == 0) next = TakeTurn(id, now);
  }
  if (next) next();
  return release;
}

void RouteQueue::Tell(const Release& release, Outcome outcome, TimePoint now) {
  {
    std::lock_guard lock(mutex_);
    const auto found = parties_.find(release.places);
    // All of them are through, or others wait there now.
    if (found == parties_.end() || found->second.serial != release.serial) return;
    ReleaseRamp& ramp = found->second.ramp;
    switch (outcome) {
      case Outcome::kSuccess:
        ramp.Succeeded(release.number);
        break;
      case Outcome::kFailure:
        ramp.Failed(release.number, now);
        break;
      case Outcome::kLost:
        ramp.Lost(release.number);
        break;
    }
  }
  Poke();
}

RouteQueue::Wake RouteQueue::TakeTurn(Id self, TimePoint now) {
  const auto front = queue_.Front(now);
  // Those that cannot make it any more leave by timers of their own.
  queue_.TakeExpired(now);
  front_ = front ? front->id : 0;
  if (front_ == self) return nullptr;  // it learns by MayTry
  const auto found = waiting_.find(front_);
  return found == waiting_.end() ? nullptr : found->second.wake;
}

std::optional<TimePoint> RouteQueue::MayTry(Id id, TimePoint now) {
  std::lock_guard lock(mutex_);
  const auto found = waiting_.find(id);
  if (found == waiting_.end()) return std::nullopt;
  if (front_ != id) return queue_.IsFirstAside(id) ? now : absl::InfiniteFuture();
  const TimePoint released = found->second.party->second.ramp.OpensAt(now);
  if (limits_.window <= absl::ZeroDuration()) return released;
  if (now >= next_batch_) {
    batch_left_ = queue_.in_line();
    next_batch_ = now + limits_.window;
  }
  return batch_left_ > 0 ? released : std::max(released, next_batch_);
}

void RouteQueue::Refused(Id id, TimePoint) {
  std::lock_guard lock(mutex_);
  if (front_ == id) batch_left_ = 0;
  if (const auto found = waiting_.find(id); found != waiting_.end()) SetTimed(found->second, false);
}

void RouteQueue::StepAside(Id id, bool timed, TimePoint now) {
  Wake next;
  {
    std::lock_guard lock(mutex_);
    if (const auto found = waiting_.find(id); found != waiting_.end()) SetTimed(found->second, timed);
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
    const auto found = waiting_.find(front_);
    if (found == waiting_.end()) return;
    wake = found->second.wake;
  }
  wake();
}

void RouteQueue::PokeOldest(std::string_view places) {
  Wake wake;
  {
    std::lock_guard lock(mutex_);
    const auto found = std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& each) {
      return each.second.party->first == places && (each.first == front_ || queue_.IsFirstAside(each.first));
    });
    if (found == waiting_.end()) return;
    wake = found->second.wake;
  }
  wake();
}

void RouteQueue::PokeAll() {
  std::vector<Wake> wakes;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [id, waiting] : waiting_) wakes.push_back(waiting.wake);
  }
  for (const Wake& wake : wakes) wake();
}

// Those that are aside for reasons of their tenants hold up only these; those
// that wait for a time hold up all that would go to the same places.
bool RouteQueue::MustWait(std::string_view tenant, std::string_view places) const {
  std::lock_guard lock(mutex_);
  if (waiting_.size() > queue_.aside()) return true;
  const auto party = parties_.find(places);
  if (party == parties_.end()) return false;
  return party->second.timed > 0 || queue_.has_tenant(LineOf(tenant, places));
}

bool RouteQueue::Awaits(std::string_view places) const {
  std::lock_guard lock(mutex_);
  const auto party = parties_.find(places);
  return party != parties_.end() && party->second.ramp.awaits();
}

bool RouteQueue::Stopped(std::string_view places) const {
  std::lock_guard lock(mutex_);
  const auto party = parties_.find(places);
  return party != parties_.end() && party->second.ramp.stopped();
}

bool RouteQueue::empty() const {
  std::lock_guard lock(mutex_);
  return waiting_.empty();
}

QueueFigures RouteQueue::figures(TimePoint now) const {
  std::lock_guard lock(mutex_);
  return {queue_.size(), queue_.OldestAge(now)};
}

}  // namespace sluice
