#include "server/codec/openai_refusal.h"

#include <rapidjson/document.h>

#include <algorithm>
#include <string>
#include <vector>

#include "server/codec/ascii_text.h"
#include "server/codec/openai_states.h"

namespace sluice {
namespace {

using Json = rapidjson::Value;

// Errors that wrap errors as text: seen up to three deep.
constexpr int kMaxDepth = 8;

// How servers say that they do not take something, lower-case.
constexpr std::string_view kRefusals[] = {
    "unsupported",             // OpenAI: "Unsupported parameter: 'max_tokens' is not supported with this model"
    "not supported",           // the same; Gemini: "Parallel tool calls are not supported."
    "does not support",        // OpenAI: "'messages[0].role' does not support 'developer'"
    "unrecognized",            // OpenAI, Azure: "Unrecognized request argument supplied: stream_options"
    "unknown parameter",       // OpenAI, Azure: "Unknown parameter: 'stream_options'."
    "unknown_parameter",       // … and its code
    "unknown name",            // Gemini: "Unknown name \"parallel_tool_calls\": Cannot find field."
    "unknown field",           // Go and Rust servers that forbid what they do not know
    "unknown argument",
    "unknown key",
    "unknown property",
    "unknown variant",         // DeepSeek: "messages[0].role: unknown variant `developer`"
    "extra_forbidden",         // Mistral, vLLM: pydantic's type of error
    "not permitted",           // … and its words, "Extra inputs are not permitted"
    "not allowed",             // Azure AI: "Extra parameters ['n'] are not allowed when …"
    "additional propert",      // JSON schema's
    "unexpected keyword",      // Python's
    "unexpected field",
    "unexpected property",
    "unexpected parameter",
};

// A role that is not known, without naming it: vLLM's templates.
constexpr std::string_view kRoleRefusals[] = {"unexpected message role", "unknown role", "invalid role",
                                              "unsupported role"};

// Not what is refused, but what would be taken.
constexpr std::string_view kAdviceBefore[] = {"use", "try", "mean", "with"};

struct KeyRow {
  std::string_view key;
  FormPart part;
};

constexpr KeyRow kKeys[] = {
    {"stream_options", FormPart::kStreamOptions},
    {"include_usage", FormPart::kStreamOptions},
    {"max_tokens", FormPart::kMaxTokens},
    {"max_completion_tokens", FormPart::kMaxCompletionTokens},
    {"strict", FormPart::kStrictTools},
    {"parallel_tool_calls", FormPart::kParallelToolCalls},
    {"developer", FormPart::kDeveloperRole},
    {"extra_content", FormPart::kStates},
    {"thought_signature", FormPart::kStates},
};

// Of messages and of what stands in them, as callers' parts make them.
constexpr std::string_view kMessageKeys[] = {"messages", "message", "system",    "user",  "assistant", "tool",
                                             "role",     "content", "name",      "text",  "type",      "image_url",
                                             "url",      "id",      "function",  "input", "arguments", "tool_calls",
                                             "refusal",  "detail",  "file",      "data",  "tool_call_id",
                                             "input_audio", "image", "video", "audio", "str", "list"};

template <class List>
bool Contains(const List& list, std::string_view wanted) {
  return std::find(std::begin(list), std::end(list), wanted) != std::end(list);
}

template <class List>
bool Mentions(std::string_view text, const List& phrases) {
  return std::any_of(std::begin(phrases), std::end(phrases),
                     [&](std::string_view phrase) { return text.find(phrase) != std::string_view::npos; });
}

bool IsWordCharacter(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && IsWordCharacter(text[end])) ++end;
    if (end > at) words.push_back(text.substr(at, end - at));
    at = std::max(end, at + 1);
  }
  return words;
}

bool IsNumber(std::string_view word) { return word.find_first_not_of("0123456789") == std::string_view::npos; }

// A path to what is refused: "tools.0.function.strict".
FormParts PartsOfPath(std::string_view lower) {
  std::vector<std::string_view> words = Words(lower);
  std::erase_if(words, [](std::string_view word) { return word == "body" || IsNumber(word); });
  if (words.empty()) return {};
  const std::string_view last = words.back();
  if (words.front() == "messages") {
    if (last == "role") return FormPart::kDeveloperRole;
    // A turn's own, not what a user sent.
    if (last == "audio" && !Contains(words, "content") && !Contains(words, "user")) return FormPart::kStates;
    if (IsOpenAiReasoningMember(last)) return FormPart::kReasoning;
    return Contains(kMessageKeys, last) ? FormParts() : FormPart::kStates;
  }
  for (const KeyRow& row : kKeys) {
    if (row.key == words.front()) return row.part;
  }
  return words.front() == "tools" && last == "strict" ? FormPart::kStrictTools : FormParts();
}

// One statement.
FormParts PartsOfStatement(std::string_view lower) {
  FormParts parts;
  if (Mentions(lower, kRoleRefusals)) parts.Add(FormPart::kDeveloperRole);
  if (!Mentions(lower, kRefusals)) return parts;
  // What would be taken is listed after it: "…, expected one of `model`, …".
  lower = lower.substr(0, lower.find(" expected "));
  if (lower.find("parallel tool calls") != std::string_view::npos) parts.Add(FormPart::kParallelToolCalls);
  const std::vector<std::string_view> words = Words(lower);
  const bool of_messages = Contains(words, "messages") || Contains(words, "assistant");
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0 && Contains(kAdviceBefore, words[i - 1])) continue;
    if (of_messages && IsOpenAiReasoningMember(words[i])) parts.Add(FormPart::kReasoning);
    for (const KeyRow& row : kKeys) {
      if (row.key == words[i]) parts.Add(row.part);
    }
  }
  return parts;
}

// Statements stand on lines of their own; what follows indented belongs to the
// line before it, as pydantic writes.
FormParts PartsOfText(std::string_view lower) {
  FormParts parts;
  size_t begin = 0;
  for (size_t at = 0; at < lower.size(); ++at) {
    if (lower[at] != '\n' || (at + 1 < lower.size() && lower[at + 1] == ' ')) continue;
    parts.Add(PartsOfStatement(lower.substr(begin, at - begin)));
    begin = at + 1;
  }
  parts.Add(PartsOfStatement(lower.substr(begin)));
  return parts;
}

std::string LowerMember(const Json& object, const char* name) {
  const auto it = object.FindMember(name);
  if (it == object.MemberEnd() || !it->value.IsString()) return {};
  return AsciiLower(std::string_view(it->value.GetString(), it->value.GetStringLength()));
}

// FastAPI's ["body", "messages", 0, "role"] as one text.
std::string PathOf(const Json& loc) {
  std::string path;
  for (const Json& step : loc.GetArray()) {
    if (step.IsString()) path.append(AsciiLower(std::string_view(step.GetString(), step.GetStringLength()))).append(".");
  }
  return path;
}

class ErrorWalk {
 public:
  FormParts found;

  void Text(std::string_view text, int depth) {
    const std::string_view trimmed = TrimBlanks(text);
    if (!trimmed.empty() && (trimmed.front() == '{' || trimmed.front() == '[') && Document(trimmed, depth)) return;
    found.Add(PartsOfText(AsciiLower(text)));
  }

  // False: it is no JSON.
  bool Document(std::string_view json, int depth) {
    rapidjson::Document document;
    // Iterative: a hostile body must not nest our stack away.
    document.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
    if (document.HasParseError()) return false;
    Value(document, depth);
    return true;
  }

 private:
  void Value(const Json& value, int depth) {
    if (depth > kMaxDepth) return;
    if (value.IsString()) Text(std::string_view(value.GetString(), value.GetStringLength()), depth + 1);
    if (value.IsObject()) Object(value, depth);
    if (!value.IsArray()) return;
    for (const Json& element : value.GetArray()) Value(element, depth + 1);
  }

  void Object(const Json& object, int depth) {
    if (Located(object)) return;
    for (const auto& member : object.GetObject()) {
      // Not what was sent, which an error may quote.
      const std::string_view key(member.name.GetString(), member.name.GetStringLength());
      if (key != "input" && key != "ctx" && key != "param") Value(member.value, depth + 1);
    }
  }

  // An error that says where it is needs no guess from its words.
  bool Located(const Json& object) {
    const std::string words = LowerMember(object, "code") + " " + LowerMember(object, "type") + " " +
                              LowerMember(object, "message") + " " + LowerMember(object, "msg");
    const auto loc = object.FindMember("loc");
    const bool listed = loc != object.MemberEnd() && loc->value.IsArray();
    const std::string path = listed ? PathOf(loc->value) : LowerMember(object, "param");
    const bool wrong_role = path.ends_with("role.") && words.find("literal_error") != std::string::npos;
    if (path.empty() || !(wrong_role || Mentions(words, kRefusals))) return listed;
    const FormParts parts = PartsOfPath(path);
    found.Add(parts);
    return listed || !parts.empty();
  }
};

}  // namespace

FormParts RefusedOpenAiForm(int http_status, std::string_view body) {
  if (http_status != 400 && http_status != 422) return {};
  ErrorWalk walk;
  walk.Text(body, 0);
  return walk.found;
}

}  // namespace sluice
