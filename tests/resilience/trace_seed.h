// Seeds of random traces. A failure prints the seed of its trace, which alone
// replays it: SLUICE_TRACE_SEED=7 SLUICE_TRACES=1. Header only: tests of this
// folder.
#ifndef SLUICE_TESTS_RESILIENCE_TRACE_SEED_H_
#define SLUICE_TESTS_RESILIENCE_TRACE_SEED_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <iostream>

namespace sluice {

inline uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// Runs trace(seed) for so many seeds, up to the first that fails.
template <typename Trace>
void ForEachTrace(uint64_t traces, Trace&& trace) {
  const uint64_t first = FromEnvironment("SLUICE_TRACE_SEED", 1);
  traces = FromEnvironment("SLUICE_TRACES", traces);
  std::cout << "SLUICE_TRACE_SEED=" << first << " SLUICE_TRACES=" << traces << std::endl;
  for (uint64_t seed = first; seed < first + traces; ++seed) {
    trace(seed);
    if (!testing::Test::HasFailure()) continue;
    std::cout << "replay: SLUICE_TRACES=1 SLUICE_TRACE_SEED=" << seed << std::endl;
    return;
  }
}

}  // namespace sluice

#endif  // SLUICE_TESTS_RESILIENCE_TRACE_SEED_H_
