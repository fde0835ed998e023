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

// What a cell says where there is room for all of it.
std::string TextOf(const Table::Cell& cell, bool roomy) {
  return roomy ? absl::StrCat(cell.text, cell.extra) : cell.text;
}

std::string Padding(const std::string& text, size_t width) { return std::string(width - DisplayWidth(text), ' '); }

// `shown`: widths of the columns, 0 for those that are left out.
void PrintLine(const std::vector<Table::Cell>& cells, const std::vector<size_t>& shown, bool roomy,
               const Table::Look& look, std::ostream& out) {
  size_t last = cells.size();
  while (last > 0 && (shown[last - 1] == 0 || cells[last - 1].text.empty())) --last;
  size_t used = 0;
  for (size_t i = 0; i < last; ++i) {
    if (shown[i] == 0) continue;
    const size_t room = look.width == 0 ? std::string::npos : look.width - used;
    const std::string text = TextOf(cells[i], roomy);
    const bool ends = i + 1 == last;
    const bool cut = DisplayWidth(text) > room || (!ends && shown[i] + 2 + kLeastOfACell > room);
    out << Paint(cut ? CutToWidth(ends ? text : absl::StrCat(text, "  …"), room) : text, cells[i].color, look.color);
    if (cut || ends) break;
    out << Padding(text, shown[i] + 2);
    used += shown[i] + 2;
  }
  out << "\n";
}

}  // namespace

void Table::AddRow(std::vector<Cell> cells) {
  for (Cell& cell : cells) {
    cell.text = SafeLine(cell.text);
    cell.extra = SafeLine(cell.extra);
  }
  rows_.push_back(std::move(cells));
}

std::vector<size_t> Table::Widths(const Look& look, bool roomy) const {
  std::vector<size_t> widths;
  for (const Column& column : header_) {
    widths.push_back(column.wide_only && !look.wide ? 0 : DisplayWidth(column.title));
  }
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      if (widths[i] > 0) widths[i] = std::max(widths[i], DisplayWidth(TextOf(row[i], roomy)));
    }
  }
  return widths;
}

void Table::Print(std::ostream& out, const Look& look) const {
  std::vector<size_t> widths = Widths(look, true);
  size_t all = 0;
  for (const size_t width : widths) all += width == 0 ? 0 : width + 2;
  const bool roomy = look.width == 0 || all <= look.width + 2;
  if (!roomy) widths = Widths(look, false);
  std::vector<Cell> titles;
  for (const Column& column : header_) titles.push_back(column.title);
  PrintLine(titles, widths, roomy, look, out);
  for (const auto& row : rows_) PrintLine(row, widths, roomy, look, out);
}

Table::Cell AgoCell(absl::Time time, const Clock& clock) {
  return Table::Cell(absl::StrCat(AgeText(clock.now - time), " ago")).With(absl::StrCat(" (", AtText(time, clock), ")"));
}

Table::Cell SinceCell(absl::Time time, const Clock& clock) {
  return Table::Cell(AgeText(clock.now - time)).With(absl::StrCat(" (", AtText(time, clock), ")"));
}

void Table::Print(const Session& session) const {
  const bool wide = session.form() == Form::kWide;
  Print(session.out(), {.color = session.color(), .wide = wide, .width = wide ? 0 : session.width()});
}

std::string FigureText(double figure) {
  if (figure >= 999500) return absl::StrFormat("%.1fM", figure / 1e6);
  if (figure >= 999.5) return absl::StrFormat("%.1fk", figure / 1e3);
  if (figure >= 9.95 || figure == std::floor(figure)) return absl::StrFormat("%.0f", figure);
  return absl::StrFormat("%.1f", figure);
}

}  // namespace sluice::ctl
