// Which fault a request meets: its credential's, the rate limit's, the
// context's, its own wish, or the script's. The simulator's thread only.
#ifndef SLUICE_TESTS_SIMULATOR_DECISION_H_
#define SLUICE_TESTS_SIMULATOR_DECISION_H_

#include <optional>
#include <string>
#include <string_view>

#include "tests/simulator/fault.h"
#include "tests/simulator/state.h"

namespace sluice::simulator {

struct Arrival {
  std::string_view key;         // the bearer; empty: none
  std::string_view fault_wish;  // the header x-simulator-fault
  int prompt_tokens = 0;
};

// Takes the fault's marks off `prompt`. nullopt, and why in `problem`, if the
// request wishes for a fault that there is not.
std::optional<Fault> DecideFault(State& state, const Arrival& arrival, std::string& prompt, std::string& problem);

}  // namespace sluice::simulator

#endif  // SLUICE_TESTS_SIMULATOR_DECISION_H_
