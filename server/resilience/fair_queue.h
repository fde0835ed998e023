// A bounded waiting room, fair between tenants and aware of deadlines. Called by
// the engine under the lock of the route that owns it. Pure: it knows calls by
// number only; who waits, and how they are woken, is the caller's affair.
#ifndef SLUICE_SERVER_RESILIENCE_FAIR_QUEUE_H_
#define SLUICE_SERVER_RESILIENCE_FAIR_QUEUE_H_

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "server/resilience/time.h"

namespace sluice {

// Deficit round robin (Shreedhar, Varghese 1996) with a quantum of one unit of
// cost: in each round every waiting tenant, in the order in which they came,
// gets one unit, and its first call goes when it is paid for. The rounds are
// not walked but computed, so a small quantum costs nothing: O(log n) for each
// operation, however large the costs.
//
// Fairness: while two tenants both have calls waiting, what was let through of
// each differs by at most the largest cost of the one plus the largest cost of
// the other, whatever third tenants send. Within a tenant: first in, first out.
// A tenant takes memory only while it has calls here.
//
// A tenant whose first call cannot go for a reason of its own (its rate limit)
// steps aside with all its calls: the others go on as if it were not here, and
// when it comes back it has nothing saved up. What is aside counts for the
// length, but yields its places to others where it holds more of them.
class FairQueue {
 public:
  struct Waiter {
    uint64_t id;
    uint64_t cost;
    TimePoint deadline;
    TimePoint since;
  };

  // Larger costs count as this.
  static constexpr uint64_t kMaxCost = uint64_t{1} << 32;

  explicit FairQueue(size_t max_length) : max_length_(max_length) {}
  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;

  // False, and nothing changed: it is full of calls that can still make it, the
  // deadline has passed, or the id is here already. A cost of 0 counts as 1.
  // The deadline is when it is of no use any more to be let through: the call's
  // deadline less what an attempt takes, or its longest wait.
  bool Push(std::string_view tenant, uint64_t cost, uint64_t id, TimePoint deadline, TimePoint now);

  // For a tenant that may not push because of the length: takes out the last
  // call of the tenant that is aside with the most calls, if these are more than
  // the calls of this one. None: there is room, or nobody yields.
  std::optional<uint64_t> TakeFromAside(std::string_view tenant, TimePoint now);

  // Its tenant steps aside. It comes back by Rejoin, or when this call is gone,
  // for the next one may have no such reason. False: not here, or not its
  // tenant's first.
  bool StepAside(uint64_t id);
  // Its tenant is back in line. False: it is not the first of one that is aside.
  bool Rejoin(uint64_t id);
  bool IsFirstAside(uint64_t id) const;

  // Whose turn it is, the same until something changes; none when nobody waits
  // who can still make it and is not aside.
  std::optional<Waiter> Front(TimePoint now);
  // Takes out Front(now), which has its turn with it.
  std::optional<Waiter> PopFront(TimePoint now);
  // Takes out this one as PopFront would, whether it is its turn or not and even
  // if its deadline passed since Front named it. False: not here.
  bool Admit(uint64_t id);
  // Gone of its own accord: its tenant pays nothing. False: not here.
  bool Remove(uint64_t id);

  // The ids of those whose deadline has passed, in the order of their deadlines,
  // each told once. Front, PopFront and Push pass over them, and remember them
  // for this: call it after these and at NextDeadline().
  std::vector<uint64_t> TakeExpired(TimePoint now);
  // InfiniteFuture when nobody waits.
  TimePoint NextDeadline() const;

  // Those that wait, also aside; not those that expired and were not taken yet.
  size_t size() const { return waiting_.size(); }
  // Of these, those that are aside, and the others.
  size_t aside() const { return aside_calls_; }
  size_t in_line() const { return waiting_.size() - aside_calls_; }
  bool has_tenant(std::string_view tenant) const { return tenants_.contains(tenant); }
  bool empty() const { return waiting_.empty(); }
  size_t tenants() const { return tenants_.size(); }
  // How long the oldest has waited; zero when nobody does.
  Duration OldestAge(TimePoint now) const;

  // One that is shorter than the queue lets nobody in until there is room.
  void set_max_length(size_t max_length) { max_length_ = max_length; }

 private:
  struct Tenant;
  struct Place;
  using Places = std::list<Place>;

  struct Place {
    Waiter waiter;
    Tenant* tenant;  // null: expired
    std::list<Places::iterator>::iterator in_tenant;
  };

  struct Tenant {
    std::string name;
    uint64_t joined;      // its place in a round
    uint64_t paid_round;  // the round up to which its units are spent
    std::list<Places::iterator> calls;
    bool aside = false;
  };

  // The round in which a tenant's first call is paid for, and its place in it.
  using Turn = std::tuple<uint64_t, uint64_t, Tenant*>;

  // How many calls a tenant has that is aside.
  using Crowd = std::tuple<size_t, uint64_t, Tenant*>;

  bool IsFirst(uint64_t id) const;  // of its tenant
  static Turn TurnOf(Tenant& tenant);  // who has calls
  static Crowd CrowdOf(Tenant& tenant) { return {tenant.calls.size(), tenant.joined, &tenant}; }
  // Into turns_ or aside_, and out of them, around any change of a tenant.
  void Enlist(Tenant& tenant);
  void Delist(Tenant& tenant);
  void ComeBack(Tenant& tenant);  // who is not enlisted
  Tenant& TenantOf(std::string_view name);
  void MoveExpired(TimePoint now);
  // Takes it out of its tenant, who pays `charge` for it, and of the deadlines;
  // it stays in its list.
  void Detach(Places::iterator place, uint64_t charge);
  bool TakeOut(uint64_t id, bool charged);

  size_t max_length_;
  Places waiting_;  // in the order of coming
  Places expired_;  // to be told by TakeExpired
  absl::flat_hash_map<uint64_t, Places::iterator> by_id_;
  absl::btree_set<std::pair<TimePoint, uint64_t>> by_deadline_;
  absl::flat_hash_map<std::string_view, std::unique_ptr<Tenant>> tenants_;  // views of Tenant::name
  absl::btree_set<Turn> turns_;   // of the tenants in line
  absl::btree_set<Crowd> aside_;  // the other tenants
  size_t aside_calls_ = 0;
  uint64_t round_ = 0;   // of the call that went last
  uint64_t joined_ = 0;  // tenants that ever joined
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_FAIR_QUEUE_H_
