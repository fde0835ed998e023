#include "server/resilience/balancer.h"

#include <algorithm>
#include <string>
#include <vector>

#include "tests/resilience/seeded.h"

namespace sluice {
namespace {

using absl::Milliseconds;

class BalancerTest : public SeededTest {
 protected:
  template <typename Pick>
  std::vector<int> Count(size_t places, int draws, Pick pick) {
    std::vector<int> counts(places, 0);
    for (int i = 0; i < draws; ++i) ++counts.at(pick());
    return counts;
  }

  void ExpectByWeight(const std::vector<int>& counts, const std::vector<double>& weights, int draws) {
    double total = 0;
    for (const double weight : weights) total += weight;
    for (size_t i = 0; i < weights.size(); ++i) {
      ExpectShare(counts[i], draws, weights[i] / total, "place " + std::to_string(i));
    }
  }

  std::vector<CandidateLoad> Loads(const std::vector<double>& weights) {
    std::vector<CandidateLoad> loads;
    for (const double weight : weights) loads.push_back({.weight = weight});
    return loads;
  }
};

constexpr int kDraws = 60'000;

TEST_F(BalancerTest, PicksByWeight) {
  const std::vector<double> weights = {1, 3, 0.5, 95.5};
  ExpectByWeight(Count(4, kDraws, [&] { return PickWeighted(Loads(weights), random_); }), weights, kDraws);
}

TEST_F(BalancerTest, AnIndexPicksByWeightAndNeverWhatHasNone) {
  const std::vector<double> weights = {0, 10, 0, 30, 60, 0};
  WeightedIndex index;
  for (const double weight : weights) index.Add(weight);
  ExpectByWeight(Count(6, kDraws, [&] { return index.Pick(random_.Uniform()); }), weights, kDraws);
  // The last instant before 1 belongs to the last one with a weight.
  EXPECT_EQ(index.Pick(1 - 0x1.0p-53), 4u);
  EXPECT_EQ(index.Pick(1), 4u);
  EXPECT_EQ(index.Pick(0), 1u);
}

TEST_F(BalancerTest, AnIndexPicksWhatANaiveScanPicks) {
  for (int round = 0; round < 2000; ++round) {
    const size_t size = 1 + random_.Below(200);
    std::vector<uint64_t> weights;
    WeightedIndex index;
    for (size_t i = 0; i < size; ++i) {
      weights.push_back(i == 0 ? 1 : random_.Below(4) == 0 ? 0 : random_.Below(1'000'000));
      index.Add(static_cast<double>(weights.back()));
    }
    const double at = random_.Uniform();
    size_t naive = 0;
    uint64_t before = 0;
    while (static_cast<double>(before + weights[naive]) <= at * index.total()) before += weights[naive++];
    ASSERT_EQ(index.Pick(at), naive) << "round " << round;
  }
}

TEST_F(BalancerTest, LeastRequestOfAnIdlePoolGoesByWeight) {
  const std::vector<double> weights = {1, 2, 7};
  ExpectByWeight(Count(3, kDraws, [&] { return PickLeastRequest(Loads(weights), 2, random_); }), weights, kDraws);
}

TEST_F(BalancerTest, LeastRequestOfTwoIsAlwaysTheLessBusy) {
  std::vector<CandidateLoad> loads = Loads({1, 1});
  loads[0].in_flight = 5;
  loads[1].in_flight = 4;
  EXPECT_EQ(Count(2, 1000, [&] { return PickLeastRequest(loads, 2, random_); })[1], 1000);
}

TEST_F(BalancerTest, LeastRequestCountsWhatIsInFlightForAUnitOfWeight) {
  std::vector<CandidateLoad> loads = Loads({10, 1});
  loads[0].in_flight = 9;
  loads[1].in_flight = 1;
  EXPECT_EQ(PickLeastRequest(loads, 2, random_), 0u);
  loads[0].in_flight = 11;
  EXPECT_EQ(PickLeastRequest(loads, 2, random_), 1u);
}

// The k-th least busy of n is picked when it is drawn and none of those before
// it is: C(n-k, c-1) ÷ C(n, c).
TEST_F(BalancerTest, LeastRequestLooksAtAsManyDifferentOnesAsAsked) {
  constexpr int kPlaces = 12;
  std::vector<CandidateLoad> loads = Loads(std::vector<double>(kPlaces, 1));
  for (int i = 0; i < kPlaces; ++i) loads[i].in_flight = i;
  const auto choose = [](int n, int k) {
    double ways = 1;
    for (int i = 0; i < k; ++i) ways = n - i <= 0 ? 0 : ways * (n - i) / (i + 1);
    return ways;
  };
  for (uint32_t choices = kMinChoices; choices <= kMaxChoices; ++choices) {
    const auto counts = Count(kPlaces, kDraws, [&] { return PickLeastRequest(loads, choices, random_); });
    for (int k = 0; k < kPlaces; ++k) {
      const double p = choose(kPlaces - k - 1, static_cast<int>(choices) - 1) / choose(kPlaces, static_cast<int>(choices));
      ExpectShare(counts[k], kDraws, p, std::to_string(choices) + " choices, place " + std::to_string(k));
    }
  }
}

TEST_F(BalancerTest, LeastRequestClampsItsChoices) {
  std::vector<CandidateLoad> loads = Loads(std::vector<double>(12, 1));
  for (int i = 0; i < 12; ++i) loads[i].in_flight = i;
  // Two are looked at where one is asked for: the busiest of all never wins.
  EXPECT_EQ(Count(12, kDraws, [&] { return PickLeastRequest(loads, 1, random_); })[11], 0);
  // Ten where a hundred are: the two least busy are missed now and then.
  const auto counts = Count(12, kDraws, [&] { return PickLeastRequest(loads, 100, random_); });
  EXPECT_GT(counts[2], 0);
  EXPECT_EQ(counts[3], 0);
}

TEST_F(BalancerTest, LeastRequestKeepsASimulatedPoolLevel) {
  std::vector<CandidateLoad> loads = Loads(std::vector<double>(20, 1));
  for (int i = 0; i < 20'000; ++i) ++loads[PickLeastRequest(loads, 2, random_)].in_flight;
  const auto [least, most] = std::minmax_element(loads.begin(), loads.end(), [](const auto& a, const auto& b) {
    return a.in_flight < b.in_flight;
  });
  // Chance alone would spread them by about 120.
  EXPECT_LE(most->in_flight - least->in_flight, 20);
}

TEST_F(BalancerTest, PeakEwmaPrefersTheFasterEvenWhenItIsSomewhatBusier) {
  std::vector<CandidateLoad> loads = Loads({1, 1});
  loads[0] = {.weight = 1, .in_flight = 3, .ewma = Milliseconds(100)};   // 400 ms
  loads[1] = {.weight = 1, .in_flight = 0, .ewma = Milliseconds(500)};   // 500 ms
  EXPECT_EQ(PickPeakEwma(loads, random_), 0u);
  loads[0].in_flight = 5;  // 600 ms
  EXPECT_EQ(PickPeakEwma(loads, random_), 1u);
}

TEST_F(BalancerTest, PeakEwmaTriesTheUnknownWithOneCallAtATime) {
  std::vector<CandidateLoad> loads = Loads({1, 1});
  loads[0] = {.weight = 1, .in_flight = 0, .ewma = Milliseconds(1)};
  EXPECT_EQ(PickPeakEwma(loads, random_), 1u);
  loads[1].in_flight = 1;
  loads[0].in_flight = 1000;
  EXPECT_EQ(PickPeakEwma(loads, random_), 0u);
}

TEST_F(BalancerTest, PeakEwmaOfUnknownOnesTakesTheLessBusy) {
  std::vector<CandidateLoad> loads = Loads({1, 1});
  loads[0].in_flight = 3;
  loads[1].in_flight = 2;
  EXPECT_EQ(Count(2, 200, [&] { return PickPeakEwma(loads, random_); })[1], 200);
}

TEST_F(BalancerTest, PeakEwmaGivesAStartingEndpointLess) {
  std::vector<CandidateLoad> loads = Loads({1, 0.1});
  for (auto& load : loads) load.ewma = Milliseconds(100);
  EXPECT_EQ(PickPeakEwma(loads, random_), 0u);
  loads[0].in_flight = 8;
  EXPECT_EQ(PickPeakEwma(loads, random_), 0u);
  loads[0].in_flight = 10;
  EXPECT_EQ(PickPeakEwma(loads, random_), 1u);
}

TEST_F(BalancerTest, OfDrawnOnesTheFirstWinsATie) {
  const std::vector<CandidateLoad> drawn = {{.in_flight = 2}, {.in_flight = 1}, {.in_flight = 1}};
  EXPECT_EQ(LeastBusy(drawn), 1u);
  EXPECT_EQ(Fastest(drawn), 1u);
}

TEST_F(BalancerTest, OneCandidateIsItWhateverTheKind) {
  const std::vector<CandidateLoad> one = Loads({0.001});
  EXPECT_EQ(PickWeighted(one, random_), 0u);
  EXPECT_EQ(PickLeastRequest(one, 10, random_), 0u);
  EXPECT_EQ(PickPeakEwma(one, random_), 0u);
}

}  // namespace
}  // namespace sluice
