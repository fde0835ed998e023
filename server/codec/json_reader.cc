#include "server/codec/json_reader.h"

#include <charconv>
#include <cmath>
#include <cstring>

#include "server/codec/ascii_text.h"
#include "server/codec/utf8_joiner.h"

namespace sluice {
namespace {

using simdjson::SUCCESS;

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

std::optional<int64_t> ParseInteger(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool fits = error == std::errc() && end == text.data() + text.size() && std::abs(number) < 9e15;
  if (!fits) return std::nullopt;
  return static_cast<int64_t>(number);
}

}  // namespace

JsonError JsonReader::Open(std::string_view json, JsonObject& root) {
  // simdjson reads beyond the end. A copy of a few hundred bytes costs less
  // than it would to find out where the bytes lie.
  original_ = json;
  padded_.resize(json.size() + simdjson::SIMDJSON_PADDING);
  json.copy(padded_.data(), json.size());
  // What an earlier document left there must not decide about one without end.
  std::memset(padded_.data() + json.size(), 0, simdjson::SIMDJSON_PADDING);
  JsonError error = parser_.iterate(padded_.data(), json.size(), padded_.size()).get(document_);
  if (error == simdjson::UTF8_ERROR) {
    MaskInvalidUtf8(padded_, json.size());
    error = parser_.iterate(padded_.data(), json.size(), padded_.size()).get(document_);
  }
  SLUICE_JSON_TRY(error);
  return document_.get_object().get(root);
}

JsonError JsonReader::Close() {
  const char* rest = nullptr;
  return document_.current_location().get(rest) == SUCCESS ? simdjson::TRAILING_CONTENT : SUCCESS;
}

JsonError JsonReader::KindOfWord(std::string_view token, JsonKind& kind) {
  const auto word = [&](std::string_view text, JsonKind its) {
    kind = its;
    // The token reaches to whatever comes next, a blank perhaps.
    return token.starts_with(text) && TrimBlanks(token.substr(text.size())).empty() ? SUCCESS : simdjson::TAPE_ERROR;
  };
  const char first = token.front();
  switch (first) {
    case 'n':
      return word("null", JsonKind::kNull);
    case 't':
      return word("true", JsonKind::kTrue);
    case 'f':
      return word("false", JsonKind::kFalse);
    // NaN and Infinity, which Python writes.
    case 'N':
    case 'I':
      kind = JsonKind::kOther;
      return SUCCESS;
    default:
      kind = JsonKind::kNumber;
      return first == '-' || (first >= '0' && first <= '9') ? SUCCESS : simdjson::TAPE_ERROR;
  }
}

JsonError JsonReader::ReadText(JsonKind kind, JsonValue value, std::string_view& raw) const {
  if (kind == JsonKind::kNumber) return ReadRaw(kind, value, raw);
  if (kind != JsonKind::kString) return SUCCESS;
  simdjson::ondemand::raw_json_string string;
  SLUICE_JSON_TRY(value.get_raw_json_string().get(string));
  const std::optional<std::string_view> text = ScanJsonString(original_.substr(string.raw() - padded_.data()));
  if (!text) return simdjson::STRING_ERROR;
  raw = *text;
  return SUCCESS;
}

JsonError JsonReader::ReadText(JsonKind kind, JsonValue value, std::string& text) {
  std::string_view raw;
  SLUICE_JSON_TRY(ReadText(kind, value, raw));
  if (!raw.empty()) text = WholeUtf8(UnescapeJson(raw, scratch_));
  return SUCCESS;
}

JsonError JsonReader::ReadInteger(JsonKind kind, JsonValue value, std::optional<int64_t>& number) const {
  int64_t plain = 0;
  if (kind == JsonKind::kNumber && value.get_int64().get(plain) == SUCCESS) {
    number = plain;
    return SUCCESS;
  }
  std::string_view text;
  SLUICE_JSON_TRY(ReadText(kind, value, text));
  if (const auto parsed = ParseInteger(TrimBlanks(text))) number = parsed;
  return SUCCESS;
}

JsonError JsonReader::ReadRaw(JsonKind kind, JsonValue value, std::string_view& raw) const {
  std::string_view text = value.raw_json_token();
  if (kind == JsonKind::kObject) {
    JsonObject object;
    SLUICE_JSON_TRY(value.get_object().get(object));
    SLUICE_JSON_TRY(object.raw_json().get(text));
  } else if (kind == JsonKind::kArray) {
    JsonArray array;
    SLUICE_JSON_TRY(value.get_array().get(array));
    SLUICE_JSON_TRY(array.raw_json().get(text));
  }
  raw = TrimBlanks(Original(text));
  return SUCCESS;
}

}  // namespace sluice
