#include "server/resilience/priority_load.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "tests/resilience/seeded.h"

namespace sluice {
namespace {

// Priorities of 100 endpoints each, so many of them healthy and available.
std::vector<PriorityHealth> Healthy(std::initializer_list<uint32_t> healthy) {
  std::vector<PriorityHealth> out;
  for (const uint32_t h : healthy) out.push_back({100, h, h});
  return out;
}

std::string Text(const PriorityLoad& load) {
  std::string text;
  for (size_t i = 0; i < load.percent.size(); ++i) {
    text += (i > 0 ? "/" : "") + std::to_string(load.percent[i]) + (load.panic[i] ? "!" : "");
  }
  return text;
}

struct Vector {
  const char* name;
  std::vector<PriorityHealth> health;
  double panic_percent;
  const char* load;  // "!": in panic
};

class PriorityLoadVectorTest : public testing::TestWithParam<Vector> {};

TEST_P(PriorityLoadVectorTest, SpreadsAsEnvoyDoes) {
  EXPECT_EQ(Text(SpreadLoad(GetParam().health, GetParam().panic_percent)), GetParam().load);
}

INSTANTIATE_TEST_SUITE_P(
    Envoy, PriorityLoadVectorTest,
    testing::Values(
        // Priority levels.
        Vector{"AllHealthy", Healthy({100, 100}), 50, "100/0"}, Vector{"Spare72", Healthy({72, 100}), 50, "100/0"},
        Vector{"Spill71", Healthy({71, 100}), 50, "99/1"}, Vector{"Half", Healthy({50, 100}), 50, "70/30"},
        Vector{"Quarter", Healthy({25, 100}), 50, "35/65"}, Vector{"NoneLeft", Healthy({0, 100}), 50, "0/100"},
        Vector{"ThreeNotEnough", Healthy({25, 25, 20}), 0, "36/36/28"},
        Vector{"ThreeSpill", Healthy({25, 25, 100}), 50, "35/35/30"},
        // Panic: only where all together cannot take the load.
        Vector{"Panic72", Healthy({72, 72}), 50, "100/0"}, Vector{"Panic71", Healthy({71, 71}), 50, "99/1"},
        Vector{"Panic50", Healthy({50, 60}), 50, "70/30"}, Vector{"Panic25", Healthy({25, 100}), 50, "35/65"},
        Vector{"PanicOne", Healthy({5, 65}), 50, "7!/93"}, Vector{"PanicAll", Healthy({25, 25}), 50, "50!/50!"},
        Vector{"PanicThree", Healthy({25, 25, 20}), 50, "34!/33!/33!"},
        Vector{"NothingHealthy", Healthy({0, 0}), 50, "50!/50!"},
        Vector{"PanicOff", Healthy({25, 25}), 0, "50/50"}, Vector{"NothingAtAllPanicOff", Healthy({0, 0}), 0, "0/0"},
        // 49 of 100 is below half of them, 50 is not.
        Vector{"Below", Healthy({49}), 50, "100!"}, Vector{"AtThreshold", Healthy({50}), 50, "100"}),
    [](const auto& info) { return info.param.name; });

TEST(PriorityLoadTest, InPanicOfAllLoadGoesByTheNumberOfEndpoints) {
  const std::vector<PriorityHealth> health = {{10, 1, 1}, {30, 3, 3}};
  EXPECT_EQ(Text(SpreadLoad(health, 50)), "25!/75!");
}

TEST(PriorityLoadTest, OpenBreakersAndCooldownsSpillButDoNotPanic) {
  // All healthy, a quarter of them available.
  const std::vector<PriorityHealth> health = {{100, 100, 25}, {100, 100, 100}};
  EXPECT_EQ(Text(SpreadLoad(health, 50)), "35/65");
  EXPECT_EQ(Text(SpreadLoad(std::vector<PriorityHealth>{{4, 4, 1}}, 50)), "100");
  EXPECT_EQ(Text(SpreadLoad(std::vector<PriorityHealth>{{4, 4, 0}}, 50)), "0");
}

TEST(PriorityLoadTest, APriorityWithoutEndpointsTakesNothing) {
  const std::vector<PriorityHealth> health = {{0, 0, 0}, {2, 2, 2}};
  EXPECT_EQ(Text(SpreadLoad(health, 50)), "0/100");
  EXPECT_EQ(Text(SpreadLoad({}, 50)), "");
}

class PickPriorityTest : public SeededTest {};

TEST_F(PickPriorityTest, GoesByTheLoad) {
  const PriorityLoad load = SpreadLoad(Healthy({25, 25, 100}), 50);
  const bool skip[] = {false, false, false};
  std::vector<int> counts(3, 0);
  constexpr int kDraws = 50'000;
  for (int i = 0; i < kDraws; ++i) ++counts.at(PickPriority(load, skip, random_.Uniform()));
  ExpectShare(counts[0], kDraws, 0.35, "first");
  ExpectShare(counts[1], kDraws, 0.35, "second");
  ExpectShare(counts[2], kDraws, 0.30, "third");
}

TEST_F(PickPriorityTest, WhatIsSkippedLeavesItsLoadToTheOthers) {
  const PriorityLoad load = SpreadLoad(Healthy({25, 25, 100}), 50);
  const bool skip[] = {true, false, false};
  std::vector<int> counts(3, 0);
  constexpr int kDraws = 50'000;
  for (int i = 0; i < kDraws; ++i) ++counts.at(PickPriority(load, skip, random_.Uniform()));
  EXPECT_EQ(counts[0], 0);
  ExpectShare(counts[1], kDraws, 35.0 / 65, "second");
}

TEST_F(PickPriorityTest, WithoutLoadTheFirstThatIsLeftIsIt) {
  const PriorityLoad load = SpreadLoad(Healthy({100, 100, 100}), 50);
  const bool first[] = {true, false, false};
  EXPECT_EQ(PickPriority(load, first, 0.5), 1u);
  const bool all[] = {true, true, true};
  EXPECT_EQ(PickPriority(load, all, 0.5), 3u);
}

}  // namespace
}  // namespace sluice
