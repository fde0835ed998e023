// How a plan spreads calls over the endpoints of one upstream, of a few and of
// many.
#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "tests/engine/planner_fixture.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using Kind = BalanceConfig::Kind;

constexpr int kDraws = 10'000;

// The same claims hold for a pool that is looked at as a whole and for one that
// is drawn from: each endpoint stands for `copies_` alike.
class PlannerBalanceTest : public PlannerFixture, public testing::WithParamInterface<int> {
 protected:
  UpstreamConfig& Pool() { return pool_ ? *pool_ : *(pool_ = &Upstream("a")); }

  // Adds them, and returns the group's number.
  size_t Group(uint32_t priority = 0, uint32_t weight = 1) {
    for (int i = 0; i < GetParam(); ++i) {
      Endpoint(Pool(), absl::StrCat(groups_, ".", i), priority, weight);
    }
    return groups_++;
  }
  template <typename Do>
  void Each(size_t group, Do apply) {
    for (int i = 0; i < GetParam(); ++i) apply(Pool().endpoints[group * GetParam() + i]);
  }
  size_t GroupOf(const EndpointConfig& endpoint) { return (&endpoint - Pool().endpoints.data()) / GetParam(); }

  // How many of the draws each group got; the last counts those without a plan.
  std::vector<int> Counts(int draws = kDraws, TimePoint when = kNow) {
    Index(Pool());
    std::vector<int> counts(groups_ + 1, 0);
    for (int i = 0; i < draws; ++i) {
      const auto plan = NewPlanner().Pick(when, random_);
      ++counts[plan ? GroupOf(*plan->endpoint) : groups_];
    }
    return counts;
  }

  UpstreamConfig* pool_ = nullptr;
  size_t groups_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Pools, PlannerBalanceTest, testing::Values(1, 100),
                         [](const auto& info) { return info.param == 1 ? "Small" : "Large"; });

TEST_P(PlannerBalanceTest, SplitsEndpointsByWeight) {
  Group(0, 3);
  Group(0, 1);
  ExpectShare(Counts()[0], kDraws, 0.75, "heavy");
}

// --- priorities and panic -------------------------------------------------------

TEST_P(PlannerBalanceTest, RowD3APriorityWithTooFewLeftSpillsOver) {
  for (int i = 0; i < 4; ++i) Group(0);
  Group(1);
  Each(0, [&](EndpointConfig& e) { Eject(e); });
  Each(1, [&](EndpointConfig& e) { Trip(e, Seconds(60)); });
  const auto counts = Counts();
  EXPECT_EQ(counts[0] + counts[1], 0);
  ExpectShare(counts[2], kDraws, 0.35, "half of what is left of the first priority");
  ExpectShare(counts[4], kDraws, 0.30, "the second priority");
}

TEST_P(PlannerBalanceTest, TheNextPriorityTakesAllWhenTheFirstIsDown) {
  Group(0);
  Group(1);
  Each(0, [&](EndpointConfig& e) { Rest(e, Seconds(60)); });
  EXPECT_EQ(Counts(200)[1], 200);
}

TEST_P(PlannerBalanceTest, BelowThePanicThresholdTheUnhealthyGetCallsAgain) {
  for (int i = 0; i < 4; ++i) Group();
  for (const size_t out : {0, 1}) Each(out, [&](EndpointConfig& e) { Eject(e); });
  EXPECT_EQ(Counts(200)[0], 0);  // 50 % are healthy
  Each(2, [&](EndpointConfig& e) { e.state->SetHealthy(false, kNow); });
  const auto counts = Counts();
  for (size_t i = 0; i < 4; ++i) ExpectShare(counts[i], kDraws, 0.25, "group " + std::to_string(i));
}

TEST_P(PlannerBalanceTest, InPanicNeitherOpenBreakersNorCooldownsAreTried) {
  for (int i = 0; i < 4; ++i) Group();
  for (size_t i = 0; i < 4; ++i) Each(i, [&](EndpointConfig& e) { Eject(e); });
  Each(0, [&](EndpointConfig& e) { Trip(e, Seconds(60)); });
  Each(1, [&](EndpointConfig& e) { Rest(e, Seconds(60)); });
  const auto counts = Counts();
  EXPECT_EQ(counts[0] + counts[1] + counts[4], 0);
  ExpectShare(counts[2], kDraws, 0.5, "one that may be tried");
}

TEST_P(PlannerBalanceTest, OpenBreakersAloneAreNoPanic) {
  for (int i = 0; i < 4; ++i) Group();
  for (const size_t out : {0, 1, 2}) Each(out, [&](EndpointConfig& e) { Trip(e, Seconds(60)); });
  Each(3, [&](EndpointConfig& e) { Eject(e); });
  // 75 % are healthy, so ejection holds.
  EXPECT_EQ(Counts(100)[4], 100);
}

TEST_P(PlannerBalanceTest, PanicMayBeSwitchedOff) {
  Group();
  Pool().balance.panic_percent = 0;
  Each(0, [&](EndpointConfig& e) { Eject(e); });
  EXPECT_EQ(Counts(10)[1], 10);
  EXPECT_EQ(NewPlanner().Left(kNow).soonest, kNow + Seconds(30));
  Each(0, [&](EndpointConfig& e) { e.state->SetHealthy(false, kNow); });
  Index(Pool());
  EXPECT_EQ(NewPlanner().Left(kNow).soonest, absl::InfiniteFuture());
}

TEST_P(PlannerBalanceTest, ThereIsNoPanicAcrossTargets) {
  Group();
  Each(0, [&](EndpointConfig& e) { Eject(e); });
  Index(Pool());
  UpstreamConfig& other = Upstream("other", 1);
  Endpoint(other, "x");
  EXPECT_EQ(Draw(100).at("other/x"), 100);
  // Where nothing else is healthy it is better than nothing.
  Rest(other.endpoints[0], Seconds(60));
  EXPECT_EQ(NewPlanner().Pick(kNow, random_)->upstream().name, "a");
  EXPECT_EQ(NewPlanner().Left(kNow).soonest, kNow);
  EXPECT_TRUE(NewPlanner().Left(kNow).untried);
}

// --- zones ------------------------------------------------------------------------

TEST_P(PlannerBalanceTest, ItsOwnZoneComesFirstAndSpillsOver) {
  Pool().balance.prefer_same_zone = true;
  for (int i = 0; i < 4; ++i) Group();
  for (const size_t near : {2, 3}) Each(near, [](EndpointConfig& e) { e.same_zone = true; });
  auto counts = Counts();
  EXPECT_EQ(counts[0] + counts[1], 0);
  ExpectShare(counts[2], kDraws, 0.5, "near");
  Each(3, [&](EndpointConfig& e) { Rest(e, Seconds(60)); });
  counts = Counts();
  ExpectShare(counts[2], kDraws, 0.7, "what is left of the near ones");
  ExpectShare(counts[0], kDraws, 0.15, "far");
}

TEST_P(PlannerBalanceTest, WithoutAnotherZoneZonesDoNotMatter) {
  Pool().balance.prefer_same_zone = true;
  Group();
  Group();
  ExpectShare(Counts()[0], kDraws, 0.5, "first");
}

// --- the kinds ----------------------------------------------------------------------

TEST_P(PlannerBalanceTest, LeastRequestPrefersTheLessBusy) {
  Pool().balance.kind = Kind::kLeastRequest;
  Group();
  Group();
  Each(0, [&](EndpointConfig& e) { Load(e, 3); });
  // Of two drawn, both are busy for a quarter of the draws of many, and never of
  // one and one.
  ExpectShare(Counts()[0], kDraws, GetParam() == 1 ? 0 : 0.2487, "busy");
}

TEST_P(PlannerBalanceTest, MoreChoicesFindTheLessBusyMoreOften) {
  Pool().balance.kind = Kind::kLeastRequest;
  Pool().balance.choices = 10;
  Group();
  Group();
  Each(0, [&](EndpointConfig& e) { Load(e, 1); });
  EXPECT_LE(Counts()[0], kDraws / 200);
}

TEST_P(PlannerBalanceTest, RowD2PeakEwmaPrefersTheFaster) {
  Pool().balance.kind = Kind::kPeakEwma;
  Group();
  Group();
  Each(0, [&](EndpointConfig& e) { Answers(e, Seconds(2)); });
  Each(1, [&](EndpointConfig& e) { Answers(e, Milliseconds(200)); });
  ExpectShare(Counts()[0], kDraws, GetParam() == 1 ? 0 : 0.2487, "slow");
}

TEST_P(PlannerBalanceTest, ANewEndpointGetsItsShareLittleByLittle) {
  Pool().balance.slow_start = SlowStartConfig{Seconds(100), 10};
  Group();
  Group();
  Each(1, [](EndpointConfig& e) { e.state = std::make_shared<EndpointState>(kNow); });
  ExpectShare(Counts()[1], kDraws, 0.1 / 1.1, "at first");
  ExpectShare(Counts(kDraws, kNow + Seconds(50))[1], kDraws, 0.5 / 1.5, "after half of the time");
  ExpectShare(Counts(kDraws, kNow + Seconds(100))[1], kDraws, 0.5, "in the end");
}

TEST_P(PlannerBalanceTest, AnEndpointThatWasEjectedStartsSlowlyToo) {
  Pool().balance.slow_start = SlowStartConfig{Seconds(100), 10};
  for (int i = 0; i < 3; ++i) Group();
  Each(2, [&](EndpointConfig& e) { Eject(e); });
  EXPECT_EQ(Counts(500)[2], 0);
  ExpectShare(Counts(kDraws, kNow + Seconds(30))[2], kDraws, 0.1 / 2.1, "just back");
}

TEST_P(PlannerBalanceTest, AffinitySticksToAnEndpointByTheRing) {
  Pool().balance.kind = Kind::kRingHash;
  for (int i = 0; i < 5; ++i) Group();
  Index(Pool());
  std::map<uint64_t, const EndpointConfig*> before;
  std::vector<int> counts(5, 0);
  for (uint64_t session = 0; session < 5000; ++session) {
    const auto plan = NewPlanner({.affinity = session}).Pick(kNow, random_);
    before[session] = plan->endpoint;
    ++counts[GroupOf(*plan->endpoint)];
    ASSERT_EQ(NewPlanner({.affinity = session}).Pick(kNow + Seconds(100), random_)->endpoint, plan->endpoint);
  }
  // 512 points or more for each group: their shares spread by 5 %.
  for (size_t i = 0; i < 5; ++i) EXPECT_NEAR(counts[i], 1000, 350) << "group " << i;
  // One goes: its sessions alone move, and come back with it.
  Each(2, [&](EndpointConfig& e) { Rest(e, Seconds(10)); });
  Index(Pool());
  for (const auto& [session, endpoint] : before) {
    const auto plan = NewPlanner({.affinity = session}).Pick(kNow, random_);
    ASSERT_EQ(plan->endpoint == endpoint, GroupOf(*endpoint) != 2);
    ASSERT_EQ(NewPlanner({.affinity = session}).Pick(kNow + Seconds(10), random_)->endpoint, endpoint);
  }
}

TEST_P(PlannerBalanceTest, ASessionThatIsTriedAgainGoesToTheNextOnTheRing) {
  Pool().balance.kind = Kind::kRingHash;
  for (int i = 0; i < 3; ++i) Group();
  Index(Pool());
  for (uint64_t session = 0; session < 50; ++session) {
    std::vector<std::string> first, second;
    for (auto* visits : {&first, &second}) {
      Planner planner = NewPlanner({.affinity = session});
      for (int i = 0; i < 3; ++i) visits->push_back(Visit(planner));
    }
    EXPECT_EQ(first, second);
    EXPECT_EQ(std::set<std::string>(first.begin(), first.end()).size(), 3u);
  }
}

TEST_P(PlannerBalanceTest, OnTheRingItsOwnZoneComesFirstToo) {
  Pool().balance.kind = Kind::kRingHash;
  Pool().balance.prefer_same_zone = true;
  for (int i = 0; i < 4; ++i) Group();
  for (const size_t near : {1, 3}) Each(near, [](EndpointConfig& e) { e.same_zone = true; });
  auto counts = Counts(2000);
  EXPECT_EQ(counts[0] + counts[2], 0);
  EXPECT_GT(counts[1], 600);
  EXPECT_GT(counts[3], 600);
  Each(3, [&](EndpointConfig& e) { Rest(e, Seconds(60)); });
  counts = Counts();
  ExpectShare(counts[1], kDraws, 0.7, "what is left of the near ones");
}

TEST_P(PlannerBalanceTest, WithoutAffinityTheRingSpreads) {
  Pool().balance.kind = Kind::kRingHash;
  for (int i = 0; i < 4; ++i) Group();
  for (const int count : Counts(4000)) EXPECT_TRUE(count == 0 || (count > 650 && count < 1350)) << count;
}

// --- many ------------------------------------------------------------------------------

class LargePoolTest : public PlannerFixture {
 protected:
  UpstreamConfig& pool_ = Upstream("a");
};

TEST_F(LargePoolTest, FindsTheOneThatIsLeft) {
  Endpoints(pool_, 300);
  for (size_t i = 0; i < 300; ++i) {
    if (i != 170) Rest(pool_.endpoints[i], Seconds(60));
  }
  Index(pool_);
  EXPECT_EQ(Draw(100).at("a/170"), 100);
}

TEST_F(LargePoolTest, SeesAtOnceThatAnEndpointWentAndSoonThatAllDid) {
  Endpoints(pool_, 300);
  Index(pool_);
  EXPECT_EQ(Draw(1).count(""), 0u);
  // What was remembered is out of date now.
  for (size_t i = 0; i < 299; ++i) Rest(pool_.endpoints[i], Seconds(60));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Place(NewPlanner().Pick(kNow + Milliseconds(1), random_)), "a/299");
  Rest(pool_.endpoints[299], Seconds(30));
  EXPECT_EQ(Place(NewPlanner().Pick(kNow + Milliseconds(2), random_)), "");
  EXPECT_EQ(NewPlanner().Left(kNow + Seconds(2)).soonest, kNow + Seconds(30));
  EXPECT_EQ(Place(NewPlanner().Pick(kNow + Seconds(30), random_)), "a/299");
}

TEST_F(LargePoolTest, SeesSoonThatOthersAreBackWhenWhatItRemembersIsGone) {
  Endpoints(pool_, 300);
  for (size_t i = 0; i < 299; ++i) Rest(pool_.endpoints[i], Milliseconds(10));
  Index(pool_);
  EXPECT_EQ(Place(NewPlanner().Pick(kNow, random_)), "a/299");
  Rest(pool_.endpoints[299], Seconds(30));
  EXPECT_NE(Place(NewPlanner().Pick(kNow + EndpointIndex::kLeastAge, random_)), "");
}

TEST_F(LargePoolTest, ACallTriesDifferentEndpoints) {
  Endpoints(pool_, 100);
  Index(pool_);
  Planner planner = NewPlanner();
  std::set<std::string> seen;
  for (int i = 0; i < 10; ++i) seen.insert(Visit(planner));
  EXPECT_EQ(seen.size(), 10u);
}

TEST_F(LargePoolTest, WhenAllThatIsLeftWasTriedItIsTriedAgain) {
  Endpoints(pool_, 100);
  for (size_t i = 2; i < 100; ++i) Rest(pool_.endpoints[i], Seconds(60));
  Index(pool_);
  Planner planner = NewPlanner();
  std::map<std::string, int> visits;
  for (int i = 0; i < 6; ++i) ++visits[Visit(planner)];
  EXPECT_EQ(visits["a/0"], 3);
  EXPECT_EQ(visits["a/1"], 3);
  EXPECT_FALSE(planner.Left(kNow).untried);
}

TEST_F(LargePoolTest, WhatACallRulesOutStaysOut) {
  Endpoints(pool_, 100);
  Index(pool_);
  Planner planner = NewPlanner();
  for (size_t i = 0; i < 99; ++i) planner.Bar({&route_.targets[0], &pool_.endpoints[i]});
  EXPECT_EQ(Visit(planner), "a/99");
  EXPECT_EQ(Visit(planner), "a/99");
  planner.BarCredential({&route_.targets[0], &pool_.endpoints[0], 0});
  EXPECT_EQ(Visit(planner), "");
  EXPECT_EQ(planner.Left(kNow).soonest, absl::InfiniteFuture());
}

TEST_F(LargePoolTest, ManyLoopsPlanAtOnce) {
  Endpoints(pool_, 200);
  Index(pool_);
  // The last one is always well.
  std::atomic<int> nowhere{0};
  std::vector<std::thread> loops;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    loops.emplace_back([&, seed] {
      Random random(seed);
      for (int i = 0; i < 2000; ++i) {
        if (!NewPlanner().Pick(kNow + Milliseconds(i), random)) ++nowhere;
      }
    });
  }
  for (int i = 0; i < 2000; ++i) {
    EndpointConfig& endpoint = pool_.endpoints[i % 199];
    endpoint.state->SetHealthy(i % 3 == 0, kNow);
    if (i % 5 == 0) Rest(endpoint, Milliseconds(i));
  }
  for (std::thread& loop : loops) loop.join();
  EXPECT_EQ(nowhere, 0);
}

// --- against a naive planner --------------------------------------------------------------

// What a plan may be, by the rules alone: no draws, no caches.
class NaiveComparisonTest : public PlannerFixture {
 protected:
  bool Chance(double p) { return random_.Uniform() < p; }

  void MakeUpstream(int size) {
    UpstreamConfig& upstream = Upstream("u" + std::to_string(route_.targets.size()), random_.Below(2), random_.Below(4));
    upstream.balance.kind = static_cast<Kind>(random_.Below(4));
    upstream.balance.prefer_same_zone = Chance(0.5);
    upstream.balance.panic_percent = Chance(0.5) ? 50 : 0;
    const double out = random_.Uniform();
    for (int i = 0; i < size; ++i) {
      EndpointConfig& endpoint = Endpoint(upstream, std::to_string(i), random_.Below(3), random_.Below(4));
      endpoint.active = Chance(0.9);
      endpoint.same_zone = Chance(0.5);
      if (Chance(out)) Rest(endpoint, Seconds(random_.Below(3)));
      if (Chance(out / 2)) Eject(endpoint);
      if (Chance(out / 2)) Trip(endpoint, Seconds(1 + random_.Below(3)));
      if (Chance(out / 2)) endpoint.state->SetHealthy(false, kNow);
    }
    Index(upstream);
  }

  // Healthy and available at kNow.
  static bool Available(const EndpointConfig& e) { return StandingOf(e, kNow).Available(kNow); }

  // The endpoint may be picked, panic aside.
  static bool Fits(const TargetConfig& target, const EndpointConfig& e) {
    return target.weight > 0 && e.active && e.weight > 0 && Available(e);
  }
};

TEST_F(NaiveComparisonTest, PicksWhatTheRulesAllow) {
  int picked = 0, panicked = 0, nowhere = 0;
  for (int round = 0; round < 3000; ++round) {
    route_ = {};
    const int targets = 1 + static_cast<int>(random_.Below(3));
    for (int i = 0; i < targets; ++i) MakeUpstream(static_cast<int>(Chance(0.1) ? 65 + random_.Below(60) : random_.Below(5)));
    Planner planner = NewPlanner({.affinity = Chance(0.5) ? std::optional<uint64_t>(random_.Next()) : std::nullopt});
    std::map<const EndpointConfig*, int> tries;
    for (int attempt = 0; attempt < 4; ++attempt) {
      // The least tried, then the best target priority.
      int least = 1000;
      uint32_t priority = 1000;
      TimePoint soonest_rest = absl::InfiniteFuture();
      for (const TargetConfig& target : route_.targets) {
        for (const EndpointConfig& e : target.upstream->endpoints) {
          if (target.weight > 0 && e.active && e.weight > 0) {
            soonest_rest = std::min(soonest_rest, StandingOf(e, kNow).admits_at);
          }
          if (!Fits(target, e)) continue;
          if (tries[&e] < least) priority = 1000;
          least = std::min(least, tries[&e]);
          if (tries[&e] == least) priority = std::min(priority, target.priority);
        }
      }
      const auto left = planner.Left(kNow);
      const auto plan = planner.Pick(kNow, random_);
      SCOPED_TRACE("round " + std::to_string(round) + " attempt " + std::to_string(attempt) + " " + Place(plan));
      ASSERT_EQ(plan.has_value(), left.soonest <= kNow);
      ASSERT_GE(std::max(kNow, left.soonest), std::max(kNow, soonest_rest));
      if (!plan) {
        ASSERT_EQ(least, 1000);  // nothing available is missed
        ++nowhere;
        break;
      }
      const EndpointStanding standing = StandingOf(*plan->endpoint, kNow);
      ASSERT_TRUE(standing.Admits(kNow));
      ASSERT_TRUE(plan->endpoint->active && plan->endpoint->weight > 0 && plan->target->weight > 0);
      // A large pool in panic ranks as if its healthy ones were not tried yet.
      const bool by_panic_of_many = !standing.Healthy(kNow) && plan->upstream().index->large();
      if (least < 1000 && !by_panic_of_many) {
        ASSERT_EQ(plan->target->priority, priority);
      }
      if (standing.Healthy(kNow)) {
        ASSERT_LE(tries[plan->endpoint], least);
        ++picked;
      } else {
        ASSERT_GT(plan->upstream().balance.panic_percent, 0);
        const auto& all = plan->upstream().endpoints;
        const auto in_level = [&](const EndpointConfig& e) {
          return e.active && e.weight > 0 && e.priority == plan->endpoint->priority;
        };
        const auto total = std::count_if(all.begin(), all.end(), in_level);
        const auto healthy = std::count_if(all.begin(), all.end(), [&](const EndpointConfig& e) {
          return in_level(e) && StandingOf(e, kNow).Healthy(kNow);
        });
        ASSERT_LT(healthy * 2, total);
        ++panicked;
      }
      planner.Tried(*plan);
      ++tries[plan->endpoint];
    }
  }
  // Each case occurred.
  EXPECT_GT(picked, 1000);
  EXPECT_GT(panicked, 300);
  EXPECT_GT(nowhere, 100);
}

}  // namespace
}  // namespace sluice
