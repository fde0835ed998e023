#include "controlplane/ctl/help_text.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "proto/terminal/safe_text.h"

namespace sluice::ctl {
namespace {

// A column of fewer characters is no longer read.
constexpr size_t kLeastColumn = 24;

// Where the text behind the first gap of two blanks begins; a little further in
// than the line where there is none.
size_t SecondColumn(std::string_view line) {
  const size_t text = line.find_first_not_of(' ');
  const size_t gap = line.find("  ", text);
  const size_t second = gap == std::string_view::npos ? gap : line.find_first_not_of(' ', gap);
  return second == std::string_view::npos ? text + 2 : second;
}

// The words of a line that do not fit go on at its second column.
void AppendLine(std::string line, size_t width, std::string& out) {
  const size_t first = line.find_first_not_of(' ');
  size_t column = first == std::string::npos ? 0 : SecondColumn(line);
  if (column + kLeastColumn > width) column = first + 2;
  while (DisplayWidth(line) > width) {
    size_t cut = line.rfind(' ', width);
    // A word that is longer than a line stays whole.
    if (cut == std::string::npos || cut <= column) cut = line.find(' ', column);
    if (cut == std::string::npos) break;
    absl::StrAppend(&out, line.substr(0, line.find_last_not_of(' ', cut) + 1), "\n");
    line = absl::StrCat(std::string(column, ' '), line.substr(cut + 1));
  }
  absl::StrAppend(&out, line, "\n");
}

}  // namespace

std::string Wrapped(const std::string& help, size_t width) {
  if (width == 0) return help;
  std::string out;
  for (std::string_view rest = help; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    AppendLine(std::string(rest.substr(0, end)), width, out);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

}  // namespace sluice::ctl
