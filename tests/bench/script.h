// What an answer is to be, told by the model's name so that it passes through
// any gateway: "bench:CHUNKS:INTERVAL_US:MODE", perhaps with a provider before
// it ("openai/bench:…"). Where the upstream has to know one call from another,
// the prompt begins with the call's number.
#ifndef SLUICE_TESTS_BENCH_SCRIPT_H_
#define SLUICE_TESTS_BENCH_SCRIPT_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>
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
  // The first request with the call's number is answered 503, the second well.
  bool fails_once = false;
  // The upstream notes when the connection is closed before the answer's end.
  bool notes_close = false;

  // The prompt carries the call's number.
  bool numbered() const { return fails_once || notes_close; }
};

inline std::string ModelName(const AnswerScript& script) {
  return "bench:" + std::to_string(script.chunks) + ":" + std::to_string(script.interval_us) + ":" +
         (script.merged ? "m" : "s") + (script.fails_once ? "f" : "") + (script.notes_close ? "c" : "");
}

// Finds it anywhere in a request.
inline std::optional<AnswerScript> FindScript(std::string_view request) {
  const size_t at = request.find("bench:");
  if (at == std::string_view::npos) return std::nullopt;
  const std::string text(request.substr(at, 64));
  AnswerScript script;
  long long interval = 0;
  char modes[4] = {};
  if (std::sscanf(text.c_str(), "bench:%d:%lld:%3[msfc]", &script.chunks, &interval, modes) != 3) return std::nullopt;
  if (script.chunks < 1 || interval < 0) return std::nullopt;
  const std::string_view set(modes);
  script.interval_us = interval;
  script.merged = set[0] == 'm';
  script.fails_once = set.find('f') != std::string_view::npos;
  script.notes_close = set.find('c') != std::string_view::npos;
  return script;
}

constexpr std::string_view kCallMark = "call-number-";

// A prompt of `bytes`, or of as many as the number needs.
inline std::string Prompt(const AnswerScript& script, uint64_t call, size_t bytes) {
  std::string prompt;
  if (script.numbered()) prompt = std::string(kCallMark) + std::to_string(call) + " ";
  if (prompt.size() < bytes) prompt.resize(bytes, 'x');
  return prompt;
}

// 0 where there is none.
inline uint64_t FindCall(std::string_view request) {
  const size_t at = request.find(kCallMark);
  if (at == std::string_view::npos) return 0;
  return std::strtoull(std::string(request.substr(at + kCallMark.size(), 20)).c_str(), nullptr, 10);
}

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_SCRIPT_H_
