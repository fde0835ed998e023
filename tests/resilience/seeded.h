// Tests by chance: where their randomness comes from, and what may be concluded.
// SLUICE_TEST_SEED replays or varies a run; a failure prints the seed.
#ifndef SLUICE_TESTS_RESILIENCE_SEEDED_H_
#define SLUICE_TESTS_RESILIENCE_SEEDED_H_

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "server/resilience/random.h"

namespace sluice {

class SeededTest : public testing::Test {
 protected:
  static uint64_t Seed() {
    const char* text = std::getenv("SLUICE_TEST_SEED");
    return text ? std::strtoull(text, nullptr, 10) : 20261122;
  }

  // `hits` of `draws` fit a chance of `p`: within 5.5 standard deviations, which
  // a fair draw leaves less than once in 10^7 times; and two more, for counts
  // too small to be normal.
  static void ExpectShare(int hits, int draws, double p, const std::string& what) {
    EXPECT_NEAR(hits, draws * p, 5.5 * std::sqrt(draws * p * (1 - p)) + 2) << what;
  }

  Random random_{Seed()};
  testing::ScopedTrace trace_{__FILE__, __LINE__, "SLUICE_TEST_SEED=" + std::to_string(Seed())};
};

}  // namespace sluice

#endif  // SLUICE_TESTS_RESILIENCE_SEEDED_H_
