// Looks through text several bytes at a time, on any processor. For the codec's
// innermost loops; any thread.
#ifndef SLUICE_SERVER_CODEC_BYTE_SCAN_H_
#define SLUICE_SERVER_CODEC_BYTE_SCAN_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace sluice {

// The first quote or backslash from the beginning on, within `most` bytes; else
// the end of what was looked at. For the many short strings of a document,
// where two calls of memchr cost more than the search.
inline size_t FindQuoteOrBackslash(std::string_view text, size_t most) {
  constexpr uint64_t kOnes = 0x0101010101010101, kHighs = 0x8080808080808080;
  // The high bit of each byte that is zero; above the first there may be others.
  const auto zeros = [](uint64_t word) { return (word - kOnes) & ~word & kHighs; };
  const size_t end = text.size() < most ? text.size() : most;
  size_t at = 0;
  if constexpr (std::endian::native == std::endian::little) {
    for (; at + sizeof(uint64_t) <= end; at += sizeof(uint64_t)) {
      uint64_t word;
      std::memcpy(&word, text.data() + at, sizeof(word));
      const uint64_t found = zeros(word ^ kOnes * '"') | zeros(word ^ kOnes * '\\');
      if (found != 0) return at + std::countr_zero(found) / 8;
    }
  }
  while (at < end && text[at] != '"' && text[at] != '\\') ++at;
  return at;
}

// The first byte from `at` on that cannot stand in a JSON string as it is; the
// end if all can.
inline size_t FindJsonEscape(std::string_view text, size_t at) {
  using Block = uint8_t __attribute__((vector_size(16)));
  for (; at + sizeof(Block) <= text.size(); at += sizeof(Block)) {
    Block block;
    std::memcpy(&block, text.data() + at, sizeof(block));
    const auto special = (block < 0x20) | (block == '"') | (block == '\\');
    uint64_t words[2];
    std::memcpy(words, &special, sizeof(words));
    if ((words[0] | words[1]) != 0) break;
  }
  const auto needs = [](unsigned char c) { return c < 0x20 || c == '"' || c == '\\'; };
  while (at < text.size() && !needs(static_cast<unsigned char>(text[at]))) ++at;
  return at;
}

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_BYTE_SCAN_H_
