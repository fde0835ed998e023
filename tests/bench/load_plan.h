// One run of the load generator, as its command line says.
#ifndef SLUICE_TESTS_BENCH_LOAD_PLAN_H_
#define SLUICE_TESTS_BENCH_LOAD_PLAN_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/script.h"

namespace sluice::bench {

struct LoadPlan {
  std::string host = "127.0.0.1";
  int port = 0;
  // Not empty: call with TLS and trust this PEM file.
  std::string ca_file;
  // HTTP only.
  std::string path = "/v1/chat/completions";
  // HTTP only: further headers, "Name: value".
  std::vector<std::string> headers;
  // What callers ask for: "%s" stands for the name that the upstream reads.
  std::string model = "%s";
  AnswerScript answer;
  // Open at a time. With `repeat` each begins anew when it has ended, until
  // the window closes; else each runs once.
  int streams = 1;
  bool repeat = false;
  // gRPC only: the streams share this many connections; 0: one each.
  int connections = 0;
  size_t prompt_bytes = 1024;
  // gRPC only: the route by its name, whatever the model; empty: by the model.
  std::string route;
  // With `repeat`: each begins anew so long after it last began, or when it has
  // ended; 0: at once.
  int64_t period_us = 0;
  // gRPC only: every call is to fail; failures are counted, an answer is an error.
  bool failing = false;
  // Of so many calls one fails at its first attempt; 0: none does.
  int fail_every = 0;
  // Failed calls are counted and void nothing.
  bool count_failures = false;
  // Each call is cancelled so long after it began; 0: none is.
  int64_t cancel_after_us = 0;
  // Where the upstream notes when it saw a call's connection closed.
  std::string closed_file;
  // When the window closes, what is open is cancelled and not waited for.
  bool abandon = false;

  // Streams begin evenly over the ramp; nothing counts before ramp + settle.
  int64_t ramp_ms = 500;
  int64_t settle_ms = 300;
  int64_t window_ms = 3000;

  // The processes of the subject, and those of the upstream.
  std::vector<pid_t> subject;
  std::vector<pid_t> upstream;
};

// The model's name in a request for `answer`.
inline std::string ModelOf(const LoadPlan& plan, const AnswerScript& answer) {
  std::string model = plan.model;
  const size_t at = model.find("%s");
  return at == std::string::npos ? model : model.replace(at, 2, ModelName(answer));
}

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_LOAD_PLAN_H_
