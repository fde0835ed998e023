#include "server/codec/json_writer.h"

#include <bit>
#include <cstdint>
#include <cstring>

namespace sluice {
namespace {

constexpr uint64_t kOnes = 0x0101010101010101;
constexpr uint64_t kHighs = 0x8080808080808080;

// The high bit of each byte below `bound` (at most 0x80); above the first of
// them there may be others that are not. After "Bit Twiddling Hacks", hasless.
uint64_t Below(uint64_t word, uint64_t bound) { return (word - kOnes * bound) & ~word & kHighs; }

bool NeedsEscape(unsigned char c) { return c < 0x20 || c == '"' || c == '\\'; }

// The first byte from `at` on that cannot stand in a string as it is.
size_t FindEscape(std::string_view text, size_t at) {
  if constexpr (std::endian::native == std::endian::little) {
    for (; at + sizeof(uint64_t) <= text.size(); at += sizeof(uint64_t)) {
      uint64_t word;
      std::memcpy(&word, text.data() + at, sizeof(word));
      const uint64_t found = Below(word, 0x20) | Below(word ^ kOnes * '"', 1) | Below(word ^ kOnes * '\\', 1);
      if (found != 0) return at + std::countr_zero(found) / 8;
    }
  }
  while (at < text.size() && !NeedsEscape(static_cast<unsigned char>(text[at]))) ++at;
  return at;
}

void Append(std::string_view bytes, rapidjson::StringBuffer& out) {
  if (!bytes.empty()) std::memcpy(out.Push(bytes.size()), bytes.data(), bytes.size());
}

// The short form, where there is one.
char LetterFor(char c) {
  switch (c) {
    case '\b':
      return 'b';
    case '\f':
      return 'f';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    case '"':
    case '\\':
      return c;
    default:
      return 0;
  }
}

void AppendEscaped(char c, rapidjson::StringBuffer& out) {
  if (const char letter = LetterFor(c)) {
    const char escape[] = {'\\', letter};
    return Append({escape, sizeof(escape)}, out);
  }
  constexpr char kDigits[] = "0123456789ABCDEF";
  const char escape[] = {'\\', 'u', '0', '0', kDigits[c >> 4 & 0xF], kDigits[c & 0xF]};
  Append({escape, sizeof(escape)}, out);
}

}  // namespace

void JsonWriter::Text(std::string_view text) {
  Prefix(rapidjson::kStringType);
  os_->Put('"');
  for (size_t at = 0; at < text.size();) {
    const size_t escape = FindEscape(text, at);
    Append(text.substr(at, escape - at), *os_);
    if (escape < text.size()) AppendEscaped(text[escape], *os_);
    at = escape + 1;
  }
  os_->Put('"');
}

}  // namespace sluice
