#include "server/resilience/fair_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/resilience/random.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using testing::ElementsAre;
using testing::IsEmpty;

const TimePoint kStart = absl::FromUnixSeconds(1000);
const TimePoint kNever = absl::InfiniteFuture();

uint64_t FrontId(FairQueue& queue, TimePoint now = kStart) {
  const auto front = queue.Front(now);
  return front ? front->id : 0;
}

std::vector<uint64_t> PopAll(FairQueue& queue, TimePoint now = kStart) {
  std::vector<uint64_t> ids;
  while (const auto popped = queue.PopFront(now)) ids.push_back(popped->id);
  return ids;
}

TEST(FairQueueTest, OfOneTenantFirstInFirstOut) {
  FairQueue queue(10);
  for (uint64_t id = 1; id <= 4; ++id) EXPECT_TRUE(queue.Push("a", 5 - id, id, kNever, kStart));
  EXPECT_THAT(PopAll(queue), ElementsAre(1, 2, 3, 4));
}

TEST(FairQueueTest, RowD10TenantsTakeTurns) {
  FairQueue queue(10);
  for (uint64_t id = 1; id <= 4; ++id) ASSERT_TRUE(queue.Push("crowd", 1, id, kNever, kStart));
  ASSERT_TRUE(queue.Push("b", 1, 11, kNever, kStart));
  ASSERT_TRUE(queue.Push("c", 1, 21, kNever, kStart));
  ASSERT_TRUE(queue.Push("c", 1, 22, kNever, kStart));
  EXPECT_THAT(PopAll(queue), ElementsAre(1, 11, 21, 2, 22, 3, 4));
}

TEST(FairQueueTest, CostsCountNotCalls) {
  FairQueue queue(10);
  for (uint64_t id = 1; id <= 2; ++id) ASSERT_TRUE(queue.Push("dear", 300, id, kNever, kStart));
  for (uint64_t id = 11; id <= 16; ++id) ASSERT_TRUE(queue.Push("cheap", 100, id, kNever, kStart));
  EXPECT_THAT(PopAll(queue), ElementsAre(11, 12, 1, 13, 14, 15, 2, 16));
}

TEST(FairQueueTest, HugeCostsTakeNoLonger) {
  FairQueue queue(10'000);
  for (uint64_t id = 1; id <= 10'000; ++id) {
    ASSERT_TRUE(queue.Push(std::to_string(id % 1000), ~uint64_t{0}, id, kNever, kStart));
  }
  EXPECT_EQ(PopAll(queue).size(), 10'000u);
}

TEST(FairQueueTest, RowD10IsBounded) {
  FairQueue queue(2);
  EXPECT_TRUE(queue.Push("a", 1, 1, kNever, kStart));
  EXPECT_TRUE(queue.Push("b", 1, 2, kNever, kStart));
  EXPECT_FALSE(queue.Push("c", 1, 3, kNever, kStart));
  EXPECT_EQ(queue.size(), 2u);
  EXPECT_EQ(queue.tenants(), 2u);
  EXPECT_FALSE(queue.Remove(3));
  queue.PopFront(kStart);
  EXPECT_TRUE(queue.Push("c", 1, 3, kNever, kStart));
}

TEST(FairQueueTest, AShorterLengthLetsNobodyInUntilThereIsRoom) {
  FairQueue queue(4);
  for (uint64_t id = 1; id <= 4; ++id) ASSERT_TRUE(queue.Push("a", 1, id, kNever, kStart));
  queue.set_max_length(2);
  EXPECT_EQ(queue.size(), 4u);
  queue.PopFront(kStart);
  queue.PopFront(kStart);
  EXPECT_FALSE(queue.Push("a", 1, 5, kNever, kStart));
  queue.PopFront(kStart);
  EXPECT_TRUE(queue.Push("a", 1, 5, kNever, kStart));
}

TEST(FairQueueTest, AnIdIsHereOnce) {
  FairQueue queue(10);
  EXPECT_TRUE(queue.Push("a", 1, 1, kNever, kStart));
  EXPECT_FALSE(queue.Push("b", 1, 1, kNever, kStart));
  EXPECT_EQ(queue.tenants(), 1u);
}

TEST(FairQueueTest, OneWithoutTimeIsNotLetIn) {
  FairQueue queue(10);
  EXPECT_FALSE(queue.Push("a", 1, 1, kStart, kStart));
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.tenants(), 0u);
}

TEST(FairQueueTest, FrontIsTheSameUntilSomethingChanges) {
  FairQueue queue(10);
  EXPECT_EQ(queue.Front(kStart), std::nullopt);
  ASSERT_TRUE(queue.Push("a", 7, 1, kStart + Seconds(5), kStart));
  ASSERT_TRUE(queue.Push("b", 7, 2, kNever, kStart));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(FrontId(queue), 1u);
  const auto popped = queue.PopFront(kStart + Seconds(1));
  ASSERT_TRUE(popped.has_value());
  EXPECT_EQ(popped->cost, 7u);
  EXPECT_EQ(popped->deadline, kStart + Seconds(5));
  EXPECT_EQ(popped->since, kStart);
  EXPECT_EQ(FrontId(queue), 2u);
}

TEST(FairQueueTest, TheExpiredAreDroppedAndToldOnceInOrder) {
  FairQueue queue(10);
  ASSERT_TRUE(queue.Push("a", 1, 1, kStart + Seconds(2), kStart));
  ASSERT_TRUE(queue.Push("a", 1, 2, kStart + Seconds(9), kStart));
  ASSERT_TRUE(queue.Push("b", 1, 3, kStart + Seconds(1), kStart));
  EXPECT_EQ(queue.NextDeadline(), kStart + Seconds(1));
  EXPECT_THAT(queue.TakeExpired(kStart), IsEmpty());
  EXPECT_EQ(FrontId(queue, kStart + Seconds(2)), 2u);
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_EQ(queue.tenants(), 1u);
  EXPECT_THAT(queue.TakeExpired(kStart + Seconds(2)), ElementsAre(3, 1));
  EXPECT_THAT(queue.TakeExpired(kStart + Seconds(2)), IsEmpty());
  EXPECT_EQ(queue.NextDeadline(), kStart + Seconds(9));
  EXPECT_EQ(queue.PopFront(kStart + Seconds(9)), std::nullopt);
  EXPECT_EQ(queue.NextDeadline(), kNever);
}

TEST(FairQueueTest, TheExpiredMakeRoom) {
  FairQueue queue(1);
  ASSERT_TRUE(queue.Push("a", 1, 1, kStart + Seconds(1), kStart));
  EXPECT_FALSE(queue.Push("a", 1, 2, kNever, kStart));
  EXPECT_FALSE(queue.Push("a", 1, 2, kNever, kStart + Seconds(1)));  // 1 was not taken yet
  EXPECT_THAT(queue.TakeExpired(kStart + Seconds(1)), ElementsAre(1));
  EXPECT_TRUE(queue.Push("a", 1, 2, kNever, kStart + Seconds(1)));
}

TEST(FairQueueTest, OneThatExpiredAndWasNotTakenCanBeRemoved) {
  FairQueue queue(10);
  ASSERT_TRUE(queue.Push("a", 1, 1, kStart + Seconds(1), kStart));
  EXPECT_EQ(FrontId(queue, kStart + Seconds(1)), 0u);
  EXPECT_TRUE(queue.Remove(1));
  EXPECT_FALSE(queue.Remove(1));
  EXPECT_THAT(queue.TakeExpired(kStart + Seconds(1)), IsEmpty());
}

TEST(FairQueueTest, RowD14TheAgeOfTheOldest) {
  FairQueue queue(10);
  EXPECT_EQ(queue.OldestAge(kStart), absl::ZeroDuration());
  ASSERT_TRUE(queue.Push("a", 1, 1, kNever, kStart));
  ASSERT_TRUE(queue.Push("a", 1, 2, kNever, kStart + Seconds(3)));
  EXPECT_EQ(queue.OldestAge(kStart + Seconds(4)), Seconds(4));
  EXPECT_TRUE(queue.Remove(1));
  EXPECT_EQ(queue.OldestAge(kStart + Seconds(4)), Seconds(1));
  EXPECT_TRUE(queue.Remove(2));
  EXPECT_EQ(queue.OldestAge(kStart + Seconds(4)), absl::ZeroDuration());
}

TEST(FairQueueTest, OneThatLeavesPaysNothing) {
  FairQueue queue(10);
  for (uint64_t id = 1; id <= 3; ++id) ASSERT_TRUE(queue.Push("a", 100, id, kNever, kStart));
  for (uint64_t id = 11; id <= 13; ++id) ASSERT_TRUE(queue.Push("b", 100, id, kNever, kStart));
  EXPECT_TRUE(queue.Remove(1));
  EXPECT_TRUE(queue.Remove(2));
  EXPECT_THAT(PopAll(queue), ElementsAre(3, 11, 12, 13));
}

TEST(FairQueueTest, AdmittingTheFrontIsPoppingItEvenPastItsDeadline) {
  FairQueue queue(10);
  ASSERT_TRUE(queue.Push("a", 1, 1, kStart + Seconds(1), kStart));
  ASSERT_TRUE(queue.Push("a", 1, 2, kNever, kStart));
  ASSERT_TRUE(queue.Push("b", 1, 11, kNever, kStart));
  ASSERT_EQ(FrontId(queue), 1u);
  EXPECT_TRUE(queue.Admit(1));
  EXPECT_FALSE(queue.Admit(1));
  EXPECT_THAT(queue.TakeExpired(kStart + Seconds(2)), IsEmpty());
  EXPECT_THAT(PopAll(queue, kStart + Seconds(2)), ElementsAre(11, 2));
}

TEST(FairQueueTest, OneAdmittedOutOfTurnIsPaidByItsTenant) {
  FairQueue queue(10);
  for (uint64_t id = 1; id <= 3; ++id) ASSERT_TRUE(queue.Push("a", 1, id, kNever, kStart));
  for (uint64_t id = 11; id <= 13; ++id) ASSERT_TRUE(queue.Push("b", 1, id, kNever, kStart));
  EXPECT_TRUE(queue.Admit(3));
  EXPECT_THAT(PopAll(queue), ElementsAre(11, 1, 12, 2, 13));
}

TEST(FairQueueTest, ATenantThatComesBackHasNothingSavedUp) {
  FairQueue queue(100);
  for (uint64_t id = 1; id <= 20; ++id) ASSERT_TRUE(queue.Push("steady", 1, id, kNever, kStart));
  ASSERT_TRUE(queue.Push("rare", 1, 100, kNever, kStart));
  for (int i = 0; i < 12; ++i) queue.PopFront(kStart);  // the rare one left long ago
  for (uint64_t id = 101; id <= 104; ++id) ASSERT_TRUE(queue.Push("rare", 1, id, kNever, kStart));
  EXPECT_THAT(PopAll(queue), ElementsAre(12, 101, 13, 102, 14, 103, 15, 104, 16, 17, 18, 19, 20));
}

// Deficit round robin as the paper walks it, with a quantum of one: round after
// round, tenant after tenant; a newcomer gets its first unit in the next round.
class RoundRobinModel {
 public:
  void Push(const std::string& tenant, uint64_t cost, uint64_t id) {
    for (Tenant& known : ring_) {
      if (known.name == tenant) return known.calls.push_back({cost, id});
    }
    ring_.push_back({.name = tenant, .joined_round = round_, .deficit = 0, .calls = {{cost, id}}});
  }

  uint64_t Pop() {
    for (;; Next()) {
      if (at_ == ring_.size()) continue;
      Tenant& tenant = ring_[at_];
      if (!visiting_ && tenant.joined_round < round_) ++tenant.deficit;
      visiting_ = true;
      if (tenant.calls.front().first > tenant.deficit) continue;
      const auto [cost, id] = tenant.calls.front();
      tenant.deficit -= cost;
      tenant.calls.pop_front();
      if (tenant.calls.empty()) {
        ring_.erase(ring_.begin() + static_cast<std::ptrdiff_t>(at_));
        visiting_ = false;
      }
      return id;
    }
  }

 private:
  struct Tenant {
    std::string name;
    uint64_t joined_round;
    uint64_t deficit;
    std::deque<std::pair<uint64_t, uint64_t>> calls;  // cost, id
  };

  void Next() {
    visiting_ = false;
    if (at_ < ring_.size()) ++at_;
    if (at_ < ring_.size()) return;
    at_ = 0;
    ++round_;
  }

  std::vector<Tenant> ring_;
  size_t at_ = 0;
  bool visiting_ = false;
  uint64_t round_ = 0;
};

TEST(FairQueueTest, GoesAsDeficitRoundRobinWalksItsRounds) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    FairQueue queue(1000);
    RoundRobinModel model;
    const uint64_t tenants = 1 + random.Below(8), dearest = 1 + random.Below(40);
    for (uint64_t step = 1; step <= 1500; ++step) {
      if (queue.empty() || random.Below(100) < (step / 100 % 2 ? 45u : 55u)) {
        const std::string tenant = std::to_string(random.Below(tenants));
        const uint64_t cost = 1 + random.Below(dearest);
        ASSERT_TRUE(queue.Push(tenant, cost, step, kNever, kStart));
        model.Push(tenant, cost, step);
      } else {
        ASSERT_EQ(queue.PopFront(kStart)->id, model.Pop()) << "seed " << seed << " step " << step;
      }
    }
  }
}

// The reference keeps one list of waiters and one of what each tenant has paid,
// and searches them at each question; for what leaves otherwise than by its turn.
struct ListModel {
  struct Waiter {
    std::string tenant;
    uint64_t cost, id;
    TimePoint deadline, since;
  };
  struct Account {
    uint64_t paid, joined;
    bool aside;
  };

  void Push(const Waiter& waiter) {
    if (!Has(waiter.tenant)) accounts[waiter.tenant] = {round, joined++, false};
    waiters.push_back(waiter);
  }
  bool Has(const std::string& tenant) const {
    return std::any_of(waiters.begin(), waiters.end(), [&](const Waiter& w) { return w.tenant == tenant; });
  }
  // The place of whose turn it is.
  size_t Front() const {
    size_t best = waiters.size();
    std::pair<uint64_t, uint64_t> least;
    std::map<std::string, bool> seen;
    for (size_t i = 0; i < waiters.size(); ++i) {
      if (std::exchange(seen[waiters[i].tenant], true)) continue;
      const Account& account = accounts.at(waiters[i].tenant);
      if (account.aside) continue;
      const std::pair turn{account.paid + waiters[i].cost, account.joined};
      if (best == waiters.size() || turn < least) best = i, least = turn;
    }
    return best;
  }
  void Pop(size_t place) {
    Account& account = accounts.at(waiters[place].tenant);
    account.paid += waiters[place].cost;
    round = std::max(round, account.paid);
    Erase(place);
  }
  void Erase(size_t place) {
    if (IsFirst(place)) ComeBack(waiters[place].tenant);
    waiters.erase(waiters.begin() + static_cast<std::ptrdiff_t>(place));
  }
  bool IsFirst(size_t place) const {
    return std::none_of(waiters.begin(), waiters.begin() + static_cast<std::ptrdiff_t>(place),
                        [&](const Waiter& w) { return w.tenant == waiters[place].tenant; });
  }
  void ComeBack(const std::string& tenant) {
    Account& account = accounts.at(tenant);
    if (std::exchange(account.aside, false)) account.paid = std::max(account.paid, round);
  }
  size_t CallsOf(const std::string& tenant) const {
    return static_cast<size_t>(
        std::count_if(waiters.begin(), waiters.end(), [&](const Waiter& w) { return w.tenant == tenant; }));
  }
  size_t Aside() const {
    return static_cast<size_t>(std::count_if(waiters.begin(), waiters.end(),
                                             [&](const Waiter& w) { return accounts.at(w.tenant).aside; }));
  }
  // The last call of the tenant that is aside with the most, and came last of
  // such; its place, or the number of all if none yields to `tenant`.
  size_t Yields(const std::string& tenant) const {
    size_t best = waiters.size();
    std::pair<size_t, uint64_t> most{CallsOf(tenant), UINT64_MAX};
    for (size_t i = 0; i < waiters.size(); ++i) {
      const Account& account = accounts.at(waiters[i].tenant);
      const std::pair crowd{CallsOf(waiters[i].tenant), account.joined};
      if (account.aside && (crowd > most || (best < waiters.size() && crowd == most))) best = i, most = crowd;
    }
    return best;
  }
  std::vector<uint64_t> Expire(TimePoint now) {
    std::vector<std::pair<TimePoint, uint64_t>> expired;
    for (const Waiter& w : waiters) {
      if (w.deadline <= now) expired.emplace_back(w.deadline, w.id);
    }
    for (size_t i = waiters.size(); i-- > 0;) {
      if (waiters[i].deadline <= now) Erase(i);
    }
    std::sort(expired.begin(), expired.end());
    std::vector<uint64_t> ids;
    for (const auto& [deadline, id] : expired) ids.push_back(id);
    return ids;
  }
  size_t Tenants() const {
    std::map<std::string, int> names;
    for (const Waiter& w : waiters) ++names[w.tenant];
    return names.size();
  }

  std::vector<Waiter> waiters;  // in the order of coming
  std::map<std::string, Account> accounts;
  uint64_t round = 0, joined = 0;
};

TEST(FairQueueTest, AgreesWithASearchOfAllWaiters) {
  int places_taken = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    const size_t max_length = 1 + random.Below(60);
    const uint64_t tenants = 1 + random.Below(8), dearest = 1 + random.Below(5000);
    FairQueue queue(max_length);
    ListModel model;
    TimePoint now = kStart;
    for (uint64_t step = 1; step <= 1500; ++step) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " step " << step);
      now += Milliseconds(random.Below(100));
      ASSERT_EQ(queue.TakeExpired(now), model.Expire(now));
      const uint64_t what = random.Below(13);
      if (what >= 10 && !model.waiters.empty()) {
        const size_t place = random.Below(model.waiters.size());
        const ListModel::Waiter& waiter = model.waiters[place];
        const bool first = model.IsFirst(place);
        bool& aside = model.accounts.at(waiter.tenant).aside;
        if (what == 10) {
          ASSERT_EQ(queue.StepAside(waiter.id), first);
          aside |= first;
        } else if (what == 11) {
          ASSERT_EQ(queue.IsFirstAside(waiter.id), first && aside);
          ASSERT_EQ(queue.Rejoin(waiter.id), first && aside);
          if (first) model.ComeBack(waiter.tenant);
        } else {
          const std::string tenant = std::to_string(random.Below(tenants));
          const size_t yields = model.waiters.size() == max_length ? model.Yields(tenant) : model.waiters.size();
          const auto taken = queue.TakeFromAside(tenant, now);
          ASSERT_EQ(taken.has_value(), yields < model.waiters.size());
          if (taken) {
            ASSERT_EQ(*taken, model.waiters[yields].id);
            model.Erase(yields);
            ++places_taken;
          }
        }
      } else if (what < 6) {
        const ListModel::Waiter waiter{.tenant = std::to_string(random.Below(tenants)),
                                       .cost = 1 + random.Below(dearest),
                                       .id = step,
                                       .deadline = now + Milliseconds(random.Below(4000)),
                                       .since = now};
        const bool fits = model.waiters.size() < max_length && waiter.deadline > now;
        ASSERT_EQ(queue.Push(waiter.tenant, waiter.cost, waiter.id, waiter.deadline, now), fits);
        if (fits) model.Push(waiter);
      } else if (what < 7 && !model.waiters.empty()) {
        const size_t place = random.Below(model.waiters.size());
        ASSERT_TRUE(queue.Remove(model.waiters[place].id));
        model.Erase(place);
      } else {
        const size_t front = model.Front();
        const auto popped = queue.PopFront(now);
        ASSERT_EQ(popped.has_value(), front < model.waiters.size());
        if (popped) {
          ASSERT_EQ(popped->id, model.waiters[front].id);
          model.Pop(front);
        }
      }
      const size_t front = model.Front();
      ASSERT_EQ(FrontId(queue, now), front < model.waiters.size() ? model.waiters[front].id : 0);
      ASSERT_EQ(queue.size(), model.waiters.size());
      ASSERT_EQ(queue.tenants(), model.Tenants());
      ASSERT_EQ(queue.aside(), model.Aside());
      ASSERT_EQ(queue.in_line(), model.waiters.size() - model.Aside());
      ASSERT_EQ(queue.OldestAge(now), model.waiters.empty() ? absl::ZeroDuration() : now - model.waiters[0].since);
    }
  }
  EXPECT_GT(places_taken, 50);
}

TEST(FairQueueTest, ATenantThatStepsAsideHoldsUpNobodyAndKeepsItsOrder) {
  FairQueue queue(10);
  for (uint64_t id = 1; id <= 3; ++id) ASSERT_TRUE(queue.Push("over", 1, id, kNever, kStart));
  ASSERT_TRUE(queue.Push("b", 1, 11, kNever, kStart));
  EXPECT_FALSE(queue.StepAside(2));  // not its tenant's first
  EXPECT_TRUE(queue.StepAside(1));
  ASSERT_TRUE(queue.Push("over", 1, 4, kNever, kStart));
  EXPECT_EQ(queue.aside(), 4u);
  EXPECT_EQ(queue.in_line(), 1u);
  EXPECT_THAT(PopAll(queue), ElementsAre(11));
  EXPECT_FALSE(queue.Rejoin(2));
  EXPECT_TRUE(queue.Rejoin(1));
  EXPECT_FALSE(queue.Rejoin(1));
  EXPECT_THAT(PopAll(queue), ElementsAre(1, 2, 3, 4));
}

TEST(FairQueueTest, WhoComesBackHasSavedUpNothing) {
  FairQueue queue(100);
  for (uint64_t id = 1; id <= 4; ++id) ASSERT_TRUE(queue.Push("over", 1, id, kNever, kStart));
  for (uint64_t id = 11; id <= 30; ++id) ASSERT_TRUE(queue.Push("b", 1, id, kNever, kStart));
  ASSERT_TRUE(queue.StepAside(1));
  for (int i = 0; i < 10; ++i) queue.PopFront(kStart);
  ASSERT_TRUE(queue.Rejoin(1));
  std::vector<uint64_t> ids;
  for (int i = 0; i < 6; ++i) ids.push_back(queue.PopFront(kStart)->id);
  EXPECT_THAT(ids, ElementsAre(1, 21, 2, 22, 3, 23));
}

TEST(FairQueueTest, WhenItsFirstIsGoneATenantIsBackInLine) {
  FairQueue queue(10);
  for (uint64_t id = 1; id <= 3; ++id) ASSERT_TRUE(queue.Push("over", 1, id, id == 2 ? kStart + Seconds(1) : kNever, kStart));
  ASSERT_TRUE(queue.StepAside(1));
  EXPECT_EQ(FrontId(queue), 0u);
  EXPECT_TRUE(queue.Remove(1));
  EXPECT_EQ(FrontId(queue), 2u);
  ASSERT_TRUE(queue.StepAside(2));
  EXPECT_EQ(FrontId(queue, kStart + Seconds(1)), 3u);  // 2 has expired
}

TEST(FairQueueTest, PlacesThatAreAsideYieldToTenantsWithFewer) {
  FairQueue queue(4);
  for (uint64_t id = 1; id <= 4; ++id) ASSERT_TRUE(queue.Push("over", 1, id, kNever, kStart));
  EXPECT_EQ(queue.TakeFromAside("b", kStart), std::nullopt);  // in line: theirs by right
  ASSERT_TRUE(queue.StepAside(1));
  EXPECT_EQ(queue.TakeFromAside("over", kStart), std::nullopt);
  EXPECT_EQ(queue.TakeFromAside("b", kStart), 4u);
  EXPECT_EQ(queue.TakeFromAside("b", kStart), std::nullopt);  // there is room
  ASSERT_TRUE(queue.Push("b", 1, 11, kNever, kStart));
  EXPECT_EQ(queue.TakeFromAside("b", kStart), 3u);
  ASSERT_TRUE(queue.Push("b", 1, 12, kNever, kStart));
  EXPECT_EQ(queue.TakeFromAside("b", kStart), std::nullopt);  // half of it each
  EXPECT_EQ(queue.TakeFromAside("c", kStart), 2u);
}

// What went of tenants that always have calls waiting, while others come, go
// and give up. Over any stretch of time two of them differ by at most the sum of
// their largest costs.
TEST(FairQueueTest, BusyTenantsDifferByTheirLargestCostsAtMost) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Random random(seed);
    FairQueue queue(10'000);
    constexpr int kBusy = 4;
    uint64_t next_id = 0;
    std::vector<uint64_t> dearest(kBusy), largest(kBusy), went(kBusy), waiting(kBusy);
    std::map<uint64_t, int> busy_ids;
    std::vector<uint64_t> other_ids;
    for (uint64_t& cost : dearest) cost = 1 + random.Below(random.Below(2) ? 10 : 10'000);
    // Extremes of went[a] - went[b] so far: their span is the most that any
    // stretch shows.
    int64_t low[kBusy][kBusy] = {}, high[kBusy][kBusy] = {};
    for (int step = 0; step < 4000; ++step) {
      for (int tenant = 0; tenant < kBusy; ++tenant) {
        while (waiting[tenant] < 2) {
          const uint64_t cost = 1 + random.Below(dearest[tenant]);
          largest[tenant] = std::max(largest[tenant], cost);
          ASSERT_TRUE(queue.Push(std::to_string(tenant), cost, ++next_id, kNever, kStart));
          busy_ids[next_id] = tenant;
          ++waiting[tenant];
        }
      }
      if (random.Below(2) == 0) {
        const std::string other = "other" + std::to_string(random.Below(5));
        if (queue.Push(other, 1 + random.Below(20'000), ++next_id, kNever, kStart)) other_ids.push_back(next_id);
      }
      if (!other_ids.empty() && random.Below(4) == 0) {
        queue.Remove(other_ids[random.Below(other_ids.size())]);
      }
      const auto popped = queue.PopFront(kStart);
      ASSERT_TRUE(popped.has_value());
      const auto busy = busy_ids.find(popped->id);
      if (busy == busy_ids.end()) continue;
      went[busy->second] += popped->cost;
      --waiting[busy->second];
      for (int a = 0; a < kBusy; ++a) {
        for (int b = 0; b < kBusy; ++b) {
          const int64_t difference = static_cast<int64_t>(went[a]) - static_cast<int64_t>(went[b]);
          low[a][b] = std::min(low[a][b], difference);
          high[a][b] = std::max(high[a][b], difference);
          ASSERT_LE(high[a][b] - low[a][b], static_cast<int64_t>(largest[a] + largest[b]))
              << "seed " << seed << " step " << step << " tenants " << a << " and " << b;
        }
      }
    }
  }
}

}  // namespace
}  // namespace sluice
