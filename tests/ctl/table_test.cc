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
  table.Print(out, {.color = true});
  EXPECT_EQ(out.str(), "A     B  C\n–     \x1b[31mx\x1b[0m  1\nlong  y\n");
}

std::string Printed(const Table& table, const Table::Look& look) {
  std::ostringstream out;
  table.Print(out, look);
  return out.str();
}

TEST(TableTest, AlignsByWhatATerminalShows) {
  Table table({"NAME", "N"});
  table.AddRow({"日本", "1"});
  table.AddRow({"e\u0301🚀", "2"});
  table.AddRow({"edge-1", "3"});
  EXPECT_EQ(Printed(table, {}), "NAME    N\n日本    1\ne\u0301🚀     2\nedge-1  3\n");
}

TEST(TableTest, TextOfOthersStaysInItsCell) {
  Table table({"NAME", "N"});
  table.AddRow({"a\n7\x1b[2J\u202e", "1"});
  EXPECT_EQ(Printed(table, {}), "NAME                N\na\\n7\\x1b[2J\\u202e  1\n");
}

TEST(TableTest, WideColumnsAreShownWhenTheyAreAskedFor) {
  Table table({"NAME", {"PEER", true}, "N"});
  table.AddRow({"a", "10.0.0.1", "1"});
  EXPECT_EQ(Printed(table, {}), "NAME  N\na     1\n");
  EXPECT_EQ(Printed(table, {.wide = true}), "NAME  PEER      N\na     10.0.0.1  1\n");
}

TEST(TableTest, ALineEndsWhereTheTerminalDoes) {
  Table table({"NAME", "ERROR"});
  table.AddRow({"a", "env KEY is not set"});
  table.AddRow({"b", "日本語日本語"});
  EXPECT_EQ(Printed(table, {.width = 14}), "NAME  ERROR\na     env KEY…\nb     日本語…\n");
  EXPECT_EQ(Printed(table, {.width = 24}), "NAME  ERROR\na     env KEY is not set\nb     日本語日本語\n");
  EXPECT_EQ(Printed(table, {.width = 5}), "NAME…\na  …\nb  …\n");
}

TEST(TableTest, TimesOfDayGiveWayToTheRest) {
  const Clock clock{absl::UnixEpoch() + absl::Hours(30), absl::UTCTimeZone()};
  Table table({"NAME", "WHEN", "WHY"});
  table.AddRow({"a", AgoCell(clock.now - absl::Minutes(2), clock), "because"});
  table.AddRow({"b", AgoCell(absl::UnixEpoch(), clock), "so"});
  EXPECT_EQ(Printed(table, {}),
            "NAME  WHEN                        WHY\n"
            "a     2m ago (05:58:00)           because\n"
            "b     30h ago (1970-01-01 00:00)  so\n");
  EXPECT_EQ(Printed(table, {.width = 30}), "NAME  WHEN     WHY\na     2m ago   because\nb     30h ago  so\n");
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
