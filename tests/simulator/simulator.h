// An OpenAI-compatible upstream on loopback that fails as a script says, and
// counts exactly what it was asked. `sluice-simulator` is this class with
// flags; tests may run it in-process on a thread of their own.
#ifndef SLUICE_TESTS_SIMULATOR_SIMULATOR_H_
#define SLUICE_TESTS_SIMULATOR_SIMULATOR_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulator/chat.h"
#include "tests/simulator/fault.h"

namespace sluice::simulator {

// `least`, and by chance up to `jitter` more.
struct Latency {
  std::chrono::milliseconds least{0};
  std::chrono::milliseconds jitter{0};
};

using KeyFaults = std::map<std::string, Fault, std::less<>>;

struct Options {
  std::string host = "127.0.0.1";
  uint16_t port = 0;  // 0: any
  std::string tls_cert;  // PEM files; empty: plain
  std::string tls_key;
  AnswerOptions answer;
  Latency interval;       // between chunks
  Latency first_delay;    // before the headers
  Latency content_delay;  // between the headers and the first content
  std::string api_key;    // not empty: other bearers get 401
  KeyFaults key_faults;   // what the requests with such a bearer meet
  size_t rate_per_second = 0;  // more requests of one bearer get 429; 0: no limit
  Pushback pushback;           // of that 429
  int context_tokens = 0;      // longer prompts (words) are refused; 0: none
  Fault health;                // what GET …/models meets: ok, status, no-headers, refuse
  // Not set: none. A port that stays open while the other one refuses.
  std::optional<uint16_t> operate_port;
  std::vector<Fault> faults;
  std::optional<double> fault_percent;  // not set: in turn
  uint64_t seed = 1;  // of all chance
};

class Simulator {
 public:
  // Listens when it returns. Throws std::exception with the reason.
  explicit Simulator(Options options);
  ~Simulator();

  uint16_t port() const;
  // 0 without one.
  uint16_t operate_port() const;
  // Serves until Stop.
  void Run();
  // From any thread, or a signal's.
  void Stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::simulator

#endif  // SLUICE_TESTS_SIMULATOR_SIMULATOR_H_
