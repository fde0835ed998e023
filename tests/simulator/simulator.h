// An OpenAI-compatible upstream on loopback that fails as a script says, and
// counts exactly what it was asked. `sluice-simulator` is this class with
// flags; tests may run it in-process on a thread of their own.
#ifndef SLUICE_TESTS_SIMULATOR_SIMULATOR_H_
#define SLUICE_TESTS_SIMULATOR_SIMULATOR_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulator/chat.h"
#include "tests/simulator/fault.h"

namespace sluice::simulator {

struct Options {
  std::string host = "127.0.0.1";
  uint16_t port = 0;  // 0: any
  std::string tls_cert;  // PEM files; empty: plain
  std::string tls_key;
  AnswerOptions answer;
  std::chrono::milliseconds interval{0};     // between chunks
  std::chrono::milliseconds first_delay{0};  // before the headers
  std::string api_key;  // not empty: other bearers get 401
  std::vector<Fault> faults;
  std::optional<double> fault_percent;  // not set: in turn
  uint64_t seed = 1;
};

class Simulator {
 public:
  // Listens when it returns. Throws std::exception with the reason.
  explicit Simulator(Options options);
  ~Simulator();

  uint16_t port() const;
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
