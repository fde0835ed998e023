// What the connections of one simulator share. Its thread only.
#ifndef SLUICE_TESTS_SIMULATOR_STATE_H_
#define SLUICE_TESTS_SIMULATOR_STATE_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/simulator/simulator.h"

namespace sluice::simulator {

using Counts = std::map<std::string, uint64_t, std::less<>>;

// Connections that ask for statistics or change the script do not count.
struct Stats {
  uint64_t requests = 0;         // for a model's work (chat, embeddings), read whole
  uint64_t embeddings = 0;       // those of them that were for embeddings
  uint64_t models_requests = 0;  // GET …/models, as health checks do
  uint64_t other_requests = 0;   // models and unknown paths
  uint64_t completed = 0;        // answers sent whole
  uint64_t cancelled = 0;        // the client closed before the answer's end
  uint64_t connections_accepted = 0;
  uint64_t bytes_received = 0;  // bodies of requests
  uint64_t bytes_sent = 0;
  uint64_t answers_open_max = 0;  // the most at a time
  uint64_t pieces_sent = 0;       // chunks of answers, cancelled ones too
  Counts by_fault;                // of requests; "ok" too
  Counts by_key;                  // by bearer
  Counts by_model;
};

// One request, as /requests shows it.
struct RequestEntry {
  double at_ms = 0;  // since the simulator's start
  std::string path;
  std::string model;
  std::string key;
  std::string fault;
  std::vector<std::pair<std::string, std::string>> headers;  // but Authorization
};

class Connection {
 public:
  virtual ~Connection() = default;
  // While the simulator refuses connections it keeps none that are idle.
  virtual void CloseIfIdle() = 0;
};

struct State {
  static constexpr size_t kMaxEntries = 2000;

  Options options;
  FaultScript script;
  Stats stats;
  std::deque<RequestEntry> entries;  // the newest kMaxEntries
  std::map<std::string, std::deque<std::chrono::steady_clock::time_point>> served_lately;  // by bearer
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  std::mt19937_64 chance;  // of latencies
  uint64_t answers_open = 0;
  uint64_t next_id = 0;
  std::set<Connection*> connections;  // those that count
  // Closes the listening socket for a while.
  std::function<void(std::chrono::milliseconds)> refuse_for;
  // Closes it until told otherwise.
  std::function<void(bool)> set_down;

  std::chrono::milliseconds Draw(const Latency& latency);
  void CountRequest(RequestEntry entry);
};

}  // namespace sluice::simulator

#endif  // SLUICE_TESTS_SIMULATOR_STATE_H_
