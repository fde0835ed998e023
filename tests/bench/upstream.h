// An LLM upstream for benchmarks: one thread, epoll, and as little work a chunk
// as can be, so that it takes no time from the gateway under test. The request
// says how it is to be answered (script.h).
#ifndef SLUICE_TESTS_BENCH_UPSTREAM_H_
#define SLUICE_TESTS_BENCH_UPSTREAM_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tests/bench/answer.h"
#include "tests/bench/byte_stream.h"
#include "tests/bench/script.h"

namespace sluice::bench {

struct UpstreamOptions {
  // On loopback; 0 takes a free one.
  std::vector<int> ports = {0};
  // A model's time to its first chunk; not of merged answers.
  int64_t first_us = 0;
  // With both: TLS.
  std::string tls_cert, tls_key;
  // Where it is noted which call's connection was closed, and when; empty: nowhere.
  std::string closed_file;
};

class Upstream {
 public:
  explicit Upstream(UpstreamOptions options);
  ~Upstream();

  // In the options' order.
  const std::vector<int>& ports() const { return ports_; }
  [[noreturn]] void Run();

 private:
  struct Connection;
  struct Due {
    int64_t when_ns;
    int fd;
    uint64_t id;
    bool operator>(const Due& other) const { return when_ns > other.when_ns; }
  };

  void Listen(int port);
  void Accept(int listener);
  void OnReady(int fd, uint32_t events);
  bool Read(Connection& connection);
  void TakeRequest(Connection& connection);
  void Answer(Connection& connection, std::string_view request);
  // Whether this request is the one of its call that is to fail.
  bool Fails(const Connection& connection);
  void Begin(Connection& connection);
  void SendDue(int64_t now_ns);
  // One chunk of every answer that is not paced, in turn.
  void SendUnpaced();
  void AddUnpaced(Connection& connection);
  bool SendNext(Connection& connection, int64_t now_ns);
  // False when the connection is gone.
  bool Flush(Connection& connection);
  void Close(int fd);
  Connection* Find(int fd, uint64_t id);
  int64_t SleepNs() const;
  // Its chunks come by the clock.
  bool Timed(const Connection& connection) const;

  const UpstreamOptions options_;
  const AnswerText text_;
  const int epoll_;
  TlsContext tls_;
  int closed_fd_ = -1;
  std::vector<int> ports_;
  std::unordered_set<int> listeners_;
  uint64_t next_id_ = 0;
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::vector<Due> unpaced_;
  std::vector<Due> turn_;
  std::unordered_set<uint64_t> failed_once_;
};

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_UPSTREAM_H_
