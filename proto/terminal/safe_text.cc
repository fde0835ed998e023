#include "proto/terminal/safe_text.h"

#include <utf8proc.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sluice {
namespace {

constexpr int32_t kNotUtf8 = -1;
constexpr int32_t kZeroWidthNonJoiner = 0x200C;
constexpr int32_t kZeroWidthJoiner = 0x200D;
constexpr int32_t kEmojiStyle = 0xFE0F;
constexpr int32_t kBlackFlag = 0x1F3F4;
// Below are Latin, Greek, Cyrillic, Hebrew: their letters do not join.
constexpr int32_t kFirstThatJoins = 0x0600;

struct Character {
  int32_t code;
  std::string_view bytes;
};

bool Within(int32_t code, int32_t first, int32_t last) { return code >= first && code <= last; }

std::vector<Character> Decode(std::string_view text) {
  std::vector<Character> characters;
  for (size_t at = 0; at < text.size();) {
    utf8proc_int32_t code = 0;
    const utf8proc_ssize_t length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
                                                     static_cast<utf8proc_ssize_t>(text.size() - at), &code);
    characters.push_back({length <= 0 ? kNotUtf8 : code, text.substr(at, length <= 0 ? 1 : length)});
    at += characters.back().bytes.size();
  }
  return characters;
}

// Signs of Arabic and its like that Unicode calls formats, though they show.
bool IsVisibleFormat(int32_t code) {
  return Within(code, 0x0600, 0x0605) || code == 0x06DD || code == 0x070F || Within(code, 0x0890, 0x0891) ||
         code == 0x08E2 || code == 0x110BD || code == 0x110CD;
}

// Acts on a terminal, or cannot be seen.
bool IsHidden(int32_t code) {
  if (code < 0) return true;
  if (Within(code, 0x20, 0x7E)) return false;
  const bool noncharacter = (code & 0xFFFE) == 0xFFFE || Within(code, 0xFDD0, 0xFDEF);
  const utf8proc_property_t& property = *utf8proc_get_property(code);
  switch (property.category) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return true;
    case UTF8PROC_CATEGORY_CF:
      return !IsVisibleFormat(code);
    default:
      return property.ignorable || noncharacter;
  }
}

bool IsVariation(int32_t code) {
  return Within(code, 0xFE00, 0xFE0F) || Within(code, 0xE0100, 0xE01EF) || Within(code, 0x180B, 0x180F);
}

bool TakesVariation(int32_t code) {
  return (code >= 0xA0 && !IsHidden(code)) || Within(code, '0', '9') || code == '#' || code == '*';
}

bool Joins(int32_t code) { return code >= kFirstThatJoins && !IsHidden(code); }

// What is hidden alone may be part of what is seen: a family, a flag of Wales, a
// word of Persian.
bool BelongsThere(const std::vector<Character>& all, size_t i) {
  if (i == 0) return false;
  const int32_t code = all[i].code;
  const int32_t before = all[i - 1].code;
  if (IsVariation(code)) return TakesVariation(before);
  if (code == kZeroWidthJoiner || code == kZeroWidthNonJoiner) {
    const bool after_emoji = before == kEmojiStyle && i >= 2 && TakesVariation(all[i - 2].code);
    return (Joins(before) || after_emoji) && i + 1 < all.size() && Joins(all[i + 1].code);
  }
  if (!Within(code, 0xE0020, 0xE007F)) return false;
  while (i > 0 && Within(all[i].code, 0xE0020, 0xE007F)) --i;
  return all[i].code == kBlackFlag;
}

std::string Surrogates(int32_t code) {
  const int32_t above = code - 0x10000;
  return absl::StrFormat("\\u%04x\\u%04x", 0xD800 + (above >> 10), 0xDC00 + (above & 0x3FF));
}

std::string Escape(const Character& character, EscapeForm form) {
  const int32_t code = character.code;
  const bool text = form == EscapeForm::kText;
  if (code == kNotUtf8) {
    return text ? absl::StrFormat("\\x%02x", static_cast<unsigned char>(character.bytes[0])) : "\\ufffd";
  }
  if (text && code == '\n') return "\\n";
  if (text && code == '\t') return "\\t";
  if (text && code == '\r') return "\\r";
  if (text && code < 0x80) return absl::StrFormat("\\x%02x", code);
  if (code <= 0xFFFF) return absl::StrFormat("\\u%04x", code);
  return form == EscapeForm::kJson ? Surrogates(code) : absl::StrFormat("\\U%08x", code);
}

bool IsPlain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

std::string Escaped(std::string_view text, EscapeForm form, bool one_line) {
  if (IsPlain(text)) return std::string(text);
  const std::vector<Character> characters = Decode(text);
  std::string safe;
  safe.reserve(text.size());
  for (size_t i = 0; i < characters.size(); ++i) {
    const int32_t code = characters[i].code;
    const bool layout = code == '\n' || code == '\t';
    const bool shown = layout ? !one_line : !IsHidden(code) || BelongsThere(characters, i);
    absl::StrAppend(&safe, shown ? std::string(characters[i].bytes) : Escape(characters[i], form));
  }
  return safe;
}

// The characters from `begin` that stand as one: a letter with its accents, an
// emoji of several. Returns the first one that does not.
size_t ClusterEnd(const std::vector<Character>& all, size_t begin) {
  utf8proc_int32_t state = 0;
  size_t end = begin + 1;
  while (end < all.size() && all[end - 1].code >= 0 && all[end].code >= 0 &&
         !utf8proc_grapheme_break_stateful(all[end - 1].code, all[end].code, &state)) {
    ++end;
  }
  return end;
}

size_t ClusterWidth(const std::vector<Character>& all, size_t begin, size_t end) {
  size_t width = 0;
  // A pair of these is a flag.
  bool emoji = Within(all[begin].code, 0x1F1E6, 0x1F1FF) && end - begin == 2;
  for (size_t i = begin; i < end; ++i) {
    if (all[i].code < 0) return 1;
    width += utf8proc_charwidth(all[i].code);
    emoji = emoji || all[i].code == kEmojiStyle || (i == begin && width == 2);
  }
  return emoji ? 2 : width;
}

}  // namespace

std::string SafeText(std::string_view text, EscapeForm form) { return Escaped(text, form, false); }

std::string SafeLine(std::string_view text) { return Escaped(text, EscapeForm::kText, true); }

size_t DisplayWidth(std::string_view text) {
  if (IsPlain(text)) return text.size();
  const std::vector<Character> characters = Decode(text);
  size_t width = 0;
  for (size_t i = 0, end = 0; i < characters.size(); i = end) {
    end = ClusterEnd(characters, i);
    width += ClusterWidth(characters, i, end);
  }
  return width;
}

std::string CutToWidth(std::string_view text, size_t width) {
  if (DisplayWidth(text) <= width) return std::string(text);
  const std::vector<Character> characters = Decode(text);
  std::string cut;
  // The mark takes the last column.
  for (size_t i = 0, end = 0, used = 1; i < characters.size(); i = end) {
    end = ClusterEnd(characters, i);
    used += ClusterWidth(characters, i, end);
    if (used > width) break;
    for (size_t k = i; k < end; ++k) absl::StrAppend(&cut, std::string(characters[k].bytes));
  }
  return width == 0 ? "" : absl::StrCat(cut, "…");
}

}  // namespace sluice
