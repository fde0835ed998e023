#include "controlplane/ctl/table.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sluice::ctl {
namespace {

void PrintLine(const std::vector<Table::Cell>& cells, const std::vector<size_t>& widths, bool color,
               std::ostream& out) {
  size_t last = cells.size();
  while (last > 0 && cells[last - 1].text.empty()) --last;
  for (size_t i = 0; i < last; ++i) {
    out << Paint(cells[i].text, cells[i].color, color);
    if (i + 1 < last) out << std::string(widths[i] - DisplayWidth(cells[i].text) + 2, ' ');
  }
  out << "\n";
}

}  // namespace

size_t DisplayWidth(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

void Table::Print(std::ostream& out, bool color) const {
  std::vector<size_t> widths;
  for (const std::string& title : header_) widths.push_back(DisplayWidth(title));
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], DisplayWidth(row[i].text));
  }
  PrintLine(std::vector<Cell>(header_.begin(), header_.end()), widths, false, out);
  for (const auto& row : rows_) PrintLine(row, widths, color, out);
}

std::string AgeText(absl::Duration age) {
  const int64_t seconds = std::max<int64_t>(0, absl::ToInt64Seconds(age));
  if (seconds < 60) return absl::StrCat(seconds, "s");
  if (seconds < 3600) return absl::StrCat(seconds / 60, "m");
  if (seconds < 48 * 3600) return absl::StrCat(seconds / 3600, "h");
  return absl::StrCat(seconds / 86400, "d");
}

std::string ElapsedText(absl::Duration elapsed) {
  if (elapsed > absl::ZeroDuration() && elapsed < absl::Milliseconds(1)) return "<1 ms";
  if (elapsed < absl::Seconds(1)) return absl::StrCat(absl::ToInt64Milliseconds(elapsed), " ms");
  return absl::StrFormat("%.3g s", absl::ToDoubleSeconds(elapsed));
}

std::string FigureText(double figure) {
  if (figure >= 999500) return absl::StrFormat("%.1fM", figure / 1e6);
  if (figure >= 999.5) return absl::StrFormat("%.1fk", figure / 1e3);
  if (figure >= 9.95 || figure == std::floor(figure)) return absl::StrFormat("%.0f", figure);
  return absl::StrFormat("%.1f", figure);
}

}  // namespace sluice::ctl
