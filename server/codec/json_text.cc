#include "server/codec/json_text.h"

#include <cstdint>

#include "server/codec/byte_scan.h"
#include "server/codec/utf8_joiner.h"

namespace sluice {
namespace {

constexpr std::string_view kSimpleEscapes = "\"\\/bfnrt";
constexpr std::string_view kSimpleValues = "\"\\/\b\f\n\r\t";

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The four digits after "\u", or -1.
int32_t HexUnit(std::string_view digits) {
  if (digits.size() < 4) return -1;
  int32_t unit = 0;
  for (int i = 0; i < 4; ++i) {
    const int value = HexValue(digits[i]);
    if (value < 0) return -1;
    unit = unit * 16 + value;
  }
  return unit;
}

// The length of the escape at the beginning of `text`, or 0 if it is none.
size_t EscapeLength(std::string_view text) {
  if (text.size() < 2) return 0;
  if (text[1] == 'u') return HexUnit(text.substr(2)) < 0 ? 0 : 6;
  return kSimpleEscapes.find(text[1]) == std::string_view::npos ? 0 : 2;
}

// Reads "\uXXXX" at the beginning of `text`, and a low surrogate that follows
// a high one. The bytes read.
size_t AppendUnicodeEscape(std::string_view text, std::string& out) {
  int32_t code = HexUnit(text.substr(2));
  size_t length = 6;
  if (code >= 0xD800 && code < 0xDC00 && text.substr(6, 2) == "\\u") {
    const int32_t low = HexUnit(text.substr(8));
    if (low >= 0xDC00 && low < 0xE000) {
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      length = 12;
    }
  }
  AppendUtf8(static_cast<uint32_t>(code), out);
  return length;
}

}  // namespace

std::optional<std::string_view> ScanJsonString(std::string_view rest) {
  // Most are keys and tokens: these end within a few words.
  constexpr size_t kShort = 32;
  const size_t first = FindQuoteOrBackslash(rest, kShort);
  if (first < rest.size() && rest[first] == '"') return rest.substr(0, first);
  const size_t quote = rest.find('"', first);
  if (quote == std::string_view::npos) return std::nullopt;
  size_t at = rest.substr(0, quote).find('\\', first);
  if (at == std::string_view::npos) return rest.substr(0, quote);
  while (at < rest.size() && rest[at] != '"') {
    if (rest[at] != '\\') {
      ++at;
      continue;
    }
    const size_t length = EscapeLength(rest.substr(at));
    if (length == 0) return std::nullopt;
    at += length;
  }
  if (at >= rest.size()) return std::nullopt;
  return rest.substr(0, at);
}

std::string_view UnescapeJson(std::string_view raw, std::string& scratch) {
  size_t at = raw.find('\\');
  if (at == std::string_view::npos) return raw;
  scratch.clear();
  while (at != std::string_view::npos) {
    scratch.append(raw.substr(0, at));
    raw.remove_prefix(at);
    if (raw[1] == 'u') {
      raw.remove_prefix(AppendUnicodeEscape(raw, scratch));
    } else {
      scratch.push_back(kSimpleValues[kSimpleEscapes.find(raw[1])]);
      raw.remove_prefix(2);
    }
    at = raw.find('\\');
  }
  scratch.append(raw);
  return scratch;
}

}  // namespace sluice
