#include "controlplane/ctl/table.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proto/terminal/safe_text.h"

namespace sluice::ctl {
namespace {

// What is left of a line is as much as it takes; never nothing at all.
constexpr size_t kLeastOfACell = 1;

std::string Padding(const std::string& text, size_t width) { return std::string(width - DisplayWidth(text), ' '); }

// `shown`: widths of the columns, 0 for those that are left out.
void PrintLine(const std::vector<Table::Cell>& cells, const std::vector<size_t>& shown, const Table::Look& look,
               std::ostream& out) {
  size_t last = cells.size();
  while (last > 0 && (shown[last - 1] == 0 || cells[last - 1].text.empty())) --last;
  size_t used = 0;
  for (size_t i = 0; i < last; ++i) {
    if (shown[i] == 0) continue;
    const size_t room = look.width == 0 ? std::string::npos : look.width - used;
    const bool ends = i + 1 == last;
    const bool cut = DisplayWidth(cells[i].text) > room || (!ends && shown[i] + 2 + kLeastOfACell > room);
    const std::string text = cut ? CutToWidth(ends ? cells[i].text : absl::StrCat(cells[i].text, "  …"), room)
                                 : cells[i].text;
    out << Paint(text, cells[i].color, look.color);
    if (cut || ends) break;
    out << Padding(text, shown[i] + 2);
    used += shown[i] + 2;
  }
  out << "\n";
}

}  // namespace

void Table::AddRow(std::vector<Cell> cells) {
  for (Cell& cell : cells) cell.text = SafeLine(cell.text);
  rows_.push_back(std::move(cells));
}

std::vector<size_t> Table::Widths(const Look& look) const {
  std::vector<size_t> widths;
  for (const Column& column : header_) {
    widths.push_back(column.wide_only && !look.wide ? 0 : DisplayWidth(column.title));
  }
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      if (widths[i] > 0) widths[i] = std::max(widths[i], DisplayWidth(row[i].text));
    }
  }
  return widths;
}

void Table::Print(std::ostream& out, const Look& look) const {
  const std::vector<size_t> widths = Widths(look);
  std::vector<Cell> titles;
  for (const Column& column : header_) titles.push_back(column.title);
  PrintLine(titles, widths, look, out);
  for (const auto& row : rows_) PrintLine(row, widths, look, out);
}

void Table::Print(const Session& session) const {
  const bool wide = session.form() == Form::kWide;
  Print(session.out(), {.color = session.color(), .wide = wide, .width = wide ? 0 : session.width()});
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
