#include "server/resilience/hash_ring.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "tests/resilience/seeded.h"

namespace sluice {
namespace {

class HashRingTest : public SeededTest {
 protected:
  static HashRing::Member Named(const std::string& name, double weight = 1) { return {StableHash(name), weight}; }

  static std::vector<HashRing::Member> Equal(int count) {
    std::vector<HashRing::Member> members;
    for (int i = 0; i < count; ++i) members.push_back(Named("endpoint-" + std::to_string(i)));
    return members;
  }

  // The share of a member with `points` of them spreads by 1 ÷ √points of
  // itself; six times that, and as much again for the draws.
  static void ExpectKeys(int hits, int keys, double share, int points) {
    EXPECT_NEAR(hits, keys * share, 6 * keys * share / std::sqrt(points) + 6 * std::sqrt(keys * share));
  }
};

constexpr int kKeys = 40'000;

TEST_F(HashRingTest, StaysTheSameOverProcessesAndVersions) {
  EXPECT_EQ(StableHash("api.example.com:443"), StableHash("api.example.com:443"));
  // A change of these would move every session of a fleet that is half upgraded.
  EXPECT_EQ(StableHash(""), 17665956581633026203u);
  EXPECT_EQ(MixHash(1, 0), 10451216379200822465u);
}

TEST_F(HashRingTest, AgreesWithANaiveRing) {
  const std::vector<HashRing::Member> members = {Named("a", 1), Named("b", 2), Named("c", 3.5)};
  std::map<uint64_t, uint32_t> naive;
  const int points[] = {1024, 2048, 3584};
  for (uint32_t m = 0; m < 3; ++m) {
    for (int i = 0; i < points[m]; ++i) naive.emplace(MixHash(members[m].hash, i), m);
  }
  const HashRing ring(members, 1024);
  ASSERT_EQ(ring.size(), naive.size());
  const auto owner = [&](uint64_t key) {
    const auto next = naive.lower_bound(key);
    return next == naive.end() ? naive.begin()->second : next->second;
  };
  for (int i = 0; i < kKeys; ++i) {
    const uint64_t key = random_.Next();
    ASSERT_EQ(ring.Owner(key), owner(key)) << key;
  }
  for (const auto& [hash, member] : naive) {
    ASSERT_EQ(ring.Owner(hash), member);
    ASSERT_EQ(ring.Owner(hash + 1), owner(hash + 1));
  }
  EXPECT_EQ(ring.Owner(~uint64_t{0}), owner(~uint64_t{0}));
}

TEST_F(HashRingTest, KeysFallInProportionToTheWeights) {
  const std::vector<HashRing::Member> members = {Named("a", 10), Named("b", 20), Named("c", 50)};
  const HashRing ring(members, HashRing::kMinSize);
  std::vector<int> keys(3, 0);
  for (int i = 0; i < kKeys; ++i) ++keys[ring.Owner(random_.Next())];
  ExpectKeys(keys[0], kKeys, 10.0 / 80, 1024);
  ExpectKeys(keys[1], kKeys, 20.0 / 80, 2048);
  ExpectKeys(keys[2], kKeys, 50.0 / 80, 5120);
}

TEST_F(HashRingTest, WhenAMemberGoesOnlyItsOwnKeysMove) {
  for (const int count : {2, 10, 64, 100}) {
    std::vector<HashRing::Member> members = Equal(count);
    const HashRing before(members, 1024);
    const uint32_t gone = static_cast<uint32_t>(random_.Below(count));
    members.erase(members.begin() + gone);
    const HashRing after(members, 1024);
    int moved = 0;
    for (int i = 0; i < kKeys; ++i) {
      const uint64_t key = random_.Next();
      const uint32_t owner = before.Owner(key);
      if (owner == gone) {
        ++moved;
      } else {
        ASSERT_EQ(after.Owner(key), owner - (owner > gone)) << "of " << count;
      }
    }
    ExpectKeys(moved, kKeys, 1.0 / count, 512);
  }
}

TEST_F(HashRingTest, WhenAMemberComesOnlyItsOwnKeysMove) {
  std::vector<HashRing::Member> members = Equal(10);
  const HashRing before(members, 1024);
  members.push_back(Named("new"));
  const HashRing after(members, 1024);
  int moved = 0;
  for (int i = 0; i < kKeys; ++i) {
    const uint64_t key = random_.Next();
    if (after.Owner(key) == before.Owner(key)) continue;
    ASSERT_EQ(after.Owner(key), 10u);
    ++moved;
  }
  ExpectKeys(moved, kKeys, 1.0 / 11, 1024);
}

TEST_F(HashRingTest, TheOrderOfMembersDoesNotMatter) {
  std::vector<HashRing::Member> members = Equal(7);
  const HashRing ring(members, 1024);
  std::reverse(members.begin(), members.end());
  const HashRing reversed(members, 1024);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t key = random_.Next();
    ASSERT_EQ(ring.Owner(key), 6 - reversed.Owner(key));
  }
}

TEST_F(HashRingTest, WhatIsNotAvailableLeavesItsKeysToTheNextClockwise) {
  const HashRing ring(Equal(5), 1024);
  std::vector<HashRing::Member> without = Equal(5);
  without.erase(without.begin() + 2);
  const HashRing rest(without, 1024);
  for (int i = 0; i < 5000; ++i) {
    const uint64_t key = random_.Next();
    const uint32_t found = ring.Find(key, [](uint32_t member) { return member != 2; });
    ASSERT_EQ(found, ring.Owner(key) == 2 ? rest.Owner(key) + (rest.Owner(key) >= 2) : ring.Owner(key));
  }
  EXPECT_EQ(ring.Find(random_.Next(), [](uint32_t) { return false; }), HashRing::kNone);
}

TEST_F(HashRingTest, ItsSizeKeepsToItsBounds) {
  EXPECT_EQ(HashRing(Equal(1), 1024).size(), 1024u);
  EXPECT_GE(HashRing(Equal(3), 1000).size(), 1000u);
  const size_t many = HashRing(Equal(10'000), 1024).size();
  EXPECT_GE(many, 32'768u);
  EXPECT_LE(many, 65'536u);
  // A tiny weight beside a huge one gets a point as long as the bound allows.
  const std::vector<HashRing::Member> uneven = {Named("small", 1), Named("large", 100'000)};
  EXPECT_LE(HashRing(uneven, 1024).size(), 100'002u);
  EXPECT_LE(HashRing(uneven, 1024, 4096).size(), 4096u + 2);
  EXPECT_EQ(HashRing(Equal(3), 1 << 30).size(), 3u << 21);
  EXPECT_EQ(HashRing({}, 1024).size(), 0u);
  EXPECT_EQ(HashRing({}, 1024).Find(1, [](uint32_t) { return true; }), HashRing::kNone);
}

}  // namespace
}  // namespace sluice
