#include "server/resilience/fair_queue.h"

#include <algorithm>
#include <iterator>

namespace sluice {

bool FairQueue::Push(std::string_view tenant_name, uint64_t cost, uint64_t id, TimePoint deadline, TimePoint now) {
  MoveExpired(now);
  // The expired count by themselves, so that they are bounded even if never taken.
  if (waiting_.size() >= max_length_ || expired_.size() >= max_length_) return false;
  if (deadline <= now || by_id_.contains(id)) return false;

  Tenant& tenant = TenantOf(tenant_name);
  Delist(tenant);
  waiting_.push_back(Place{.waiter = {.id = id,
                                      .cost = std::clamp<uint64_t>(cost, 1, kMaxCost),
                                      .deadline = deadline,
                                      .since = now},
                           .tenant = &tenant,
                           .in_tenant = {}});
  const Places::iterator place = std::prev(waiting_.end());
  place->in_tenant = tenant.calls.insert(tenant.calls.end(), place);
  by_id_.emplace(id, place);
  by_deadline_.emplace(deadline, id);
  Enlist(tenant);
  return true;
}

std::optional<uint64_t> FairQueue::TakeFromAside(std::string_view tenant_name, TimePoint now) {
  MoveExpired(now);
  // With a length that was made shorter, one place would not help.
  if (waiting_.size() != max_length_ || expired_.size() >= max_length_ || aside_.empty()) return std::nullopt;
  const auto found = tenants_.find(tenant_name);
  const size_t own = found == tenants_.end() ? 0 : found->second->calls.size();
  Tenant& most = *std::get<Tenant*>(*aside_.rbegin());
  if (most.calls.size() <= own) return std::nullopt;
  const uint64_t id = most.calls.back()->waiter.id;
  Remove(id);
  return id;
}

bool FairQueue::StepAside(uint64_t id) {
  if (!IsFirst(id)) return false;
  Tenant& tenant = *by_id_.at(id)->tenant;
  Delist(tenant);
  tenant.aside = true;
  Enlist(tenant);
  return true;
}

bool FairQueue::Rejoin(uint64_t id) {
  if (!IsFirstAside(id)) return false;
  Tenant& tenant = *by_id_.at(id)->tenant;
  Delist(tenant);
  ComeBack(tenant);
  Enlist(tenant);
  return true;
}

bool FairQueue::IsFirst(uint64_t id) const {
  const auto found = by_id_.find(id);
  return found != by_id_.end() && found->second->tenant != nullptr && found->second->tenant->calls.front() == found->second;
}

bool FairQueue::IsFirstAside(uint64_t id) const { return IsFirst(id) && by_id_.at(id)->tenant->aside; }

std::optional<FairQueue::Waiter> FairQueue::Front(TimePoint now) {
  MoveExpired(now);
  if (turns_.empty()) return std::nullopt;
  return std::get<Tenant*>(*turns_.begin())->calls.front()->waiter;
}

std::optional<FairQueue::Waiter> FairQueue::PopFront(TimePoint now) {
  const std::optional<Waiter> front = Front(now);
  if (!front) return std::nullopt;
  Admit(front->id);
  return front;
}

bool FairQueue::Admit(uint64_t id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return false;
  // One that goes out of turn leaves the rounds of the others as they are.
  const bool in_turn = !turns_.empty() && std::get<Tenant*>(*turns_.begin())->calls.front() == found->second;
  // Not back: a call whose dearer predecessor gave up may have been paid for in
  // a round that is over.
  if (in_turn) round_ = std::max(round_, std::get<0>(*turns_.begin()));
  return TakeOut(id, /*charged=*/true);
}

bool FairQueue::Remove(uint64_t id) { return TakeOut(id, /*charged=*/false); }

bool FairQueue::TakeOut(uint64_t id, bool charged) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return false;
  const Places::iterator place = found->second;
  by_id_.erase(found);
  if (place->tenant == nullptr) {
    expired_.erase(place);
  } else {
    Detach(place, charged ? place->waiter.cost : 0);
    waiting_.erase(place);
  }
  return true;
}

std::vector<uint64_t> FairQueue::TakeExpired(TimePoint now) {
  MoveExpired(now);
  std::vector<uint64_t> ids;
  ids.reserve(expired_.size());
  for (const Place& place : expired_) {
    ids.push_back(place.waiter.id);
    by_id_.erase(place.waiter.id);
  }
  expired_.clear();
  return ids;
}

TimePoint FairQueue::NextDeadline() const {
  return by_deadline_.empty() ? absl::InfiniteFuture() : by_deadline_.begin()->first;
}

Duration FairQueue::OldestAge(TimePoint now) const {
  return waiting_.empty() ? absl::ZeroDuration() : now - waiting_.front().waiter.since;
}

FairQueue::Turn FairQueue::TurnOf(Tenant& tenant) {
  return {tenant.paid_round + tenant.calls.front()->waiter.cost, tenant.joined, &tenant};
}

void FairQueue::Enlist(Tenant& tenant) {
  if (tenant.calls.empty()) return;
  if (tenant.aside) {
    aside_.insert(CrowdOf(tenant));
    aside_calls_ += tenant.calls.size();
  } else {
    turns_.insert(TurnOf(tenant));
  }
}

void FairQueue::Delist(Tenant& tenant) {
  if (tenant.calls.empty()) return;
  if (tenant.aside) {
    aside_.erase(CrowdOf(tenant));
    aside_calls_ -= tenant.calls.size();
  } else {
    turns_.erase(TurnOf(tenant));
  }
}

// As one that comes anew; but what it spent ahead it has spent.
void FairQueue::ComeBack(Tenant& tenant) {
  tenant.aside = false;
  tenant.paid_round = std::max(tenant.paid_round, round_);
}

FairQueue::Tenant& FairQueue::TenantOf(std::string_view name) {
  const auto found = tenants_.find(name);
  if (found != tenants_.end()) return *found->second;
  // One that comes back has nothing saved up and nothing to make good.
  auto tenant = std::make_unique<Tenant>(
      Tenant{.name = std::string(name), .joined = joined_++, .paid_round = round_, .calls = {}});
  const std::string_view key = tenant->name;
  return *tenants_.emplace(key, std::move(tenant)).first->second;
}

void FairQueue::MoveExpired(TimePoint now) {
  while (!by_deadline_.empty() && by_deadline_.begin()->first <= now) {
    const Places::iterator place = by_id_.at(by_deadline_.begin()->second);
    Detach(place, 0);
    place->tenant = nullptr;
    expired_.splice(expired_.end(), waiting_, place);
  }
}

void FairQueue::Detach(Places::iterator place, uint64_t charge) {
  Tenant& tenant = *place->tenant;
  Delist(tenant);
  if (tenant.aside && tenant.calls.front() == place) ComeBack(tenant);
  tenant.paid_round += charge;
  tenant.calls.erase(place->in_tenant);
  by_deadline_.erase({place->waiter.deadline, place->waiter.id});
  if (!tenant.calls.empty()) {
    Enlist(tenant);
  } else {
    // Moved out first: the key is a view of it.
    const auto found = tenants_.find(tenant.name);
    const std::unique_ptr<Tenant> gone = std::move(found->second);
    tenants_.erase(found);
  }
}

}  // namespace sluice
