// What one document of an OpenAI-compatible answer adds to a choice, as plain
// values: texts, fragments of tool calls, and what else stands there. Read by
// OpenAiChunk, made into events by OpenAiChoice.
#ifndef SLUICE_SERVER_CODEC_OPENAI_DELTA_H_
#define SLUICE_SERVER_CODEC_OPENAI_DELTA_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "server/codec/json_reader.h"
#include "server/codec/openai_audio.h"
#include "server/codec/stream_event.h"

namespace sluice {

// Texts are raw: UnescapeJson makes them readable. All views lie in the bytes
// that were parsed.

// A member of an object, its value as JSON.
struct OpenAiMember {
  std::string_view key;
  std::string_view json;
};

struct OpenAiToolDelta {
  int64_t index = -1;  // -1: not told
  std::string_view id;
  std::string_view name;
  // The text of a string; with `arguments_are_json` JSON as it stands.
  std::string_view arguments;
  bool arguments_are_json = false;
  // Of a whole message: a call of its own, not a fragment.
  bool whole = false;
  // What the provider wants back with the call (signatures).
  std::vector<OpenAiMember> state;
};

// A text of `content` where that is a list of parts.
struct OpenAiPiece {
  enum class Kind : uint8_t { kContent, kReasoning, kRefusal };
  Kind kind = Kind::kContent;
  std::string_view text;
};

// An element of OpenRouter's reasoning_details.
struct OpenAiDetail {
  std::string_view type;
  std::string_view text;  // of reasoning.text, or the summary
  std::vector<OpenAiMember> members;  // the others
};

// Used again: Clear keeps the vectors' memory.
struct OpenAiChoiceDelta {
  int64_t index = 0;
  std::string_view content;
  std::string_view reasoning;
  // Under which name the reasoning came; of static lifetime.
  std::string_view reasoning_key;
  std::string_view refusal;
  std::string_view finish_reason;
  // A whole message, not more of one.
  bool is_message = false;
  std::vector<OpenAiPiece> pieces;
  std::vector<OpenAiToolDelta> tools;
  std::vector<TokenLogprobValue> logprobs;
  std::vector<OpenAiDetail> details;
  // What the provider wants back with the message.
  std::vector<OpenAiMember> state;
  OpenAiAudioDelta audio;
  // Fields that name sources.
  std::vector<OpenAiMember> citations;
  // Other fields of the choice and its delta.
  std::vector<OpenAiMember> extras;

  void Clear();
  bool has_content() const {
    return !content.empty() || !reasoning.empty() || !refusal.empty() || !pieces.empty() || !tools.empty() ||
           !details.empty() || audio.has_content();
  }
};

// Fields that hold content of their own, which comes whether extras were asked
// for or not.
bool IsOpenAiMedia(std::string_view key);
// Fields that name sources (openai_citations.h).
bool IsOpenAiCitations(std::string_view key);

class OpenAiDeltaReader {
 public:
  // With `extras`, fields that have no place of their own are kept.
  OpenAiDeltaReader(JsonReader& reader, bool extras, OpenAiChoiceDelta& out)
      : reader_(reader), extras_(extras), out_(out) {}

  // The `delta` or `message` of a choice.
  JsonError Read(JsonKind kind, JsonValue value, bool is_message);
  JsonError AddExtra(std::string_view key, JsonKind kind, JsonValue value);

 private:
  JsonError ReadMember(std::string_view key, JsonKind kind, JsonValue value);
  JsonError ReadContent(JsonKind kind, JsonValue value);
  JsonError ReadContentPart(JsonValue value);
  JsonError ReadAudio(JsonValue value);
  // The texts of a value that may be a text, a list of texts or an object that
  // holds one.
  JsonError ReadTexts(OpenAiPiece::Kind as, JsonKind kind, JsonValue value);
  JsonError ReadReasoning(std::string_view key, JsonKind kind, JsonValue value);
  JsonError ReadDetails(JsonValue value);
  JsonError ReadTools(JsonKind kind, JsonValue value);
  JsonError ReadTool(JsonValue value);
  JsonError ReadFunctionOf(JsonValue object, OpenAiToolDelta& tool);
  JsonError ReadFunction(std::string_view key, JsonKind kind, JsonValue value, OpenAiToolDelta& tool);

  JsonReader& reader_;
  const bool extras_;
  OpenAiChoiceDelta& out_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_DELTA_H_
