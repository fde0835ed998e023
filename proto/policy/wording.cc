#include "proto/policy/wording.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sluice {
namespace {

constexpr std::size_t kShownCharacters = 64;
// Longer lists of names are noise at a prompt.
constexpr std::size_t kListedNames = 24;
// The table of the edit distance grows with the product of the lengths.
constexpr std::size_t kLongestComparedName = 256;

// Bytes of the sequence that begins at `i`, 0 if it is not UTF-8.
std::size_t SequenceLength(absl::string_view text, std::size_t i) {
  const auto at = [&](std::size_t k) { return static_cast<unsigned char>(text[k]); };
  const unsigned char first = at(i);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || i + length > text.size()) return 0;
  for (std::size_t k = 1; k < length; ++k) {
    if ((at(i + k) & 0xC0) != 0x80) return 0;
  }
  if (first == 0xE0 && at(i + 1) < 0xA0) return 0;  // overlong
  if (first == 0xED && at(i + 1) > 0x9F) return 0;  // surrogate
  if (first == 0xF0 && at(i + 1) < 0x90) return 0;  // overlong
  if (first == 0xF4 && at(i + 1) > 0x8F) return 0;  // above U+10FFFF
  return length;
}

std::size_t CountCharacters(absl::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

// The first `count` characters, never cut inside one.
absl::string_view FirstCharacters(absl::string_view text, std::size_t count) {
  std::size_t i = 0;
  for (; i < text.size() && count > 0; --count) i += std::max<std::size_t>(1, SequenceLength(text, i));
  return text.substr(0, std::min(i, text.size()));
}

unsigned CodePoint(absl::string_view sequence) {
  unsigned code = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) return code;
  code &= 0x7Fu >> sequence.size();
  for (char c : sequence.substr(1)) code = code << 6 | (static_cast<unsigned char>(c) & 0x3F);
  return code;
}

// Line breaks and marks that YAML 1.1 readers interpret, and controls.
bool NeedsEscape(unsigned code) {
  return code < 0x20 || (code >= 0x7F && code <= 0x9F) || code == 0x2028 || code == 0x2029 ||
         code == 0xFEFF;
}

}  // namespace

std::string EscapedQuoted(absl::string_view text) {
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = std::max<std::size_t>(1, SequenceLength(text, i));
    const absl::string_view sequence = text.substr(i, length);
    const unsigned code = CodePoint(sequence);
    i += length;
    if (code == '"' || code == '\\') {
      absl::StrAppend(&out, "\\", sequence);
    } else if (code == '\n') {
      out += "\\n";
    } else if (code == '\t') {
      out += "\\t";
    } else if (NeedsEscape(code)) {
      absl::StrAppendFormat(&out, "\\u%04x", code);
    } else {
      out.append(sequence.data(), sequence.size());
    }
  }
  return out + "\"";
}

std::string Shown(absl::string_view value) {
  const absl::string_view head = FirstCharacters(value, kShownCharacters);
  std::string out = EscapedQuoted(head);
  if (head.size() < value.size()) out += "…";
  return out;
}

std::string Masked(absl::string_view secret) {
  std::string head(FirstCharacters(secret, 4));
  for (char& c : head) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = '?';
  }
  return absl::StrCat(head, "… (", CountCharacters(secret), " characters)");
}

std::string AnyOf(const std::vector<std::string>& names) {
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += i + 1 == names.size() ? " or " : ", ";
    out += names[i];
  }
  return out;
}

std::size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = last[j - 1] + (a[i - 1] != b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

std::string Nearest(absl::string_view name, const std::vector<std::string>& known) {
  if (name.size() > kLongestComparedName) return "";
  const std::string lower = absl::AsciiStrToLower(name);
  std::string best;
  std::size_t best_distance = 0;
  for (const std::string& candidate : known) {
    if (candidate.size() > kLongestComparedName) continue;
    const std::size_t longer = std::max(lower.size(), candidate.size());
    const std::size_t allowed = std::max<std::size_t>(1, longer / 3);
    const std::size_t gap = longer - std::min(lower.size(), candidate.size());
    if (gap > allowed) continue;
    const std::size_t distance = EditDistance(lower, absl::AsciiStrToLower(candidate));
    // One changed letter of a one-letter name is another name.
    if (distance > allowed || distance >= longer) continue;
    if (best.empty() || distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string DidYouMean(absl::string_view name, const std::vector<std::string>& known) {
  const std::string nearest = Nearest(name, known);
  if (!nearest.empty()) return absl::StrCat("; did you mean ", Shown(nearest), "?");
  if (known.empty() || known.size() > kListedNames) return "";
  return absl::StrCat("; known: ", AnyOf(known));
}

std::size_t ValidUtf8Prefix(absl::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const std::size_t length = SequenceLength(text, i);
    if (length == 0) break;
    i += length;
  }
  return i;
}

std::string FieldPath(absl::string_view parent, absl::string_view field) {
  return parent.empty() ? std::string(field) : absl::StrCat(parent, ".", field);
}

std::string IndexPath(absl::string_view list, std::size_t index) {
  return absl::StrCat(list, "[", index, "]");
}

std::string KeyPath(absl::string_view map, absl::string_view key) {
  return absl::StrCat(map, "[", EscapedQuoted(key), "]");
}

}  // namespace sluice
