// One JSON document of an OpenAI-compatible answer (a chunk of a stream, or a
// whole answer) as plain values. Read wholly before anything is made of it, so
// that a broken chunk shows nothing. Decoders of a thread share one; what it
// gathers is kept and used again, so nothing is allocated per chunk in steady
// state.
#ifndef SLUICE_SERVER_CODEC_OPENAI_CHUNK_H_
#define SLUICE_SERVER_CODEC_OPENAI_CHUNK_H_

#include <simdjson.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/codec/stream_event.h"

namespace sluice {

// Texts are raw: UnescapeJson makes them readable. All views lie in the bytes
// that were parsed.
struct OpenAiToolDelta {
  int64_t index = -1;  // -1: not told
  std::string_view id;
  std::string_view name;
  std::string_view arguments;
};

// Used again: Clear keeps the vectors' memory.
struct OpenAiChoiceDelta {
  int64_t index = 0;
  std::string_view content;
  std::string_view reasoning;
  std::string_view refusal;
  std::string_view finish_reason;
  std::vector<OpenAiToolDelta> tools;
  std::vector<TokenLogprobValue> logprobs;

  void Clear();
};

struct OpenAiErrorFields {
  bool present = false;
  std::string message;
  std::string type;
  std::string code;
  std::string param;
  int numeric_code = 0;  // where the code is a number: an HTTP status
};

class OpenAiChunk {
 public:
  // `json` must live as long as the views are used. False if it is malformed;
  // see problem(). A choice has a `delta`, or a `message` in a whole answer.
  bool Parse(std::string_view json);

  const std::string& problem() const { return problem_; }
  std::string_view model() const { return model_; }
  size_t choice_count() const { return choice_count_; }
  const OpenAiChoiceDelta& choice(size_t i) const { return choices_[i]; }
  bool has_usage() const { return has_usage_; }
  const UsageCounts& usage() const { return usage_; }
  const OpenAiErrorFields& error() const { return error_; }
  // Roughly what it keeps for the next document.
  size_t kept_bytes() const;

 private:
  using Value = simdjson::ondemand::value;
  using Object = simdjson::ondemand::object;

  void Clear();
  simdjson::error_code Iterate(std::string_view json);
  simdjson::error_code ReadDocument();
  simdjson::error_code ReadChoices(Value value);
  simdjson::error_code ReadChoice(Object object, OpenAiChoiceDelta& choice);
  simdjson::error_code ReadDelta(Object object, OpenAiChoiceDelta& choice);
  simdjson::error_code ReadTools(Value value, OpenAiChoiceDelta& choice);
  simdjson::error_code ReadTool(Object object, OpenAiToolDelta& tool);
  simdjson::error_code ReadLogprobs(Value value, OpenAiChoiceDelta& choice);
  template <class Token>
  simdjson::error_code ReadToken(Object object, Token& token);
  simdjson::error_code ReadUsage(Value value);
  simdjson::error_code ReadUsageDetails(Value value, std::string_view name, std::optional<int32_t>& count);
  simdjson::error_code ReadError(Value value);
  simdjson::error_code ReadErrorField(Value value, std::string_view name);
  simdjson::error_code ReadBytes(Value value, std::string& raw);
  // A string, or nothing where it is null.
  simdjson::error_code ReadText(Value value, std::string_view& raw);
  simdjson::error_code ReadText(Value value, std::string& text);

  simdjson::ondemand::parser parser_;
  simdjson::ondemand::document document_;
  std::string padded_;
  std::string scratch_;
  // The bytes as they came, where `padded_` had to be made valid UTF-8.
  std::string_view original_;

  std::string problem_;
  std::string_view model_;
  size_t choice_count_ = 0;
  std::vector<OpenAiChoiceDelta> choices_;
  bool has_usage_ = false;
  UsageCounts usage_;
  OpenAiErrorFields error_;
};

// The calling thread's chunk, for one document. What a parse gathers is of no
// use after its events, so that thousands of open streams need one set of
// buffers a thread: simdjson's alone are 11 KiB. Whoever borrows while another
// has it gets one of his own.
class BorrowedChunk {
 public:
  BorrowedChunk();
  ~BorrowedChunk();
  BorrowedChunk(const BorrowedChunk&) = delete;
  BorrowedChunk& operator=(const BorrowedChunk&) = delete;

  OpenAiChunk& operator*() { return *chunk_; }
  OpenAiChunk* operator->() { return chunk_.get(); }

 private:
  // A document far larger than a chunk of a stream leaves no buffers behind.
  static constexpr size_t kMaxKeptBytes = 64 << 10;
  std::unique_ptr<OpenAiChunk> chunk_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_CHUNK_H_
