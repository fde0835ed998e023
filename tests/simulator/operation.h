// What an operator of the simulator asks and tells it, as JSON. The
// simulator's thread only.
#ifndef SLUICE_TESTS_SIMULATOR_OPERATION_H_
#define SLUICE_TESTS_SIMULATOR_OPERATION_H_

#include <string>
#include <string_view>

#include "tests/simulator/state.h"

namespace sluice::simulator {

std::string StatsJson(const State& state);
// The newest requests, oldest first: when, path, model, key, fault, headers.
std::string RequestsJson(const State& state);
// Keeps what is open now.
void ResetStats(State& state);
// Applies {"faults": ["cut:3", "ok"], "once": true, "percent": 30, "seed": 7,
// "refuse_for_ms": 500, "down": true, "interval_ms": 10,
// "interval_jitter_ms": 5, "first_delay_ms": 0, "first_delay_jitter_ms": 0,
// "content_delay_ms": 0, "content_delay_jitter_ms": 0, "chunks": 5,
// "chunk_bytes": 0, "rate_per_s": 10, "pushback": "retry-after=1",
// "context_tokens": 100, "health": "status:503", "keys": {"K1": "quota"}}.
// What is left out stays as it is; "faults" and "keys" replace the old ones.
// What is wrong with it, or empty; then nothing was changed.
std::string ApplyScript(std::string_view json, State& state);

}  // namespace sluice::simulator

#endif  // SLUICE_TESTS_SIMULATOR_OPERATION_H_
