// Aligned columns for people. Values only; no thread.
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
  struct Cell {
    Cell(std::string text, Color color = Color::kNone) : text(std::move(text)), color(color) {}
    Cell(const char* text) : text(text) {}
    std::string text;
    Color color = Color::kNone;
  };

  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}

  // As many cells as the header has.
  void AddRow(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }
  // Two blanks between columns, none at the end of a line.
  void Print(std::ostream& out, bool color) const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<Cell>> rows_;
};

// How wide UTF-8 text stands, in columns (characters; none of ours is wide).
size_t DisplayWidth(const std::string& text);

// One unit: "41s", "5m", "3h", "12d".
std::string AgeText(absl::Duration age);
// "<1 ms", "41 ms", "2.4 s".
std::string ElapsedText(absl::Duration elapsed);
// "0.2", "340", "1.2k".
std::string FigureText(double figure);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_TABLE_H_
