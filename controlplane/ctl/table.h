// Aligned columns for people: text of others is made safe, wide characters are
// counted as what they take, and on a terminal lines end where it ends. Values
// only; no thread.
#ifndef SLUICE_CONTROLPLANE_CTL_TABLE_H_
#define SLUICE_CONTROLPLANE_CTL_TABLE_H_

#include <ostream>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "controlplane/ctl/session.h"
#include "controlplane/ctl/time_text.h"

namespace sluice::ctl {

class Table {
 public:
  struct Column {
    Column(const char* title, bool wide_only = false) : title(title), wide_only(wide_only) {}
    std::string title;
    // Shown with -o wide alone.
    bool wide_only;
  };
  struct Cell {
    Cell(std::string text, Color color = Color::kNone) : text(std::move(text)), color(color) {}
    Cell(const char* text) : text(text) {}
    // Text that is shown behind it where the terminal has room for the whole
    // table with it.
    Cell With(std::string more) && {
      extra = std::move(more);
      return std::move(*this);
    }
    std::string text;
    std::string extra;
    Color color = Color::kNone;
  };

  struct Look {
    bool color = false;
    // With the columns that are wide only.
    bool wide = false;
    // Lines end with "…" here; 0: they go on.
    size_t width = 0;
  };

  explicit Table(std::vector<Column> header) : header_(std::move(header)) {}

  // As many cells as the header has.
  void AddRow(std::vector<Cell> cells);
  bool empty() const { return rows_.empty(); }
  // Two blanks between columns, none at the end of a line.
  void Print(std::ostream& out, const Look& look) const;
  // As the session's form and terminal are. Cut on a terminal only, and never
  // with -o wide.
  void Print(const Session& session) const;

 private:
  std::vector<size_t> Widths(const Look& look, bool roomy) const;

  std::vector<Column> header_;
  std::vector<std::vector<Cell>> rows_;
};

// "2m ago (14:02:11)" and "2m (14:02:11)"; without the time of day where room is
// short.
Table::Cell AgoCell(absl::Time time, const Clock& clock);
Table::Cell SinceCell(absl::Time time, const Clock& clock);
// "0.2", "340", "1.2k".
std::string FigureText(double figure);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_TABLE_H_
