// What the connections of one simulator share. Its thread only.
#ifndef SLUICE_TESTS_SIMULATOR_STATE_H_
#define SLUICE_TESTS_SIMULATOR_STATE_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "tests/simulator/simulator.h"

namespace sluice::simulator {

// Connections that ask for statistics or change the script do not count.
struct Stats {
  uint64_t requests = 0;        // chat requests read whole
  uint64_t other_requests = 0;  // models, embeddings, unknown paths
  uint64_t completed = 0;       // answers sent whole
  uint64_t cancelled = 0;       // the client closed before the answer's end
  uint64_t connections_accepted = 0;
  uint64_t bytes_received = 0;  // bodies of chat requests
  uint64_t bytes_sent = 0;
  std::map<std::string, uint64_t, std::less<>> by_fault;  // of chat requests; "ok" too
};

class Connection {
 public:
  virtual ~Connection() = default;
  // While the simulator refuses connections it keeps none that are idle.
  virtual void CloseIfIdle() = 0;
};

struct State {
  Options options;
  FaultScript script;
  Stats stats;
  uint64_t answers_open = 0;
  uint64_t next_id = 0;
  std::set<Connection*> connections;  // those that count
  // Closes the listening socket for a while.
  std::function<void(std::chrono::milliseconds)> refuse_for;
};

std::string StatsJson(const State& state);
// Keeps what is open now.
void ResetStats(State& state);
// Applies {"faults": ["cut:3", "ok"], "percent": 30, "seed": 7,
// "refuse_for_ms": 500, "interval_ms": 10, "first_delay_ms": 0, "chunks": 5,
// "chunk_bytes": 0}. What is left out stays as it is. What is wrong with it,
// or empty; then nothing was changed.
std::string ApplyScript(std::string_view json, State& state);

}  // namespace sluice::simulator

#endif  // SLUICE_TESTS_SIMULATOR_STATE_H_
