// What an answer is to be, told by the model's name so that it passes through
// any gateway: "bench:CHUNKS:INTERVAL_US:MODE", perhaps with a provider before it ("openai/bench:…").
#ifndef SLUICE_TESTS_BENCH_SCRIPT_H_
#define SLUICE_TESTS_BENCH_SCRIPT_H_

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::bench {

struct AnswerScript {
  int chunks = 1;
  // Between two chunks; 0: as fast as they are taken.
  int64_t interval_us = 0;
  // The whole answer in one write, instead of a write for each chunk.
  bool merged = false;
};

inline std::string ModelName(const AnswerScript& script) {
  return "bench:" + std::to_string(script.chunks) + ":" + std::to_string(script.interval_us) + ":" +
         (script.merged ? "m" : "s");
}

// Finds it anywhere in a request.
inline std::optional<AnswerScript> FindScript(std::string_view request) {
  const size_t at = request.find("bench:");
  if (at == std::string_view::npos) return std::nullopt;
  const std::string text(request.substr(at, 64));
  AnswerScript script;
  long long interval = 0;
  char mode = 0;
  if (std::sscanf(text.c_str(), "bench:%d:%lld:%c\"", &script.chunks, &interval, &mode) != 3) return std::nullopt;
  if (script.chunks < 1 || interval < 0) return std::nullopt;
  script.interval_us = interval;
  script.merged = mode == 'm';
  return script;
}

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_SCRIPT_H_
