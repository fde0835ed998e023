// ASCII on std::string_view. Debian's Abseil has a string_view of its own, so
// that absl's functions for this do not take ours.
#ifndef SLUICE_SERVER_CODEC_ASCII_TEXT_H_
#define SLUICE_SERVER_CODEC_ASCII_TEXT_H_

#include <algorithm>
#include <string>
#include <string_view>

namespace sluice {

inline constexpr std::string_view kAsciiBlanks = " \t\r\n\v\f";

inline char AsciiLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

inline std::string AsciiLower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = AsciiLower(c);
  return lower;
}

inline std::string_view TrimBlanks(std::string_view text) {
  const size_t first = text.find_first_not_of(kAsciiBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kAsciiBlanks) - first + 1);
}

inline bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return AsciiLower(x) == AsciiLower(y); });
}

inline bool StartsIgnoringCase(std::string_view text, std::string_view start) {
  return EqualsIgnoringCase(text.substr(0, start.size()), start);
}

inline bool EndsIgnoringCase(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && EqualsIgnoringCase(text.substr(text.size() - end.size()), end);
}

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_ASCII_TEXT_H_
