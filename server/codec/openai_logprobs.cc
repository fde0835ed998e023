#include "server/codec/openai_logprobs.h"

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

template <class Token>
JsonError ReadToken(JsonReader& reader, JsonValue value, Token& token) {
  bool has_bytes = false;
  std::string_view raw;
  SLUICE_JSON_TRY(ForEachMemberOf(value, [&](std::string_view key, JsonKind kind, JsonValue member) -> JsonError {
    if (key == "token") return reader.ReadText(kind, member, raw);
    if (key == "logprob") {
      double logprob = 0;
      if (kind == JsonKind::kNumber && member.get_double().get(logprob) == SUCCESS) token.logprob = logprob;
      return SUCCESS;
    }
    if (key == "bytes") {
      has_bytes = kind == JsonKind::kArray;
      return ReadBytes(reader, member, token.raw);
    }
    if constexpr (std::is_same_v<Token, TokenLogprobValue>) {
      if (key == "top_logprobs") {
        return ForEachElement(member, [&](JsonKind its, JsonValue top) -> JsonError {
          return its == JsonKind::kObject ? ReadToken(reader, top, token.top.emplace_back()) : SUCCESS;
        });
      }
    }
    return SUCCESS;
  }));
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
      return kind == JsonKind::kObject ? ReadToken(reader, token, tokens.emplace_back()) : SUCCESS;
    });
  });
}

}  // namespace sluice
