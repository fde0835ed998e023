#include "server/codec/openai_chunk.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/codec/json_text.h"
#include "server/codec/utf8_joiner.h"

// Returns from the function with the error of a simdjson call, if any.
#define SLUICE_JSON_TRY(expression)                                             \
  do {                                                                          \
    if (const simdjson::error_code error_of_try = (expression)) return error_of_try; \
  } while (false)

namespace sluice {
namespace {

using simdjson::error_code;
using simdjson::SUCCESS;
namespace ondemand = simdjson::ondemand;

// More than OpenAI's own bound of n.
constexpr size_t kMaxChoices = 128;

error_code IsNull(ondemand::value& value, bool& is_null) {
  ondemand::json_type type;
  SLUICE_JSON_TRY(value.type().get(type));
  is_null = type == ondemand::json_type::null;
  if (!is_null) return SUCCESS;
  // Also rejects "nul".
  bool consumed = false;
  SLUICE_JSON_TRY(value.is_null().get(consumed));
  return consumed ? SUCCESS : simdjson::N_ATOM_ERROR;
}

// Calls `read(key, value)` for every member; the keys that matter hold no
// escapes. Null members are left out: everywhere here null means absent.
template <class Read>
error_code ForEachMember(ondemand::object object, Read read) {
  for (auto member : object) {
    ondemand::field field;
    SLUICE_JSON_TRY(std::move(member).get(field));
    const std::optional<std::string_view> key = ScanJsonString(std::string_view(field.key().raw(), 64));
    ondemand::value value = field.value();
    bool is_null = false;
    SLUICE_JSON_TRY(IsNull(value, is_null));
    if (!is_null) SLUICE_JSON_TRY(read(key.value_or(std::string_view()), value));
  }
  return SUCCESS;
}

// Counts beyond any model's context are of no use; they are cut, not refused.
error_code ReadCount(ondemand::value value, std::optional<int32_t>& count) {
  int64_t number = 0;
  if (value.get_int64().get(number) != SUCCESS || number < 0) return SUCCESS;
  count = static_cast<int32_t>(std::min<int64_t>(number, std::numeric_limits<int32_t>::max()));
  return SUCCESS;
}

// The bytes that are no UTF-8 become '?', so that every offset stays.
void MaskInvalidUtf8(std::string& text, size_t size) {
  size_t at = 0;
  while (at < size) {
    size_t length = 1;
    while (length < 4 && at + length < size && (text[at + length] & 0xC0) == 0x80) ++length;
    const bool ascii = static_cast<unsigned char>(text[at]) < 0x80;
    if (ascii) length = 1;
    if (!ascii && !simdjson::validate_utf8(text.data() + at, length)) {
      length = 1;
      text[at] = '?';
    }
    at += length;
  }
}

}  // namespace

void OpenAiChoiceDelta::Clear() {
  index = 0;
  content = reasoning = refusal = finish_reason = {};
  tools.clear();
  logprobs.clear();
}

void OpenAiChunk::Clear() {
  problem_.clear();
  model_ = {};
  choice_count_ = 0;
  has_usage_ = false;
  usage_ = {};
  error_.present = false;
  error_.numeric_code = 0;
  for (std::string* text : {&error_.message, &error_.type, &error_.code, &error_.param}) text->clear();
}

bool OpenAiChunk::Parse(std::string_view json) {
  Clear();
  original_ = json;
  error_code error = Iterate(json);
  if (error == simdjson::UTF8_ERROR) {
    MaskInvalidUtf8(padded_, json.size());
    error = parser_.iterate(padded_.data(), json.size(), padded_.size()).get(document_);
  }
  if (!error) error = ReadDocument();
  const char* rest = nullptr;
  if (!error && document_.current_location().get(rest) == SUCCESS) error = simdjson::TRAILING_CONTENT;
  if (!error) return true;
  if (problem_.empty()) problem_ = absl::StrCat("malformed JSON: ", simdjson::error_message(error));
  return false;
}

error_code OpenAiChunk::Iterate(std::string_view json) {
  // simdjson reads beyond the end. A copy of a few hundred bytes costs less
  // than it would to find out where the bytes lie.
  padded_.resize(json.size() + simdjson::SIMDJSON_PADDING);
  json.copy(padded_.data(), json.size());
  return parser_.iterate(padded_.data(), json.size(), padded_.size()).get(document_);
}

error_code OpenAiChunk::ReadDocument() {
  Object root;
  SLUICE_JSON_TRY(document_.get_object().get(root));
  bool is_error_object = false;
  std::string_view object;
  SLUICE_JSON_TRY(ForEachMember(root, [&](std::string_view key, Value value) -> error_code {
    if (key == "choices") return ReadChoices(value);
    if (key == "model") return ReadText(value, model_);
    if (key == "usage") return ReadUsage(value);
    if (key == "error") return ReadError(value);
    if (key == "object") {
      SLUICE_JSON_TRY(ReadText(value, object));
      is_error_object = object == "error";
      return SUCCESS;
    }
    // vLLM's older form has the fields of the error at the top.
    if (key == "message" || key == "type" || key == "code" || key == "param") return ReadErrorField(value, key);
    return SUCCESS;
  }));
  if (is_error_object) error_.present = true;
  return SUCCESS;
}

error_code OpenAiChunk::ReadChoices(Value value) {
  ondemand::array array;
  SLUICE_JSON_TRY(value.get_array().get(array));
  for (auto element : array) {
    Object object;
    SLUICE_JSON_TRY(element.get_object().get(object));
    if (choice_count_ == kMaxChoices) {
      problem_ = absl::StrCat("more than ", kMaxChoices, " choices");
      return simdjson::CAPACITY;
    }
    if (choices_.size() == choice_count_) choices_.emplace_back();
    OpenAiChoiceDelta& choice = choices_[choice_count_++];
    choice.Clear();
    SLUICE_JSON_TRY(ReadChoice(object, choice));
  }
  return SUCCESS;
}

error_code OpenAiChunk::ReadChoice(Object object, OpenAiChoiceDelta& choice) {
  return ForEachMember(object, [&](std::string_view key, Value value) -> error_code {
    if (key == "index") {
      SLUICE_JSON_TRY(value.get_int64().get(choice.index));
      if (choice.index >= 0 && choice.index < static_cast<int64_t>(kMaxChoices)) return SUCCESS;
      problem_ = absl::StrCat("choice index ", choice.index, " is outside 0..", kMaxChoices - 1);
      return simdjson::NUMBER_OUT_OF_RANGE;
    }
    if (key == "finish_reason") return ReadText(value, choice.finish_reason);
    if (key == "logprobs") return ReadLogprobs(value, choice);
    if (key != "delta" && key != "message") return SUCCESS;
    Object delta;
    SLUICE_JSON_TRY(value.get_object().get(delta));
    SLUICE_JSON_TRY(ReadDelta(delta, choice));
    // The calls of a whole message have no index: each is a call of its own.
    for (size_t i = 0; key == "message" && i < choice.tools.size(); ++i) choice.tools[i].index = static_cast<int64_t>(i);
    return SUCCESS;
  });
}

error_code OpenAiChunk::ReadDelta(Object object, OpenAiChoiceDelta& choice) {
  return ForEachMember(object, [&](std::string_view key, Value value) -> error_code {
    if (key == "content") return ReadText(value, choice.content);
    if (key == "refusal") return ReadText(value, choice.refusal);
    if (key == "tool_calls") return ReadTools(value, choice);
    if (key != "reasoning_content" && key != "reasoning") return SUCCESS;
    // Some send the same text under both names; it counts once. OpenRouter's
    // "reasoning" may be an object elsewhere: only text is taken.
    ondemand::json_type type;
    SLUICE_JSON_TRY(value.type().get(type));
    if (type != ondemand::json_type::string) return SUCCESS;
    std::string_view text;
    SLUICE_JSON_TRY(ReadText(value, text));
    if (!text.empty()) choice.reasoning = text;
    return SUCCESS;
  });
}

error_code OpenAiChunk::ReadTools(Value value, OpenAiChoiceDelta& choice) {
  ondemand::array array;
  SLUICE_JSON_TRY(value.get_array().get(array));
  for (auto element : array) {
    Object object;
    SLUICE_JSON_TRY(element.get_object().get(object));
    SLUICE_JSON_TRY(ReadTool(object, choice.tools.emplace_back()));
  }
  return SUCCESS;
}

error_code OpenAiChunk::ReadTool(Object object, OpenAiToolDelta& tool) {
  return ForEachMember(object, [&](std::string_view key, Value value) -> error_code {
    if (key == "index") return value.get_int64().get(tool.index);
    if (key == "id") return ReadText(value, tool.id);
    if (key != "function") return SUCCESS;
    Object function;
    SLUICE_JSON_TRY(value.get_object().get(function));
    return ForEachMember(function, [&](std::string_view name, Value part) -> error_code {
      if (name == "name") return ReadText(part, tool.name);
      if (name == "arguments") return ReadText(part, tool.arguments);
      return SUCCESS;
    });
  });
}

error_code OpenAiChunk::ReadLogprobs(Value value, OpenAiChoiceDelta& choice) {
  Object object;
  SLUICE_JSON_TRY(value.get_object().get(object));
  return ForEachMember(object, [&](std::string_view key, Value content) -> error_code {
    if (key != "content") return SUCCESS;
    ondemand::array array;
    SLUICE_JSON_TRY(content.get_array().get(array));
    for (auto element : array) {
      Object token;
      SLUICE_JSON_TRY(element.get_object().get(token));
      SLUICE_JSON_TRY(ReadToken(token, choice.logprobs.emplace_back()));
    }
    return SUCCESS;
  });
}

template <class Token>
error_code OpenAiChunk::ReadToken(Object object, Token& token) {
  bool has_bytes = false;
  std::string_view raw;
  SLUICE_JSON_TRY(ForEachMember(object, [&](std::string_view key, Value value) -> error_code {
    if (key == "token") return ReadText(value, raw);
    if (key == "logprob") return value.get_double().get(token.logprob);
    if (key == "bytes") {
      has_bytes = true;
      return ReadBytes(value, token.raw);
    }
    if constexpr (std::is_same_v<Token, TokenLogprobValue>) {
      if (key == "top_logprobs") {
        ondemand::array array;
        SLUICE_JSON_TRY(value.get_array().get(array));
        for (auto element : array) {
          Object top;
          SLUICE_JSON_TRY(element.get_object().get(top));
          SLUICE_JSON_TRY(ReadToken(top, token.top.emplace_back()));
        }
      }
    }
    return SUCCESS;
  }));
  const std::string_view text = UnescapeJson(raw, scratch_);
  token.token = WholeUtf8(text);
  if (!has_bytes) token.raw.assign(text);
  return SUCCESS;
}

error_code OpenAiChunk::ReadBytes(Value value, std::string& raw) {
  ondemand::array array;
  SLUICE_JSON_TRY(value.get_array().get(array));
  for (auto element : array) {
    uint64_t byte = 0;
    SLUICE_JSON_TRY(element.get_uint64().get(byte));
    if (byte > 255) return simdjson::NUMBER_OUT_OF_RANGE;
    raw.push_back(static_cast<char>(byte));
  }
  return SUCCESS;
}

error_code OpenAiChunk::ReadUsage(Value value) {
  Object object;
  SLUICE_JSON_TRY(value.get_object().get(object));
  has_usage_ = true;
  return ForEachMember(object, [&](std::string_view key, Value count) -> error_code {
    if (key == "prompt_tokens") return ReadCount(count, usage_.input_tokens);
    if (key == "completion_tokens") return ReadCount(count, usage_.output_tokens);
    if (key == "total_tokens") return ReadCount(count, usage_.total_tokens);
    // DeepSeek's word for the cached ones.
    if (key == "prompt_cache_hit_tokens") return ReadCount(count, usage_.cached_input_tokens);
    if (key == "prompt_tokens_details") return ReadUsageDetails(count, "cached_tokens", usage_.cached_input_tokens);
    if (key == "completion_tokens_details") {
      return ReadUsageDetails(count, "reasoning_tokens", usage_.reasoning_tokens);
    }
    return SUCCESS;
  });
}

error_code OpenAiChunk::ReadUsageDetails(Value value, std::string_view name, std::optional<int32_t>& count) {
  Object object;
  if (value.get_object().get(object) != SUCCESS) return SUCCESS;
  return ForEachMember(object, [&](std::string_view key, Value member) -> error_code {
    return key == name ? ReadCount(member, count) : SUCCESS;
  });
}

error_code OpenAiChunk::ReadError(Value value) {
  error_.present = true;
  ondemand::json_type type;
  SLUICE_JSON_TRY(value.type().get(type));
  if (type == ondemand::json_type::string) return ReadText(value, error_.message);
  if (type != ondemand::json_type::object) return SUCCESS;
  Object object;
  SLUICE_JSON_TRY(value.get_object().get(object));
  return ForEachMember(object,
                       [&](std::string_view key, Value field) -> error_code { return ReadErrorField(field, key); });
}

error_code OpenAiChunk::ReadErrorField(Value value, std::string_view name) {
  ondemand::json_type type;
  SLUICE_JSON_TRY(value.type().get(type));
  if (name == "code" && type == ondemand::json_type::number) {
    int64_t code = 0;
    if (value.get_int64().get(code) == SUCCESS && code >= 0 && code < 1000) error_.numeric_code = static_cast<int>(code);
    return SUCCESS;
  }
  if (type != ondemand::json_type::string) return SUCCESS;
  if (name == "message") return ReadText(value, error_.message);
  if (name == "type") return ReadText(value, error_.type);
  if (name == "code") return ReadText(value, error_.code);
  if (name == "param") return ReadText(value, error_.param);
  return SUCCESS;
}

error_code OpenAiChunk::ReadText(Value value, std::string_view& raw) {
  ondemand::raw_json_string string;
  SLUICE_JSON_TRY(value.get_raw_json_string().get(string));
  const size_t offset = string.raw() - padded_.data();
  const std::optional<std::string_view> text = ScanJsonString(original_.substr(offset));
  if (!text) return simdjson::STRING_ERROR;
  raw = *text;
  return SUCCESS;
}

error_code OpenAiChunk::ReadText(Value value, std::string& text) {
  std::string_view raw;
  SLUICE_JSON_TRY(ReadText(value, raw));
  text = WholeUtf8(UnescapeJson(raw, scratch_));
  return SUCCESS;
}

namespace {

std::unique_ptr<OpenAiChunk>& FreeChunk() {
  thread_local std::unique_ptr<OpenAiChunk> free;
  return free;
}

}  // namespace

BorrowedChunk::BorrowedChunk() : chunk_(std::move(FreeChunk())) {
  if (chunk_ == nullptr) chunk_ = std::make_unique<OpenAiChunk>();
}

size_t OpenAiChunk::kept_bytes() const {
  size_t bytes = padded_.capacity() + choices_.capacity() * sizeof(OpenAiChoiceDelta);
  for (const OpenAiChoiceDelta& choice : choices_) {
    bytes += choice.tools.capacity() * sizeof(OpenAiToolDelta) + choice.logprobs.capacity() * sizeof(TokenLogprobValue);
  }
  return bytes;
}

BorrowedChunk::~BorrowedChunk() {
  if (chunk_->kept_bytes() <= kMaxKeptBytes) FreeChunk() = std::move(chunk_);
}

}  // namespace sluice
