// One JSON document of an upstream, read on demand and by whatever type a value
// has: what is of another type than expected is absent, not an error. Only a
// document that is no JSON is one. Keeps its buffers for the next document, so
// nothing is allocated per document in steady state. One thread.
#ifndef SLUICE_SERVER_CODEC_JSON_READER_H_
#define SLUICE_SERVER_CODEC_JSON_READER_H_

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "server/codec/ascii_text.h"
#include "server/codec/json_text.h"

// Returns from the function with the error of a simdjson call, if any.
#define SLUICE_JSON_TRY(expression)                                                  \
  do {                                                                               \
    if (const simdjson::error_code error_of_try = (expression)) return error_of_try; \
  } while (false)

namespace sluice {

using JsonValue = simdjson::ondemand::value;
using JsonObject = simdjson::ondemand::object;
using JsonArray = simdjson::ondemand::array;
using JsonError = simdjson::error_code;

// kOther: no value of JSON (NaN, Infinity), as some servers write.
enum class JsonKind : uint8_t { kObject, kArray, kString, kNumber, kTrue, kFalse, kNull, kOther };

class JsonReader {
 public:
  // `json` must live as long as what is read of it is used.
  JsonError Open(std::string_view json, JsonObject& root);
  // After the object was read: text behind it is an error.
  JsonError Close();

  static JsonError KindOf(JsonValue& value, JsonKind& kind) {
    const std::string_view token = value.raw_json_token();
    switch (token.front()) {
      case '"':
        kind = JsonKind::kString;
        return simdjson::SUCCESS;
      case '{':
        kind = JsonKind::kObject;
        return simdjson::SUCCESS;
      case '[':
        kind = JsonKind::kArray;
        return simdjson::SUCCESS;
      default:
        return KindOfWord(token, kind);
    }
  }

  // `kind` is KindOf the value. What the value is not leaves the result as it is.
  // The raw text of a string (UnescapeJson makes it readable), or of a number as
  // it stands.
  JsonError ReadText(JsonKind kind, JsonValue value, std::string_view& raw) const;
  // As readable text.
  JsonError ReadText(JsonKind kind, JsonValue value, std::string& text);
  // An integer, also one written as 3.0 or "3".
  JsonError ReadInteger(JsonKind kind, JsonValue value, std::optional<int64_t>& number) const;
  // Lies in a buffer of the reader's where it has escapes.
  std::string_view Unescape(std::string_view raw) { return UnescapeJson(raw, scratch_); }
  // The value's own text, whatever it is. Whole UTF-8 it need not be.
  JsonError ReadRaw(JsonKind kind, JsonValue value, std::string_view& raw) const;

  // The document's own bytes for a text that simdjson gave, which lies in a copy.
  std::string_view Original(std::string_view padded) const {
    return original_.substr(static_cast<size_t>(padded.data() - padded_.data()), padded.size());
  }

  size_t kept_bytes() const { return padded_.capacity(); }

 private:
  static JsonError KindOfWord(std::string_view token, JsonKind& kind);


  simdjson::ondemand::parser parser_;
  simdjson::ondemand::document document_;
  std::string padded_;
  std::string scratch_;
  // The bytes as they came, where `padded_` had to be made valid UTF-8.
  std::string_view original_;
};

// A member's key as it stands between its quotes. Found backwards from the value,
// which is two bytes behind most keys: cheaper than to look for its end.
inline std::string_view KeyBefore(const char* key, std::string_view value) {
  const char* end = value.data() - 1;
  while (*end != '"') --end;
  return {key, static_cast<size_t>(end - key)};
}

// An object that is read member by member, and its own text too.
inline JsonError OpenWithText(JsonValue value, JsonObject& object, std::string_view& raw) {
  SLUICE_JSON_TRY(value.get_object().get(object));
  SLUICE_JSON_TRY(object.raw_json().get(raw));
  raw = TrimBlanks(raw);
  return object.reset().error();
}

// Calls `read(key, kind, value)` for every member that is not null: everywhere
// here null means absent. The keys that matter hold no escapes.
template <class Read>
JsonError ForEachMember(JsonObject object, Read read) {
  for (auto member : object) {
    simdjson::ondemand::field field;
    SLUICE_JSON_TRY(std::move(member).get(field));
    JsonValue value = field.value();
    JsonKind kind;
    SLUICE_JSON_TRY(JsonReader::KindOf(value, kind));
    if (kind == JsonKind::kNull) continue;
    SLUICE_JSON_TRY(read(KeyBefore(field.key().raw(), value.raw_json_token()), kind, value));
  }
  return simdjson::SUCCESS;
}

// The same for the elements of a list; `value` may also be no list, and has none
// then.
template <class Read>
JsonError ForEachElement(JsonValue value, Read read) {
  JsonArray array;
  const JsonError error = value.get_array().get(array);
  if (error == simdjson::INCORRECT_TYPE) return simdjson::SUCCESS;
  SLUICE_JSON_TRY(error);
  for (auto each : array) {
    JsonValue element;
    SLUICE_JSON_TRY(each.get(element));
    JsonKind kind;
    SLUICE_JSON_TRY(JsonReader::KindOf(element, kind));
    if (kind != JsonKind::kNull) SLUICE_JSON_TRY(read(kind, element));
  }
  return simdjson::SUCCESS;
}

// The members of a value that may also be no object, and has none then.
template <class Read>
JsonError ForEachMemberOf(JsonValue value, Read read) {
  JsonObject object;
  const JsonError error = value.get_object().get(object);
  if (error == simdjson::INCORRECT_TYPE) return simdjson::SUCCESS;
  SLUICE_JSON_TRY(error);
  return ForEachMember(object, read);
}

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_JSON_READER_H_
