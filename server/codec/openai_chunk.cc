#include "server/codec/openai_chunk.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/codec/openai_logprobs.h"
#include "server/codec/openai_usage.h"

namespace sluice {
namespace {

using simdjson::SUCCESS;

// More than OpenAI's own bound of n.
constexpr int64_t kMaxChoices = 128;

// What is true of every answer and tells a caller nothing: not worth a place even
// where extras are asked for ("obfuscation" is padding by chance).
bool IsBookkeeping(std::string_view key) {
  return key == "id" || key == "object" || key == "created" || key == "obfuscation";
}

}  // namespace

void OpenAiChunk::Clear() {
  problem_.clear();
  model_ = {};
  has_choices_ = false;
  choice_count_ = 0;
  has_usage_ = false;
  usage_ = {};
  is_error_object_ = false;
  error_.present = false;
  error_.numeric_code = 0;
  for (std::string* text : {&error_.message, &error_.type, &error_.code, &error_.param}) text->clear();
  extras_.clear();
  citations_.clear();
}

bool OpenAiChunk::Parse(std::string_view json, bool extras) {
  Clear();
  wants_extras_ = extras;
  JsonObject root;
  JsonError error = reader_.Open(json, root);
  if (!error) {
    error = ForEachMember(root, [this](std::string_view key, JsonKind kind, JsonValue value) -> JsonError {
      return ReadMember(key, kind, value);
    });
  }
  if (!error) error = reader_.Close();
  if (is_error_object_) error_.present = true;
  if (!error) return true;
  if (problem_.empty()) problem_ = absl::StrCat("malformed JSON: ", simdjson::error_message(error));
  return false;
}

JsonError OpenAiChunk::ReadMember(std::string_view key, JsonKind kind, JsonValue value) {
  if (key == "choices") return ReadChoices(kind, value);
  if (key == "model") return kind == JsonKind::kString ? reader_.ReadText(kind, value, model_) : SUCCESS;
  if (key == "usage") return ReadUsage(kind, value);
  if (key == "error") return ReadError(kind, value);
  if (key == "object") {
    std::string_view object;
    SLUICE_JSON_TRY(reader_.ReadText(kind, value, object));
    is_error_object_ = object == "error";
    return SUCCESS;
  }
  // vLLM's older form has the fields of the error at the top.
  if (key == "message" || key == "type" || key == "code" || key == "param") return ReadErrorField(key, kind, value);
  if (key == "x_groq" && kind == JsonKind::kObject) return ReadGroq(key, value);
  return ReadExtra(key, kind, value);
}

JsonError OpenAiChunk::ReadGroq(std::string_view key, JsonValue value) {
  JsonObject object;
  std::string_view raw;
  SLUICE_JSON_TRY(OpenWithText(value, object, raw));
  if (wants_extras_) extras_.push_back({key, reader_.Original(raw)});
  return ForEachMember(object, [this](std::string_view name, JsonKind its, JsonValue member) -> JsonError {
    return name == "usage" ? ReadUsage(its, member) : SUCCESS;
  });
}

JsonError OpenAiChunk::ReadExtra(std::string_view key, JsonKind kind, JsonValue value) {
  const bool citations = IsOpenAiCitations(key);
  if ((!wants_extras_ && !citations && !IsOpenAiMedia(key)) || key.empty() || IsBookkeeping(key)) return SUCCESS;
  std::string_view json;
  SLUICE_JSON_TRY(reader_.ReadRaw(kind, value, json));
  if (citations) citations_.push_back({key, json});
  if (wants_extras_ || !citations) extras_.push_back({key, json});
  return SUCCESS;
}

JsonError OpenAiChunk::ReadChoices(JsonKind kind, JsonValue value) {
  has_choices_ = true;
  // One choice that is no list.
  if (kind == JsonKind::kObject) return ReadChoice(value);
  return ForEachElement(value, [this](JsonKind its, JsonValue element) -> JsonError {
    return its == JsonKind::kObject ? ReadChoice(element) : SUCCESS;
  });
}

JsonError OpenAiChunk::ReadChoice(JsonValue value) {
  if (choice_count_ == kMaxChoices) {
    problem_ = absl::StrCat("more than ", kMaxChoices, " choices");
    return simdjson::CAPACITY;
  }
  if (choices_.size() == choice_count_) choices_.emplace_back();
  OpenAiChoiceDelta& choice = choices_[choice_count_++];
  choice.Clear();
  return ForEachMemberOf(value, [&](std::string_view key, JsonKind kind, JsonValue member) -> JsonError {
    return ReadChoiceMember(key, kind, member, choice);
  });
}

JsonError OpenAiChunk::ReadChoiceMember(std::string_view key, JsonKind kind, JsonValue value,
                                        OpenAiChoiceDelta& choice) {
  OpenAiDeltaReader reader(reader_, wants_extras_, choice);
  if (key == "index") {
    std::optional<int64_t> index;
    SLUICE_JSON_TRY(reader_.ReadInteger(kind, value, index));
    // An index that cannot be one says nothing; most answers have one choice.
    if (index && *index >= 0 && *index < kMaxChoices) choice.index = *index;
    return SUCCESS;
  }
  if (key == "delta") return reader.Read(kind, value, /*is_message=*/false);
  if (key == "message") return reader.Read(kind, value, /*is_message=*/true);
  // The form of the old completions.
  if (key == "text") return kind == JsonKind::kString ? reader.Read(kind, value, false) : SUCCESS;
  if (key == "finish_reason") {
    return kind == JsonKind::kString ? reader_.ReadText(kind, value, choice.finish_reason) : SUCCESS;
  }
  if (key == "logprobs") return ReadOpenAiLogprobs(reader_, value, choice.logprobs);
  if (key == "usage") return ReadUsage(kind, value);
  if (key == "error") return ReadError(kind, value);
  return reader.AddExtra(key, kind, value);
}

JsonError OpenAiChunk::ReadUsage(JsonKind kind, JsonValue value) {
  if (kind != JsonKind::kObject) return SUCCESS;
  has_usage_ = true;
  JsonObject object;
  bool others = true;
  if (!wants_extras_) {
    SLUICE_JSON_TRY(value.get_object().get(object));
    return ReadOpenAiUsage(reader_, object, usage_, others);
  }
  std::string_view raw;
  SLUICE_JSON_TRY(OpenWithText(value, object, raw));
  others = false;
  SLUICE_JSON_TRY(ReadOpenAiUsage(reader_, object, usage_, others));
  if (others) extras_.push_back({"usage", reader_.Original(raw)});
  return SUCCESS;
}

// An error that says nothing ("", false, {}) is none.
JsonError OpenAiChunk::ReadError(JsonKind kind, JsonValue value) {
  if (kind == JsonKind::kTrue) error_.present = true;
  if (kind == JsonKind::kString) {
    SLUICE_JSON_TRY(reader_.ReadText(kind, value, error_.message));
    error_.present = error_.present || !error_.message.empty();
  }
  if (kind != JsonKind::kObject) return SUCCESS;
  SLUICE_JSON_TRY(ForEachMemberOf(value, [this](std::string_view key, JsonKind its, JsonValue field) -> JsonError {
    return ReadErrorField(key, its, field);
  }));
  const bool says_something =
      !error_.message.empty() || !error_.code.empty() || !error_.type.empty() || error_.numeric_code >= 300;
  error_.present = error_.present || says_something;
  return SUCCESS;
}

JsonError OpenAiChunk::ReadErrorField(std::string_view key, JsonKind kind, JsonValue value) {
  if (key == "code" && kind == JsonKind::kNumber) {
    std::optional<int64_t> code;
    SLUICE_JSON_TRY(reader_.ReadInteger(kind, value, code));
    if (code && *code >= 0 && *code < 1000) {
      error_.numeric_code = static_cast<int>(*code);
    } else {
      SLUICE_JSON_TRY(reader_.ReadText(kind, value, error_.code));
    }
    return SUCCESS;
  }
  if (kind != JsonKind::kString) return SUCCESS;
  if (key == "message") return reader_.ReadText(kind, value, error_.message);
  if (key == "type") return reader_.ReadText(kind, value, error_.type);
  if (key == "code") return reader_.ReadText(kind, value, error_.code);
  if (key == "param") return reader_.ReadText(kind, value, error_.param);
  return SUCCESS;
}

size_t OpenAiChunk::kept_bytes() const {
  size_t bytes = reader_.kept_bytes() + choices_.capacity() * sizeof(OpenAiChoiceDelta) +
                 (extras_.capacity() + citations_.capacity()) * sizeof(OpenAiMember);
  for (const OpenAiChoiceDelta& choice : choices_) {
    bytes += choice.tools.capacity() * sizeof(OpenAiToolDelta) +
             choice.logprobs.capacity() * sizeof(TokenLogprobValue) + choice.pieces.capacity() * sizeof(OpenAiPiece) +
             choice.details.capacity() * sizeof(OpenAiDetail) +
             (choice.state.capacity() + choice.citations.capacity() + choice.extras.capacity()) * sizeof(OpenAiMember);
  }
  return bytes;
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

BorrowedChunk::~BorrowedChunk() {
  if (chunk_->kept_bytes() <= kMaxKeptBytes) FreeChunk() = std::move(chunk_);
}

}  // namespace sluice
