#include "controlplane/ctl/table.h"

#include <sstream>

#include "gtest/gtest.h"

namespace sluice::ctl {
namespace {

TEST(TableTest, AlignsByCharactersAndColoursOnlyTheText) {
  Table table({"A", "B", "C"});
  table.AddRow({"–", {"x", Color::kRed}, "1"});
  table.AddRow({"long", "y", ""});
  std::ostringstream out;
  table.Print(out, true);
  EXPECT_EQ(out.str(), "A     B  C\n–     \x1b[31mx\x1b[0m  1\nlong  y\n");
}

TEST(AgeTextTest, UsesTheLargestUnitThatFits) {
  EXPECT_EQ(AgeText(absl::Seconds(59)), "59s");
  EXPECT_EQ(AgeText(absl::Seconds(60)), "1m");
  EXPECT_EQ(AgeText(absl::Hours(47)), "47h");
  EXPECT_EQ(AgeText(absl::Hours(48)), "2d");
  // Clocks of two machines differ.
  EXPECT_EQ(AgeText(absl::Seconds(-3)), "0s");
}

TEST(FigureTextTest, KeepsToThreeFigures) {
  EXPECT_EQ(FigureText(0), "0");
  EXPECT_EQ(FigureText(0.2), "0.2");
  EXPECT_EQ(FigureText(340), "340");
  EXPECT_EQ(FigureText(1200), "1.2k");
  EXPECT_EQ(FigureText(2500000), "2.5M");
}

TEST(ElapsedTextTest, SaysMillisecondsBelowASecond) {
  EXPECT_EQ(ElapsedText(absl::Microseconds(400)), "<1 ms");
  EXPECT_EQ(ElapsedText(absl::Milliseconds(41)), "41 ms");
  EXPECT_EQ(ElapsedText(absl::Milliseconds(2400)), "2.4 s");
}

}  // namespace
}  // namespace sluice::ctl
