#include "proto/status/bounded_text.h"

#include <cstdint>

namespace sluice {
namespace {

constexpr std::string_view kEllipsis = "…";

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// The least number that is to be written in so many bytes.
constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};

size_t Length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc0 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  return lead >= 0xf0 && lead < 0xf8 ? 4 : 0;
}

// Bytes of the character that `rest` begins with; 0 where that is none.
size_t CharacterBytes(std::string_view rest) {
  const auto lead = static_cast<unsigned char>(rest[0]);
  const size_t length = Length(lead);
  if (length <= 1) return length;
  if (length > rest.size()) return 0;
  uint32_t number = lead & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if (!IsContinuation(rest[i])) return 0;
    number = number << 6 | (static_cast<unsigned char>(rest[i]) & 0x3f);
  }
  const bool surrogate = number >= 0xd800 && number < 0xe000;
  return number >= kLeast[length] && number <= 0x10ffff && !surrogate ? length : 0;
}

// Keeps the size.
void MakeOneLine(std::string& text) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = CharacterBytes(std::string_view(text).substr(i));
    if (length == 0) {
      text[i++] = '?';
      continue;
    }
    if (IsControl(text[i])) text[i] = ' ';
    i += length;
  }
}

std::string_view WithoutBlankEnds(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || IsControl(c); };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

size_t EncodedBytes(char c) { return c >= 0x20 && c < 0x7f && c != '%' ? 1 : 3; }

// The same as WholeCharacters, by the size that they take encoded.
std::string_view WholeEncoded(std::string_view text, size_t max_encoded) {
  size_t end = 0;
  for (size_t size = 0; end < text.size(); ++end) {
    size += EncodedBytes(text[end]);
    if (size > max_encoded) break;
  }
  return WholeCharacters(text, end);
}

}  // namespace

std::string_view WholeCharacters(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t end = max_bytes;
  while (end > 0 && IsContinuation(text[end])) --end;
  return text.substr(0, end);
}

std::string BoundedText(std::string_view text, size_t max_bytes) {
  std::string result;
  if (text.size() <= max_bytes) {
    result = text;
    MakeOneLine(result);
    return result;
  }
  result = WholeCharacters(text, max_bytes - kEllipsis.size());
  MakeOneLine(result);
  result += kEllipsis;
  return result;
}

std::string StatusText(std::string_view text, size_t max_encoded) {
  text = WithoutBlankEnds(text);
  // What is longer than this is cut in any case.
  std::string line(WholeCharacters(text, max_encoded + 1));
  MakeOneLine(line);
  if (line.size() == text.size() && PercentEncodedBytes(line) <= max_encoded) return line;
  line.resize(WithoutBlankEnds(WholeEncoded(line, max_encoded - PercentEncodedBytes(kEllipsis))).size());
  line += kEllipsis;
  return line;
}

size_t PercentEncodedBytes(std::string_view text) {
  size_t size = 0;
  for (char c : text) size += EncodedBytes(c);
  return size;
}

}  // namespace sluice
