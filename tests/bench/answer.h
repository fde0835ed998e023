// The bytes of an OpenAI-compatible answer: HTTP head, chunks of 274 bytes of
// SSE each in an HTTP chunk of its own, the end.
#ifndef SLUICE_TESTS_BENCH_ANSWER_H_
#define SLUICE_TESTS_BENCH_ANSWER_H_

#include <cstdint>
#include <string>

namespace sluice::bench {

// What providers send for a token, within a few bytes.
constexpr size_t kChunkBytes = 274;

class AnswerText {
 public:
  AnswerText();

  // HTTP head and the chunk that tells the role.
  const std::string& begin() const { return begin_; }
  // Finish reason, [DONE], and the end of the body.
  const std::string& end() const { return end_; }
  // Appends a chunk of content that was sent at `now_ns`.
  void AppendChunk(int64_t now_ns, std::string& out) const;

 private:
  std::string begin_;
  std::string end_;
  std::string chunk_;
  size_t stamp_at_;
};

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_ANSWER_H_
