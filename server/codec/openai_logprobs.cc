#include "server/codec/openai_logprobs.h"

#include <limits>
#include <optional>
#include <type_traits>

#include "server/codec/utf8_joiner.h"

namespace sluice {
namespace {

using simdjson::SUCCESS;

JsonError ReadBytes(const JsonReader& reader, JsonValue value, std::string& raw) {
  return ForEachElement(value, [&](JsonKind kind, JsonValue element) -> JsonError {
    std::optional<int64_t> byte;
    SLUICE_JSON_TRY(reader.ReadInteger(kind, element, byte));
    if (byte && *byte >= 0 && *byte <= 255) raw.push_back(static_cast<char>(*byte));
    return SUCCESS;
  });
}

// Also minus infinity, as Python writes it.
void ReadLogprob(JsonKind kind, JsonValue value, std::optional<double>& logprob) {
  double number = 0;
  const bool infinite = std::string_view(value.raw_json_token()).starts_with("-I");
  if (infinite) logprob = -std::numeric_limits<double>::infinity();
  if (!infinite && kind == JsonKind::kNumber && value.get_double().get(number) == SUCCESS) logprob = number;
}

// A token without a probability is left out: 0 would say that it was certain.
template <class Token>
JsonError ReadToken(JsonReader& reader, JsonValue value, std::vector<Token>& tokens) {
  Token& token = tokens.emplace_back();
  std::optional<double> logprob;
  bool has_bytes = false;
  std::string_view raw;
  SLUICE_JSON_TRY(ForEachMemberOf(value, [&](std::string_view key, JsonKind kind, JsonValue member) -> JsonError {
    if (key == "token") return reader.ReadText(kind, member, raw);
    if (key == "logprob") {
      ReadLogprob(kind, member, logprob);
      return SUCCESS;
    }
    if (key == "bytes") {
      has_bytes = kind == JsonKind::kArray;
      return ReadBytes(reader, member, token.raw);
    }
    if constexpr (std::is_same_v<Token, TokenLogprobValue>) {
      if (key == "top_logprobs") {
        return ForEachElement(member, [&](JsonKind its, JsonValue top) -> JsonError {
          return its == JsonKind::kObject ? ReadToken(reader, top, token.top) : SUCCESS;
        });
      }
    }
    return SUCCESS;
  }));
  if (!logprob) {
    tokens.pop_back();
    return SUCCESS;
  }
  token.logprob = *logprob;
  const std::string_view text = reader.Unescape(raw);
  token.token = WholeUtf8(text);
  if (!has_bytes) token.raw.assign(text);
  return SUCCESS;
}

}  // namespace

JsonError ReadOpenAiLogprobs(JsonReader& reader, JsonValue value, std::vector<TokenLogprobValue>& tokens) {
  return ForEachMemberOf(value, [&](std::string_view key, JsonKind, JsonValue content) -> JsonError {
    if (key != "content") return SUCCESS;
    return ForEachElement(content, [&](JsonKind kind, JsonValue token) -> JsonError {
      return kind == JsonKind::kObject ? ReadToken(reader, token, tokens) : SUCCESS;
    });
  });
}

}  // namespace sluice
