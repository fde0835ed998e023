#include "server/codec/embedding_reader.h"

#include <bit>
#include <cmath>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

// Returns from the function with the error of a simdjson call, if any.
#define SLUICE_JSON_TRY(expression)                                             \
  do {                                                                          \
    if (const simdjson::error_code error_of_try = (expression)) return error_of_try; \
  } while (false)

namespace sluice {
namespace {

namespace ondemand = simdjson::ondemand;
using simdjson::error_code;
using simdjson::SUCCESS;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

bool EmbeddingReader::Read(std::string_view json) {
  index_.reset();
  values_.clear();
  problem_.clear();
  padded_.resize(json.size() + simdjson::SIMDJSON_PADDING);
  json.copy(padded_.data(), json.size());
  error_code error = parser_.iterate(padded_.data(), json.size(), padded_.size()).get(document_);
  if (!error) error = ReadDocument();
  const char* rest = nullptr;
  if (!error && document_.current_location().get(rest) == SUCCESS) error = simdjson::TRAILING_CONTENT;
  if (error && problem_.empty()) problem_ = absl::StrCat("malformed embedding: ", simdjson::error_message(error));
  return problem_.empty();
}

error_code EmbeddingReader::ReadDocument() {
  ondemand::json_type type;
  SLUICE_JSON_TRY(document_.type().get(type));
  if (type == ondemand::json_type::array) {
    ondemand::array array;
    SLUICE_JSON_TRY(document_.get_array().get(array));
    return ReadArray(array, false);
  }
  if (type == ondemand::json_type::string) {
    std::string_view text;
    SLUICE_JSON_TRY(document_.get_string().get(text));
    return ReadBase64(text);
  }
  ondemand::object object;
  SLUICE_JSON_TRY(document_.get_object().get(object));
  return ReadObject(object);
}

error_code EmbeddingReader::ReadObject(ondemand::object object) {
  for (auto member : object) {
    ondemand::field field;
    SLUICE_JSON_TRY(std::move(member).get(field));
    std::string_view key;
    SLUICE_JSON_TRY(field.unescaped_key().get(key));
    if (key == "index") {
      SLUICE_JSON_TRY(ReadIndex(field.value()));
    } else if (key == "embedding" || key == "values") {
      SLUICE_JSON_TRY(ReadVector(field.value()));
    }
  }
  return SUCCESS;
}

// A whole number in any form; anything else tells nothing.
error_code EmbeddingReader::ReadIndex(Value value) {
  ondemand::json_type type;
  SLUICE_JSON_TRY(value.type().get(type));
  double number = -0.5;
  if (type == ondemand::json_type::number) {
    SLUICE_JSON_TRY(value.get_double().get(number));
  } else if (type == ondemand::json_type::string) {
    std::string_view text;
    SLUICE_JSON_TRY(value.get_string().get(text));
    if (!absl::SimpleAtod(View(text), &number)) return SUCCESS;
  }
  if (std::abs(number) < 1e9 && number == std::trunc(number)) index_ = static_cast<int64_t>(number);
  return SUCCESS;
}

error_code EmbeddingReader::ReadVector(Value value) {
  values_.clear();
  ondemand::json_type type;
  SLUICE_JSON_TRY(value.type().get(type));
  if (type == ondemand::json_type::string) {
    std::string_view text;
    SLUICE_JSON_TRY(value.get_string().get(text));
    return ReadBase64(text);
  }
  ondemand::array array;
  if (const error_code error = value.get_array().get(array)) {
    problem_ = "an embedding that is neither an array of numbers nor base64";
    return error;
  }
  return ReadArray(array, false);
}

error_code EmbeddingReader::ReadArray(ondemand::array array, bool inner) {
  bool nested_before = false;
  for (auto element : array) {
    Value value;
    SLUICE_JSON_TRY(std::move(element).get(value));
    ondemand::json_type type;
    SLUICE_JSON_TRY(value.type().get(type));
    const bool nested_now = type == ondemand::json_type::array;
    // One vector in a list of its own is clear, two (of its tokens) are not.
    if (nested_before || (nested_now && (inner || !values_.empty()))) {
      problem_ = "an embedding that is several vectors";
      return simdjson::INCORRECT_TYPE;
    }
    nested_before = nested_now;
    if (!nested_now) {
      SLUICE_JSON_TRY(ReadNumber(value));
      continue;
    }
    ondemand::array nested;
    SLUICE_JSON_TRY(value.get_array().get(nested));
    SLUICE_JSON_TRY(ReadArray(nested, true));
  }
  return SUCCESS;
}

error_code EmbeddingReader::ReadNumber(Value value) {
  double number = 0;
  if (value.get_double().get(number) != SUCCESS) SLUICE_JSON_TRY(value.get_double_in_string().get(number));
  values_.push_back(static_cast<float>(number));
  return std::isfinite(values_.back()) ? SUCCESS : simdjson::NUMBER_OUT_OF_RANGE;
}

// As encoding_format "base64" gives them, which some servers do whatever was
// asked for: float32, little-endian.
error_code EmbeddingReader::ReadBase64(std::string_view text) {
  static_assert(std::endian::native == std::endian::little);
  std::string bytes;
  const bool read = absl::Base64Unescape(View(text), &bytes) || absl::WebSafeBase64Unescape(View(text), &bytes);
  if (!read || bytes.empty() || bytes.size() % sizeof(float) != 0) {
    problem_ = "an embedding that is a text, but no base64 of float32";
    return simdjson::INCORRECT_TYPE;
  }
  values_.resize(bytes.size() / sizeof(float));
  bytes.copy(reinterpret_cast<char*>(values_.data()), bytes.size());
  for (const float value : values_) {
    if (!std::isfinite(value)) return simdjson::NUMBER_OUT_OF_RANGE;
  }
  return SUCCESS;
}

}  // namespace sluice
