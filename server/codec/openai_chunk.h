// One JSON document of an OpenAI-compatible answer (a chunk of a stream, or a
// whole answer) as plain values. Read wholly before anything is made of it, so
// that a broken chunk shows nothing: but only what is no JSON is broken, what
// has another type than documented is read or left out. Decoders of a thread
// share one; what it gathers is kept and used again, so nothing is allocated per
// chunk in steady state.
#ifndef SLUICE_SERVER_CODEC_OPENAI_CHUNK_H_
#define SLUICE_SERVER_CODEC_OPENAI_CHUNK_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/codec/json_reader.h"
#include "server/codec/openai_delta.h"
#include "server/codec/stream_event.h"

namespace sluice {

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
  // `extras`: fields without a place of their own are wanted too.
  bool Parse(std::string_view json, bool extras = false);

  const std::string& problem() const { return problem_; }
  std::string_view model() const { return model_; }
  // Whether there is a field `choices`, if only an empty one.
  bool has_choices() const { return has_choices_; }
  size_t choice_count() const { return choice_count_; }
  const OpenAiChoiceDelta& choice(size_t i) const { return choices_[i]; }
  bool has_usage() const { return has_usage_; }
  const UsageCounts& usage() const { return usage_; }
  const OpenAiErrorFields& error() const { return error_; }
  // Fields at the top.
  const std::vector<OpenAiMember>& extras() const { return extras_; }
  // Those that name sources.
  const std::vector<OpenAiMember>& citations() const { return citations_; }
  // Roughly what it keeps for the next document.
  size_t kept_bytes() const;

 private:
  void Clear();
  JsonError ReadMember(std::string_view key, JsonKind kind, JsonValue value);
  JsonError ReadChoices(JsonKind kind, JsonValue value);
  JsonError ReadChoice(JsonValue value);
  JsonError ReadChoiceMember(std::string_view key, JsonKind kind, JsonValue value, OpenAiChoiceDelta& choice);
  JsonError ReadUsage(JsonKind kind, JsonValue value);
  JsonError ReadError(JsonKind kind, JsonValue value);
  JsonError ReadErrorField(std::string_view key, JsonKind kind, JsonValue value);
  JsonError ReadGroq(std::string_view key, JsonValue value);
  JsonError ReadExtra(std::string_view key, JsonKind kind, JsonValue value);

  JsonReader reader_;
  bool wants_extras_ = false;

  std::string problem_;
  std::string_view model_;
  bool has_choices_ = false;
  size_t choice_count_ = 0;
  std::vector<OpenAiChoiceDelta> choices_;
  bool has_usage_ = false;
  UsageCounts usage_;
  bool is_error_object_ = false;
  OpenAiErrorFields error_;
  std::vector<OpenAiMember> extras_;
  std::vector<OpenAiMember> citations_;
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
