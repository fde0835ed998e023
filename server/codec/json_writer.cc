#include "server/codec/json_writer.h"

#include <cstring>

#include "server/codec/byte_scan.h"

namespace sluice {
namespace {

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
    const size_t escape = FindJsonEscape(text, at);
    Append(text.substr(at, escape - at), *os_);
    if (escape < text.size()) AppendEscaped(text[escape], *os_);
    at = escape + 1;
  }
  os_->Put('"');
}

}  // namespace sluice
