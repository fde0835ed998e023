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
    std::string text;
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
  std::vector<size_t> Widths(const Look& look) const;

  std::vector<Column> header_;
  std::vector<std::vector<Cell>> rows_;
};

// One unit: "41s", "5m", "3h", "12d".
std::string AgeText(absl::Duration age);
// "<1 ms", "41 ms", "2.4 s".
std::string ElapsedText(absl::Duration elapsed);
// "0.2", "340", "1.2k".
std::string FigureText(double figure);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_TABLE_H_
