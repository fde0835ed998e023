#include "server/resilience/duration_text.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice {
namespace {

struct Row {
  const char* text;
  Duration duration;
  bool has_unit;
  const char* rest;
};

TEST(DurationTextTest, TakesWhatStandsInFront) {
  for (const Row& row : {
           Row{"7", absl::Seconds(7), false, ""},
           Row{"7.5", absl::Seconds(7.5), false, ""},
           Row{"8. Then", absl::Seconds(8), false, ". Then"},
           Row{"9s", absl::Seconds(9), true, ""},
           Row{"120ms", absl::Milliseconds(120), true, ""},
           Row{"6m0s", absl::Minutes(6), true, ""},
           Row{"1h2m3s,", absl::Seconds(3723), true, ","},
           Row{"1 Minute and 30 Seconds!", absl::Seconds(90), true, "!"},
           Row{"2 min 5 sec more", absl::Seconds(125), true, " more"},
           Row{"3 d", absl::Hours(72), true, ""},
           Row{"5s and 3 apples", absl::Seconds(5), true, " and 3 apples"},
       }) {
    std::string_view text = row.text;
    const std::optional<DurationText> told = TakeDuration(text);
    ASSERT_TRUE(told.has_value()) << row.text;
    EXPECT_EQ(told->duration, row.duration) << row.text;
    EXPECT_EQ(told->has_unit, row.has_unit) << row.text;
    EXPECT_EQ(text, row.rest) << row.text;
  }
}

TEST(DurationTextTest, LeavesWhatIsNone) {
  for (const char* none : {"", "s", "x5", "3 attempts", "5 apples", "-5s", ".5s"}) {
    std::string_view text = none;
    EXPECT_FALSE(TakeDuration(text).has_value()) << none;
    EXPECT_EQ(text, none);
  }
}

}  // namespace
}  // namespace sluice
