#include "server/codec/base64_joiner.h"

#include <algorithm>
#include <array>

#include "server/codec/ascii_text.h"

namespace sluice {
namespace {

constexpr int8_t kNone = -1;
constexpr int8_t kPadding = -2;
constexpr int8_t kBlank = -3;

constexpr std::array<int8_t, 256> MakeValues() {
  std::array<int8_t, 256> values{};
  for (int8_t& value : values) value = kNone;
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < kLetters.size(); ++i) values[static_cast<uint8_t>(kLetters[i])] = static_cast<int8_t>(i);
  values['-'] = values['+'];
  values['_'] = values['/'];
  values['='] = kPadding;
  for (const char blank : kAsciiBlanks) values[static_cast<uint8_t>(blank)] = kBlank;
  return values;
}

constexpr std::array<int8_t, 256> kValues = MakeValues();

int8_t ValueOf(char c) { return kValues[static_cast<uint8_t>(c)]; }

}  // namespace

bool Base64Joiner::Add(std::string_view piece, std::string& out) {
  if (std::any_of(piece.begin(), piece.end(), [](char c) { return ValueOf(c) == kNone; })) return false;
  out.reserve(out.size() + piece.size() / 4 * 3 + 3);
  for (const char c : piece) {
    const int8_t value = ValueOf(c);
    if (value == kPadding) held_ = 0;  // what follows is a text of its own
    if (value < 0) continue;
    bits_ = (bits_ << 6) | static_cast<uint32_t>(value);
    held_ += 6;
    if (held_ < 8) continue;
    held_ -= 8;
    out.push_back(static_cast<char>((bits_ >> held_) & 0xFF));
  }
  return true;
}

}  // namespace sluice
