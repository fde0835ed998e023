#include "server/codec/utf8_joiner.h"

#include <simdjson.h>

namespace sluice {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

uint8_t ByteAt(std::string_view text, size_t i) { return static_cast<uint8_t>(text[i]); }

// The bytes of a character that begins with `lead`; 0 if none does.
size_t LengthOf(uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return 0;
}

// Whether `second` may follow `lead`: no overlong form, nothing above
// U+10FFFF. Surrogates pass; they are looked at as pairs.
bool MayFollow(uint8_t lead, uint8_t second) {
  if ((second & 0xC0) != 0x80) return false;
  if (lead == 0xE0) return second >= 0xA0;
  if (lead == 0xF0) return second >= 0x90;
  if (lead == 0xF4) return second <= 0x8F;
  return true;
}

// How many bytes at the beginning of `text` go together as (the beginning of)
// one character; at least 1.
size_t SequenceLength(std::string_view text, size_t want) {
  size_t have = 1;
  while (have < want && have < text.size()) {
    const uint8_t next = ByteAt(text, have);
    const bool ok = have == 1 ? MayFollow(ByteAt(text, 0), next) : (next & 0xC0) == 0x80;
    if (!ok) break;
    ++have;
  }
  return have;
}

bool IsSurrogate(std::string_view sequence, uint8_t low, uint8_t high) {
  return sequence.size() >= 2 && ByteAt(sequence, 0) == 0xED && ByteAt(sequence, 1) >= low &&
         ByteAt(sequence, 1) <= high;
}

bool IsHighSurrogate(std::string_view sequence) { return IsSurrogate(sequence, 0xA0, 0xAF); }
bool IsLowSurrogate(std::string_view sequence) { return IsSurrogate(sequence, 0xB0, 0xBF); }

uint32_t ThreeByteCode(std::string_view s) {
  return (ByteAt(s, 0) & 0x0Fu) << 12 | (ByteAt(s, 1) & 0x3Fu) << 6 | (ByteAt(s, 2) & 0x3Fu);
}

// Reads one step of `text` into `out`: the bytes read, or 0 where the rest may
// be the beginning of a character.
size_t Step(std::string_view text, std::string& out) {
  const size_t want = LengthOf(ByteAt(text, 0));
  const size_t have = want == 0 ? 1 : SequenceLength(text, want);
  if (want != 0 && have < want && have == text.size()) return 0;
  const std::string_view sequence = text.substr(0, have);
  if (have != want || IsLowSurrogate(sequence)) {
    out.append(kReplacement);
    return have;
  }
  if (!IsHighSurrogate(sequence)) {
    out.append(sequence);
    return have;
  }
  const std::string_view rest = text.substr(3);
  const size_t rest_have = rest.empty() ? 0 : SequenceLength(rest, 3);
  const std::string_view low = rest.substr(0, rest_have);
  const bool may_be_low = rest.empty() || (ByteAt(rest, 0) == 0xED && (rest.size() == 1 || IsLowSurrogate(low)));
  if (may_be_low && rest_have < 3 && rest_have == rest.size()) return 0;
  if (!may_be_low || rest_have < 3) {
    out.append(kReplacement);
    return 3;
  }
  AppendUtf8(0x10000 + ((ThreeByteCode(sequence) - 0xD800) << 10) + (ThreeByteCode(low) - 0xDC00), out);
  return 6;
}

// Appends what is whole; the bytes read.
size_t AppendWhole(std::string_view text, std::string& out) {
  size_t at = 0;
  while (at < text.size()) {
    const size_t step = Step(text.substr(at), out);
    if (step == 0) break;
    at += step;
  }
  return at;
}

}  // namespace

std::string_view Utf8Joiner::Join(std::string_view piece) {
  if (held_.empty() && simdjson::validate_utf8(piece.data(), piece.size())) return piece;
  work_.assign(held_);
  work_.append(piece);
  out_.clear();
  held_.assign(work_, AppendWhole(work_, out_));
  return out_;
}

std::string_view Utf8Joiner::Flush() {
  if (held_.empty()) return {};
  out_.clear();
  // A held high surrogate and the beginning of another character: two.
  const bool two = held_.size() > 3;
  held_.clear();
  out_.append(kReplacement);
  if (two) out_.append(kReplacement);
  return out_;
}

std::string WholeUtf8(std::string_view text) {
  Utf8Joiner joiner;
  std::string out(joiner.Join(text));
  out.append(joiner.Flush());
  return out;
}

std::string_view CutUtf8(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  while (max_bytes > 0 && (ByteAt(text, max_bytes) & 0xC0) == 0x80) --max_bytes;
  return text.substr(0, max_bytes);
}

void AppendUtf8(uint32_t code, std::string& out) {
  const auto put = [&out](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

}  // namespace sluice
