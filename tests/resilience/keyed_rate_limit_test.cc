#include "server/resilience/keyed_rate_limit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/resilience/random.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Minutes;
using absl::Seconds;

const TimePoint kStart = absl::FromUnixSeconds(1000);

TEST(KeyedRateLimitTest, EachKeyHasALimitOfItsOwn) {
  KeyedRateLimit limit({.requests = 1}, 100);
  EXPECT_EQ(limit.TryTake("a", 0, kStart), std::nullopt);
  EXPECT_EQ(limit.TryTake("a", 0, kStart), Minutes(1));
  EXPECT_EQ(limit.TryTake("b", 0, kStart), std::nullopt);
}

TEST(KeyedRateLimitTest, IdleKeysAreForgottenFirst) {
  KeyedRateLimit limit({.requests = 60}, 2);
  ASSERT_EQ(limit.TryTake("idle", 0, kStart), std::nullopt);
  for (int i = 0; i < 60; ++i) ASSERT_EQ(limit.TryTake("busy", 0, kStart), std::nullopt);
  // "idle" is the more recently used, but by now it has nothing to remember.
  const TimePoint later = kStart + Seconds(1);
  ASSERT_EQ(limit.TryTake("idle", 0, kStart), std::nullopt);
  ASSERT_EQ(limit.TryTake("new", 0, later + Seconds(1)), std::nullopt);
  EXPECT_EQ(limit.evictions(), 0u);
  EXPECT_EQ(limit.size(), 2u);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(limit.TryTake("busy", 0, later + Seconds(1)), std::nullopt);
  EXPECT_EQ(limit.TryTake("busy", 0, later + Seconds(1)), Seconds(1));
}

TEST(KeyedRateLimitTest, ThenTheLeastRecentlyUsedIsEvictedAndCounted) {
  KeyedRateLimit limit({.requests = 1}, 2);
  ASSERT_EQ(limit.TryTake("a", 0, kStart), std::nullopt);
  ASSERT_EQ(limit.TryTake("b", 0, kStart), std::nullopt);
  ASSERT_NE(limit.TryTake("a", 0, kStart), std::nullopt);  // used again
  ASSERT_EQ(limit.TryTake("c", 0, kStart), std::nullopt);
  EXPECT_EQ(limit.evictions(), 1u);
  EXPECT_EQ(limit.size(), 2u);
  EXPECT_NE(limit.TryTake("a", 0, kStart), std::nullopt);
  EXPECT_EQ(limit.TryTake("b", 0, kStart), std::nullopt);  // begins anew
}

TEST(KeyedRateLimitTest, ManyKeysTakeNoMoreThanTheirBound) {
  KeyedRateLimit limit({.requests = 1}, 100);
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_EQ(limit.TryTake(std::to_string(i), 0, kStart), std::nullopt);
    ASSERT_LE(limit.size(), 100u);
  }
  EXPECT_EQ(limit.evictions(), 9'900u);
}

TEST(KeyedRateLimitTest, MemoryFollowsTheKeysThatAreBusy) {
  KeyedRateLimit limit({.requests = 60}, 1'000'000);
  // A thousand keys a second, each busy for a second.
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_EQ(limit.TryTake(std::to_string(i), 0, kStart + Milliseconds(i)), std::nullopt);
    ASSERT_LE(limit.size(), 1001u);
  }
  EXPECT_EQ(limit.evictions(), 0u);
}

TEST(KeyedRateLimitTest, ADebtIsOwedEvenIfTheKeyWasForgotten) {
  KeyedRateLimit limit({.tokens = 600}, 10);
  ASSERT_EQ(limit.TryTake("long call", 10, kStart), std::nullopt);
  const TimePoint later = kStart + Minutes(5);
  ASSERT_EQ(limit.TryTake("other", 10, later), std::nullopt);
  ASSERT_EQ(limit.size(), 1u);  // forgotten: it was full
  limit.Settle("long call", 10, 1210, later);
  EXPECT_EQ(limit.TryTake("long call", 60, later), Seconds(66));
}

TEST(KeyedRateLimitTest, CreditsOfForgottenKeysMakeNoEntries) {
  KeyedRateLimit limit({.requests = 10, .tokens = 600}, 10);
  limit.Settle("never seen", 100, 10, kStart);
  limit.GiveBack("never seen", 100, kStart);
  EXPECT_EQ(limit.size(), 0u);
}

TEST(KeyedRateLimitTest, ConfigureReachesEveryKeyAndMakesRoom) {
  KeyedRateLimit limit({.requests = 10}, 10);
  for (int key = 0; key < 5; ++key) {
    for (int i = 0; i < 10; ++i) ASSERT_EQ(limit.TryTake(std::to_string(key), 0, kStart), std::nullopt);
  }
  limit.Configure({.requests = 60}, 3, kStart);
  EXPECT_EQ(limit.size(), 3u);
  EXPECT_EQ(limit.evictions(), 2u);
  EXPECT_EQ(limit.TryTake("4", 0, kStart), Seconds(1));       // kept: used up, at the new rate
  EXPECT_EQ(limit.TryTake("0", 0, kStart), std::nullopt);     // evicted: the oldest
  EXPECT_EQ(limit.TryTake("4", 0, kStart + Seconds(1)), std::nullopt);
}

// The reference looks through all keys for the one to evict. With room for all
// it is never told to forget: there it remembers every key for ever.
class KeyedModel {
 public:
  KeyedModel(const RateLimitConfig& config, size_t max_keys) : config_(config), max_keys_(max_keys) {}

  RateBuckets& Use(const std::string& key) {
    auto found = keys_.find(key);
    if (found == keys_.end()) {
      if (keys_.size() >= max_keys_) EvictLeastRecentlyUsed();
      found = keys_.try_emplace(key, Entry{RateBuckets(config_)}).first;
    }
    found->second.used = ++uses_;
    return found->second.buckets;
  }
  RateBuckets* Find(const std::string& key) {
    const auto found = keys_.find(key);
    return found == keys_.end() ? nullptr : &found->second.buckets;
  }
  // Forgets what is full: the same as one never seen.
  void ForgetIdle(TimePoint now) {
    std::erase_if(keys_, [&](const auto& entry) { return entry.second.buckets.idle(now); });
  }

  uint64_t evictions = 0;

 private:
  void EvictLeastRecentlyUsed() {
    keys_.erase(std::min_element(keys_.begin(), keys_.end(),
                                 [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
    ++evictions;
  }

  struct Entry {
    RateBuckets buckets;
    uint64_t used = 0;
  };
  RateLimitConfig config_;
  size_t max_keys_;
  std::map<std::string, Entry> keys_;
  uint64_t uses_ = 0;
};

// One random step on both; they must answer alike.
void Step(Random& random, uint64_t keys, TimePoint now, KeyedRateLimit& limit, KeyedModel& model) {
  const std::string key = std::to_string(random.Below(keys));
  const uint64_t estimate = random.Below(400), actual = random.Below(600);
  switch (random.Below(4)) {
    case 0: {
      limit.Settle(key, estimate, actual, now);
      RateBuckets* const buckets = actual > estimate ? &model.Use(key) : model.Find(key);
      if (buckets) buckets->Settle(estimate, actual, now);
      break;
    }
    case 1: {
      limit.GiveBack(key, estimate, now);
      if (RateBuckets* const buckets = model.Find(key)) buckets->GiveBack(estimate, now);
      break;
    }
    default:
      ASSERT_EQ(limit.TryTake(key, estimate, now), model.Use(key).TryTake(estimate, now)) << "key " << key;
  }
}

TEST(KeyedRateLimitTest, WithRoomForAllNothingIsEverLost) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    const RateLimitConfig config{.requests = 1 + random.Below(30), .tokens = 100 + random.Below(3000)};
    KeyedRateLimit limit(config, 50);
    KeyedModel model(config, 50);
    TimePoint now = kStart;
    for (int step = 0; step < 3000; ++step) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " step " << step);
      now += random.Below(100) == 0 ? Minutes(2) * random.Uniform() : Milliseconds(random.Below(500));
      ASSERT_NO_FATAL_FAILURE(Step(random, 50, now, limit, model));
    }
    EXPECT_EQ(limit.evictions(), 0u) << "seed " << seed;
  }
}

TEST(KeyedRateLimitTest, EvictsAsASearchOfAllKeysWould) {
  uint64_t evictions = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    const RateLimitConfig config{.requests = 1 + random.Below(10), .tokens = 100 + random.Below(1000)};
    const size_t max_keys = 1 + random.Below(12);
    KeyedRateLimit limit(config, max_keys);
    KeyedModel model(config, max_keys);
    TimePoint now = kStart;
    for (int step = 0; step < 2000; ++step) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " step " << step);
      now += random.Below(50) == 0 ? Minutes(2) * random.Uniform() : Seconds(4) * random.Uniform();
      model.ForgetIdle(now);
      ASSERT_NO_FATAL_FAILURE(Step(random, 25, now, limit, model));
      ASSERT_EQ(limit.evictions(), model.evictions);
      ASSERT_LE(limit.size(), max_keys);
    }
    evictions += model.evictions;
  }
  EXPECT_GT(evictions, 1000u);  // the traces do what they are for
}

TEST(RateGateTest, AllOrNothing) {
  RateBuckets route({.tokens = 600});
  KeyedRateLimit tenants({.requests = 1}, 10);
  RateBuckets upstream({.requests = 60});
  const std::vector<RateGate> gates{RateGate(route), RateGate(tenants, "a"), RateGate(upstream)};
  ASSERT_EQ(TryTakeAll(gates, 100, kStart), std::nullopt);
  EXPECT_EQ(route.tokens_left(kStart), 500);
  EXPECT_EQ(upstream.requests_left(kStart), 59);

  const auto refusal = TryTakeAll(gates, 100, kStart);
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->gate, 1u);
  EXPECT_EQ(refusal->wait, Minutes(1));
  EXPECT_EQ(route.tokens_left(kStart), 500);
  EXPECT_EQ(upstream.requests_left(kStart), 59);
}

TEST(RateGateTest, TheLongestWaitWins) {
  RateBuckets slow({.requests = 1}), slowest({.requests = 1, .per = absl::Hours(1)}), fast({.requests = 60});
  const std::vector<RateGate> gates{RateGate(slow), RateGate(slowest), RateGate(fast)};
  ASSERT_EQ(TryTakeAll(gates, 0, kStart), std::nullopt);
  const auto refusal = TryTakeAll(gates, 0, kStart);
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->gate, 1u);
  EXPECT_EQ(refusal->wait, absl::Hours(1));
}

TEST(RateGateTest, NoGatesAreNoLimit) { EXPECT_EQ(TryTakeAll({}, 1'000'000, kStart), std::nullopt); }

TEST(RateGateTest, SettlesAndGivesBackThroughTheGate) {
  RateBuckets route({.requests = 10, .tokens = 600});
  KeyedRateLimit tenants({.tokens = 600}, 10);
  for (const RateGate& gate : {RateGate(route), RateGate(tenants, "a")}) {
    ASSERT_EQ(gate.TryTake(600, kStart), std::nullopt);
    gate.Settle(600, 550, kStart);
    EXPECT_EQ(gate.TryTake(60, kStart), Seconds(1));
    ASSERT_EQ(gate.TryTake(50, kStart), std::nullopt);
    gate.GiveBack(50, kStart);
    EXPECT_EQ(gate.TryTake(60, kStart), Seconds(1));
  }
}

}  // namespace
}  // namespace sluice
