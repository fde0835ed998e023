#include "controlplane/ctl/three_way.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sluice::ctl {
namespace {

using Lines = std::vector<absl::string_view>;

// Above it two texts are not compared line by line: 64 MB of table.
constexpr size_t kMaxCells = 16u << 20;
constexpr size_t kNone = SIZE_MAX;

Lines Split(std::string_view text) {
  Lines lines = absl::StrSplit(absl::string_view(text.data(), text.size()), '\n');
  // What stands behind the last line's end.
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

// For each line of `a` the one of `b` that it is, in order: a longest common
// subsequence. kNone: it is in `a` only.
std::vector<size_t> Matches(const Lines& a, const Lines& b) {
  std::vector<size_t> matches(a.size(), kNone);
  size_t first = 0;
  while (first < std::min(a.size(), b.size()) && a[first] == b[first]) {
    matches[first] = first;
    ++first;
  }
  size_t a_end = a.size();
  size_t b_end = b.size();
  while (a_end > first && b_end > first && a[a_end - 1] == b[b_end - 1]) matches[--a_end] = --b_end;
  const size_t rows = a_end - first;
  const size_t columns = b_end - first;
  if (rows == 0 || columns == 0 || rows > kMaxCells / columns) return matches;
  // longest[i][j]: of a[first+i…] and b[first+j…].
  std::vector<uint32_t> longest((rows + 1) * (columns + 1));
  const auto at = [&](size_t i, size_t j) -> uint32_t& { return longest[i * (columns + 1) + j]; };
  for (size_t i = rows; i-- > 0;) {
    for (size_t j = columns; j-- > 0;) {
      at(i, j) = a[first + i] == b[first + j] ? at(i + 1, j + 1) + 1 : std::max(at(i + 1, j), at(i, j + 1));
    }
  }
  for (size_t i = 0, j = 0; i < rows && j < columns;) {
    if (a[first + i] == b[first + j]) {
      matches[first + i++] = first + j++;
    } else if (at(i + 1, j) >= at(i, j + 1)) {
      ++i;
    } else {
      ++j;
    }
  }
  return matches;
}

void Append(const Lines& lines, size_t from, size_t to, std::string& out) {
  for (size_t i = from; i < to; ++i) absl::StrAppend(&out, lines[i], "\n");
}

bool SameLines(const Lines& a, size_t a_from, size_t a_to, const Lines& b, size_t b_from, size_t b_to) {
  return std::equal(a.begin() + a_from, a.begin() + a_to, b.begin() + b_from, b.begin() + b_to);
}

// Where `base` stands in `other` as it is, with lines before and behind it only;
// kNone: it does not.
size_t FindWhole(const Lines& base, size_t from, size_t to, const Lines& other, size_t other_from, size_t other_to) {
  if (from == to) return kNone;
  const auto found = std::search(other.begin() + other_from, other.begin() + other_to,
                                 base.begin() + from, base.begin() + to);
  return found == other.begin() + other_to ? kNone : static_cast<size_t>(found - other.begin());
}

// A change beside lines that the other put in is none of the same lines.
// Appends both; false: they are.
bool MergeBeside(const Lines& base, size_t b, size_t b_end, const Lines& changed, size_t c, size_t c_end,
                 const Lines& grown, size_t g, size_t g_end, std::string& out) {
  const size_t at = FindWhole(base, b, b_end, grown, g, g_end);
  if (at == kNone) return false;
  Append(grown, g, at, out);
  Append(changed, c, c_end, out);
  Append(grown, at + (b_end - b), g_end, out);
  return true;
}

}  // namespace

MergedText MergeThreeWay(std::string_view base_text, std::string_view mine_text, std::string_view theirs_text,
                         std::string_view mine_label, std::string_view theirs_label) {
  const Lines base = Split(base_text);
  const Lines mine = Split(mine_text);
  const Lines theirs = Split(theirs_text);
  const std::vector<size_t> in_mine = Matches(base, mine);
  const std::vector<size_t> in_theirs = Matches(base, theirs);
  MergedText merged;
  size_t b = 0, m = 0, t = 0;
  while (true) {
    // The next line that all three have.
    size_t next = b;
    while (next < base.size() && (in_mine[next] == kNone || in_theirs[next] == kNone)) ++next;
    const bool end = next == base.size();
    const size_t m_end = end ? mine.size() : in_mine[next];
    const size_t t_end = end ? theirs.size() : in_theirs[next];
    if (SameLines(base, b, next, mine, m, m_end)) {
      Append(theirs, t, t_end, merged.text);
    } else if (SameLines(base, b, next, theirs, t, t_end) || SameLines(mine, m, m_end, theirs, t, t_end)) {
      Append(mine, m, m_end, merged.text);
    } else if (!MergeBeside(base, b, next, mine, m, m_end, theirs, t, t_end, merged.text) &&
               !MergeBeside(base, b, next, theirs, t, t_end, mine, m, m_end, merged.text)) {
      ++merged.conflicts;
      absl::StrAppend(&merged.text, "<<<<<<< ", std::string(mine_label), "\n");
      Append(mine, m, m_end, merged.text);
      merged.text += "=======\n";
      Append(theirs, t, t_end, merged.text);
      absl::StrAppend(&merged.text, ">>>>>>> ", std::string(theirs_label), "\n");
    }
    if (end) return merged;
    absl::StrAppend(&merged.text, base[next], "\n");
    b = next + 1;
    m = m_end + 1;
    t = t_end + 1;
  }
}

bool HasMarkers(std::string_view text) {
  const Lines lines = Split(text);
  return std::any_of(lines.begin(), lines.end(), [](absl::string_view line) {
    return absl::StartsWith(line, "<<<<<<< ") || absl::StartsWith(line, ">>>>>>> ") || line == "=======";
  });
}

}  // namespace sluice::ctl
