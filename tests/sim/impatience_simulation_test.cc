// Seeded random simulation of impatient callers: deadlines, cancellations, lost
// calls, slow readers, the data plane's stop, before and after content, in any mix.
// SLUICE_SIM_CALLS and SLUICE_SIM_SEED change a run; a failure prints the seed of
// its system, which alone replays it: SLUICE_SIM_SYSTEMS=1 SLUICE_SIM_SEED=….
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "tests/sim/impatient_system.h"

namespace sluice {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : fallback;
}

constexpr uint64_t kCalls = 30'000;
// A run of that many calls that met something less often shows little of it.
constexpr uint64_t kEnough = 30;

// Chosen by the seed alone, so that it replays.
int CallsOf(uint64_t seed) { return Dice(seed ^ 0xca115).Number(20, 300); }

TEST(ImpatienceSimulationTest, WhatCallersDoIsNoFailureAndHidesNone) {
  const uint64_t calls = FromEnvironment("SLUICE_SIM_CALLS", kCalls);
  const uint64_t systems = FromEnvironment("SLUICE_SIM_SYSTEMS", UINT64_MAX);
  const uint64_t seed = FromEnvironment("SLUICE_SIM_SEED", 1);
  std::cout << "SLUICE_SIM_SEED=" << seed << " SLUICE_SIM_CALLS=" << calls << std::endl;
  RecordProperty("seed", std::to_string(seed));
  Coverage coverage;
  for (uint64_t i = 0; i < systems && coverage["calls"] < calls; ++i) {
    ImpatientSystem system(seed + i, CallsOf(seed + i));
    ASSERT_THAT(system.Run(), testing::IsEmpty()) << "replay: SLUICE_SIM_SYSTEMS=1 SLUICE_SIM_SEED=" << seed + i;
    for (const auto& [what, count] : system.coverage()) coverage[what] += count;
  }
  for (const auto& [what, count] : coverage) std::cout << "  " << count << " " << what << "\n";
  if (coverage["calls"] < kCalls) return;
  for (const auto& [what, count] : coverage) EXPECT_GT(count, kEnough) << what;
  EXPECT_EQ(coverage.size(), 10u);
}

}  // namespace
}  // namespace sluice
