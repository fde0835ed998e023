#include "server/codec/openai_delta.h"

#include <algorithm>

namespace sluice {
namespace {

using simdjson::SUCCESS;
using Kind = OpenAiPiece::Kind;

// Names of a model's reasoning: DeepSeek's, vLLM's, SGLang's and most others';
// OpenRouter's, Groq's and vLLM's newer one; and rarer ones. Several may carry
// the same text: the first of these counts.
constexpr std::string_view kReasoningKeys[] = {"reasoning_content", "reasoning",        "thinking",
                                               "reasoning_text",    "thinking_content", "thought"};

// What providers want back with the next request, beside reasoning_details:
// Gemini's signatures, LiteLLM's forms of Anthropic's and Gemini's, Copilot's.
constexpr std::string_view kStateKeys[] = {"extra_content",       "thinking_blocks", "provider_specific_fields",
                                           "reasoning_opaque",    "thought_signature", "reasoning_signature",
                                           "encrypted_content",   "signature"};

constexpr std::string_view kMediaKeys[] = {"images", "image", "audio", "video", "videos", "files"};

template <class Keys>
bool IsAmong(const Keys& keys, std::string_view key) {
  return std::find(std::begin(keys), std::end(keys), key) != std::end(keys);
}

bool IsReasoningType(std::string_view type) {
  return type == "thinking" || type == "reasoning" || type == "reasoning_text" || type == "summary_text";
}

}  // namespace

bool IsOpenAiMedia(std::string_view key) {
  // Asked about every field that nobody knows: most are longer.
  return key.size() >= 5 && key.size() <= 6 && IsAmong(kMediaKeys, key);
}

bool IsOpenAiCitations(std::string_view key) {
  // Asked about every field that nobody knows, too.
  switch (key.size()) {
    case 7:
      return key == "context";
    case 9:
      return key == "citations";
    case 10:
      return key == "web_search";
    case 11:
      return key == "annotations";
    case 14:
      return key == "search_results";
    default:
      return false;
  }
}

void OpenAiChoiceDelta::Clear() {
  index = 0;
  content = reasoning = reasoning_key = refusal = finish_reason = {};
  is_message = false;
  pieces.clear();
  tools.clear();
  logprobs.clear();
  details.clear();
  state.clear();
  if (!audio.json.empty()) audio = {};
  citations.clear();
  extras.clear();
}

JsonError OpenAiDeltaReader::Read(JsonKind kind, JsonValue value, bool is_message) {
  // A server that sends the text itself.
  if (kind == JsonKind::kString) return out_.content.empty() ? reader_.ReadText(kind, value, out_.content) : SUCCESS;
  // A message beside a delta says the same again.
  if (is_message && out_.has_content()) return SUCCESS;
  SLUICE_JSON_TRY(ForEachMemberOf(value, [&](std::string_view key, JsonKind its, JsonValue member) -> JsonError {
    return ReadMember(key, its, member);
  }));
  if (!is_message || !out_.has_content()) return SUCCESS;
  out_.is_message = true;
  for (OpenAiToolDelta& tool : out_.tools) tool.whole = true;
  return SUCCESS;
}

JsonError OpenAiDeltaReader::ReadMember(std::string_view key, JsonKind kind, JsonValue value) {
  if (key == "content") return ReadContent(kind, value);
  if (key == "role") return SUCCESS;
  if (key == "tool_calls") return ReadTools(kind, value);
  if (key == "refusal") return kind == JsonKind::kString ? reader_.ReadText(kind, value, out_.refusal) : SUCCESS;
  if (IsAmong(kReasoningKeys, key)) return ReadReasoning(key, kind, value);
  if (key == "reasoning_details") return ReadDetails(value);
  // The form before tool_calls.
  if (key == "function_call" && kind == JsonKind::kObject) return ReadFunctionOf(value, out_.tools.emplace_back());
  if (IsAmong(kStateKeys, key)) {
    std::string_view json;
    SLUICE_JSON_TRY(reader_.ReadRaw(kind, value, json));
    out_.state.push_back({key, json});
    return SUCCESS;
  }
  if (key == "audio" && kind == JsonKind::kObject) return ReadAudio(value);
  return AddExtra(key, kind, value);
}

JsonError OpenAiDeltaReader::AddExtra(std::string_view key, JsonKind kind, JsonValue value) {
  const bool citations = IsOpenAiCitations(key);
  if (key.empty() || (!extras_ && !citations && !IsOpenAiMedia(key))) return SUCCESS;
  std::string_view json;
  SLUICE_JSON_TRY(reader_.ReadRaw(kind, value, json));
  if (json == "[]" || json == "{}" || json == "\"\"") return SUCCESS;
  if (citations) out_.citations.push_back({key, json});
  if (extras_ || !citations) out_.extras.push_back({key, json});
  return SUCCESS;
}

JsonError OpenAiDeltaReader::ReadAudio(JsonValue value) {
  JsonObject object;
  std::string_view raw;
  SLUICE_JSON_TRY(OpenWithText(value, object, raw));
  OpenAiAudioDelta& audio = out_.audio;
  audio.json = reader_.Original(raw);
  return ForEachMember(object, [&](std::string_view key, JsonKind its, JsonValue member) -> JsonError {
    const bool text = its == JsonKind::kString;
    if (key == "id") return reader_.ReadText(its, member, audio.id);
    if (key == "data" && text) return reader_.ReadText(its, member, audio.data);
    if (key == "transcript" && text) return reader_.ReadText(its, member, audio.transcript);
    if (key != "expires_at") audio.other = true;
    return SUCCESS;
  });
}

JsonError OpenAiDeltaReader::ReadContent(JsonKind kind, JsonValue value) {
  if (kind == JsonKind::kObject) return ReadContentPart(value);
  if (kind == JsonKind::kArray) {
    return ForEachElement(value, [&](JsonKind its, JsonValue part) -> JsonError {
      return its == JsonKind::kObject ? ReadContentPart(part) : ReadTexts(Kind::kContent, its, part);
    });
  }
  return out_.content.empty() ? reader_.ReadText(kind, value, out_.content) : SUCCESS;
}

JsonError OpenAiDeltaReader::ReadContentPart(JsonValue value) {
  JsonObject object;
  std::string_view raw;
  SLUICE_JSON_TRY(OpenWithText(value, object, raw));
  const size_t first = out_.pieces.size();
  std::string_view type;
  bool others = false;
  SLUICE_JSON_TRY(ForEachMember(object, [&](std::string_view key, JsonKind kind, JsonValue member) -> JsonError {
    if (key == "type") return reader_.ReadText(kind, member, type);
    if (key == "text" || key == "content") return ReadTexts(Kind::kContent, kind, member);
    if (key == "refusal") return ReadTexts(Kind::kRefusal, kind, member);
    if (key == "thinking" || key == "reasoning" || key == "summary") return ReadTexts(Kind::kReasoning, kind, member);
    if (IsOpenAiCitations(key)) return AddExtra(key, kind, member);
    others = true;
    return SUCCESS;
  }));
  if (IsReasoningType(type)) {
    for (size_t i = first; i < out_.pieces.size(); ++i) out_.pieces[i].kind = Kind::kReasoning;
    if (out_.pieces.size() > first) out_.reasoning_key = "content_parts";
  }
  const bool is_text = type.empty() || type.find("text") != std::string_view::npos || type == "refusal" ||
                       IsReasoningType(type);
  const bool unknown = out_.pieces.size() == first && !is_text;
  const OpenAiMember whole = {"content", reader_.Original(raw)};
  if (unknown && type.find("reference") != std::string_view::npos) out_.citations.push_back(whole);
  if (unknown || (others && extras_)) out_.extras.push_back(whole);
  return SUCCESS;
}

JsonError OpenAiDeltaReader::ReadTexts(Kind as, JsonKind kind, JsonValue value) {
  if (kind == JsonKind::kArray) {
    return ForEachElement(value, [&](JsonKind its, JsonValue element) { return ReadTexts(as, its, element); });
  }
  if (kind == JsonKind::kObject) {
    return ForEachMemberOf(value, [&](std::string_view key, JsonKind its, JsonValue member) -> JsonError {
      const bool holds = key == "text" || key == "value" || key == "thinking" || key == "content";
      return holds ? ReadTexts(as, its, member) : SUCCESS;
    });
  }
  std::string_view text;
  SLUICE_JSON_TRY(reader_.ReadText(kind, value, text));
  if (!text.empty()) out_.pieces.push_back({as, text});
  return SUCCESS;
}

JsonError OpenAiDeltaReader::ReadReasoning(std::string_view key, JsonKind kind, JsonValue value) {
  const auto* const its = std::find(std::begin(kReasoningKeys), std::end(kReasoningKeys), key);
  const auto* const known = std::find(std::begin(kReasoningKeys), std::end(kReasoningKeys), out_.reasoning_key);
  if (known < its) return SUCCESS;
  std::string_view text;
  if (kind == JsonKind::kObject) {
    SLUICE_JSON_TRY(ForEachMemberOf(value, [&](std::string_view name, JsonKind inner, JsonValue member) -> JsonError {
      const bool holds = name == "content" || name == "text" || name == "thinking" || name == "summary";
      return holds && text.empty() ? reader_.ReadText(inner, member, text) : SUCCESS;
    }));
  } else if (kind == JsonKind::kString) {
    SLUICE_JSON_TRY(reader_.ReadText(kind, value, text));
  } else if (kind == JsonKind::kArray) {
    return ReadTexts(Kind::kReasoning, kind, value);
  }
  if (text.empty()) return SUCCESS;
  out_.reasoning = text;
  out_.reasoning_key = *its;
  return SUCCESS;
}

JsonError OpenAiDeltaReader::ReadDetails(JsonValue value) {
  return ForEachElement(value, [&](JsonKind kind, JsonValue element) -> JsonError {
    if (kind != JsonKind::kObject) return SUCCESS;
    OpenAiDetail& detail = out_.details.emplace_back();
    return ForEachMemberOf(element, [&](std::string_view key, JsonKind its, JsonValue member) -> JsonError {
      if (key == "type") return reader_.ReadText(its, member, detail.type);
      if ((key == "text" || key == "summary") && its == JsonKind::kString) {
        return reader_.ReadText(its, member, detail.text);
      }
      std::string_view json;
      SLUICE_JSON_TRY(reader_.ReadRaw(its, member, json));
      if (!key.empty()) detail.members.push_back({key, json});
      return SUCCESS;
    });
  });
}

JsonError OpenAiDeltaReader::ReadTools(JsonKind kind, JsonValue value) {
  // One call that is no list. An empty object is no call.
  if (kind == JsonKind::kObject) return ReadTool(value);
  return ForEachElement(value, [&](JsonKind its, JsonValue element) -> JsonError {
    return its == JsonKind::kObject ? ReadTool(element) : SUCCESS;
  });
}

JsonError OpenAiDeltaReader::ReadTool(JsonValue value) {
  OpenAiToolDelta& tool = out_.tools.emplace_back();
  SLUICE_JSON_TRY(ForEachMemberOf(value, [&](std::string_view key, JsonKind kind, JsonValue member) -> JsonError {
    if (key == "index") {
      std::optional<int64_t> index;
      SLUICE_JSON_TRY(reader_.ReadInteger(kind, member, index));
      tool.index = index.value_or(-1);
      return SUCCESS;
    }
    if (key == "id") return reader_.ReadText(kind, member, tool.id);
    if (key == "type") return SUCCESS;
    if (key == "function" && kind == JsonKind::kObject) return ReadFunctionOf(member, tool);
    if (key == "name" || key == "arguments") return ReadFunction(key, kind, member, tool);
    std::string_view json;
    SLUICE_JSON_TRY(reader_.ReadRaw(kind, member, json));
    if (!key.empty()) tool.state.push_back({key, json});
    return SUCCESS;
  }));
  const bool says_nothing = tool.id.empty() && tool.name.empty() && tool.arguments.empty() && tool.state.empty();
  if (says_nothing) out_.tools.pop_back();
  return SUCCESS;
}

JsonError OpenAiDeltaReader::ReadFunctionOf(JsonValue object, OpenAiToolDelta& tool) {
  return ForEachMemberOf(object, [&](std::string_view key, JsonKind kind, JsonValue member) {
    return ReadFunction(key, kind, member, tool);
  });
}

JsonError OpenAiDeltaReader::ReadFunction(std::string_view key, JsonKind kind, JsonValue value, OpenAiToolDelta& tool) {
  if (key == "name" && kind == JsonKind::kString) return reader_.ReadText(kind, value, tool.name);
  if (key != "arguments") return SUCCESS;
  if (kind == JsonKind::kString) return reader_.ReadText(kind, value, tool.arguments);
  if (kind != JsonKind::kObject && kind != JsonKind::kArray) return SUCCESS;
  SLUICE_JSON_TRY(reader_.ReadRaw(kind, value, tool.arguments));
  tool.arguments_are_json = true;
  // How PHP writes an empty object.
  if (tool.arguments == "[]") tool.arguments = "{}";
  return SUCCESS;
}

}  // namespace sluice
