#include "server/service/bounded_text.h"

namespace sluice {
namespace {

constexpr std::string_view kEllipsis = "…";

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

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
  } else {
    result = WholeCharacters(text, max_bytes - kEllipsis.size());
    result += kEllipsis;
  }
  for (char& c : result) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return result;
}

}  // namespace sluice
