#include "proto/terminal/safe_text.h"

#include <string>

#include "gtest/gtest.h"

namespace sluice {
namespace {

struct SafeRow {
  const char* name;
  std::string text;
  std::string safe;
};

class SafeTextTest : public ::testing::TestWithParam<SafeRow> {};

TEST_P(SafeTextTest, IsShownSo) {
  EXPECT_EQ(SafeText(GetParam().text), GetParam().safe);
  EXPECT_EQ(SafeText(GetParam().safe), GetParam().safe) << "safe text must stay as it is";
}

INSTANTIATE_TEST_SUITE_P(
    Rows, SafeTextTest,
    ::testing::Values(
        SafeRow{"PlainText", "route/chat \\ \"x\"", "route/chat \\ \"x\""},
        SafeRow{"LinesAndTabs", "a\n\tb", "a\n\tb"},
        SafeRow{"Escape", "\x1b[2J", "\\x1b[2J"},
        SafeRow{"CarriageReturn", "ok\rno", "ok\\rno"},
        SafeRow{"Nul", std::string("a\0b", 3), "a\\x00b"},
        SafeRow{"Delete", "a\x7f", "a\\x7f"},
        SafeRow{"Bell", "\a", "\\x07"},
        SafeRow{"C1AsUtf8", "\xc2\x9b" "31m", "\\u009b31m"},
        SafeRow{"C1AsByte", "\x9b" "31m", "\\x9b31m"},
        SafeRow{"NotUtf8", "a\xff\xc3", "a\\xff\\xc3"},
        SafeRow{"Overlong", "\xc0\x9b", "\\xc0\\x9b"},
        SafeRow{"Surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80"},
        SafeRow{"BidiOverride", "a\u202Eb", "a\\u202eb"},
        SafeRow{"BidiIsolate", "\u2066a\u2069", "\\u2066a\\u2069"},
        SafeRow{"DirectionMarks", "\u200E\u200F\u061C", "\\u200e\\u200f\\u061c"},
        SafeRow{"ZeroWidthSpace", "ad\u200Bmin", "ad\\u200bmin"},
        SafeRow{"JoinerBetweenLatinLetters", "ad\u200Dmin", "ad\\u200dmin"},
        SafeRow{"ByteOrderMark", "\uFEFFa", "\\ufeffa"},
        SafeRow{"SoftHyphen", "a\u00ADb", "a\\u00adb"},
        SafeRow{"LineSeparator", "a\u2028b", "a\\u2028b"},
        SafeRow{"TagCharacter", "a\U000E0041", "a\\U000e0041"},
        SafeRow{"VariationOfALetter", "a\uFE0Fb", "a\\ufe0fb"},
        SafeRow{"HangulFiller", "a\u3164", "a\\u3164"},
        SafeRow{"Accents", "Zo\u00eb e\u0301", "Zo\u00eb e\u0301"},
        SafeRow{"Cjk", "\u65e5\u672c", "\u65e5\u672c"},
        SafeRow{"ArabicWithItsNumberSign", "\u0600\u0661", "\u0600\u0661"},
        SafeRow{"PersianNonJoiner", "\u0645\u06cc\u200c\u062e\u0648", "\u0645\u06cc\u200c\u062e\u0648"},
        SafeRow{"Family", "\U0001F468\u200d\U0001F469\u200d\U0001F467", "\U0001F468\u200d\U0001F469\u200d\U0001F467"},
        SafeRow{"HeartOnFire", "\u2764\ufe0f\u200d\U0001F525", "\u2764\ufe0f\u200d\U0001F525"},
        SafeRow{"Keycap", "1\ufe0f\u20e3", "1\ufe0f\u20e3"},
        SafeRow{"FlagOfWales", "\U0001F3F4\U000E0067\U000E0062\U000E0077\U000E006C\U000E0073\U000E007F",
                "\U0001F3F4\U000E0067\U000E0062\U000E0077\U000E006C\U000E0073\U000E007F"},
        SafeRow{"JoinerAtTheEnd", "\U0001F468\u200d", "\U0001F468\\u200d"},
        SafeRow{"TwoJoiners", "\U0001F468\u200d\u200d\U0001F469", "\U0001F468\\u200d\\u200d\U0001F469"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(SafeTextFormsTest, EveryFormHasItsOwnEscapes) {
  const std::string text = "\x1b\u202e\U000E0001\xff";
  EXPECT_EQ(SafeText(text), "\\x1b\\u202e\\U000e0001\\xff");
  EXPECT_EQ(SafeText(text, EscapeForm::kJson), "\\u001b\\u202e\\udb40\\udc01\\ufffd");
  EXPECT_EQ(SafeText(text, EscapeForm::kYaml), "\\u001b\\u202e\\U000e0001\\ufffd");
}

TEST(SafeLineTest, StaysOnItsLine) { EXPECT_EQ(SafeLine("a\nrevision 9\tb\r"), "a\\nrevision 9\\tb\\r"); }

struct WidthRow {
  const char* name;
  std::string text;
  size_t width;
};

class DisplayWidthTest : public ::testing::TestWithParam<WidthRow> {};

TEST_P(DisplayWidthTest, TakesSoManyColumns) { EXPECT_EQ(DisplayWidth(GetParam().text), GetParam().width); }

INSTANTIATE_TEST_SUITE_P(Rows, DisplayWidthTest,
                         ::testing::Values(WidthRow{"Ascii", "edge-1", 6}, WidthRow{"Dash", "–", 1},
                                           WidthRow{"Arrow", "a → b", 5}, WidthRow{"Cjk", "日本", 4},
                                           WidthRow{"HalfWidthKatakana", "ｱｲ", 2}, WidthRow{"Hangul", "한국", 4},
                                           WidthRow{"Accented", "Zoë", 3}, WidthRow{"Combining", "e\u0301a", 2},
                                           WidthRow{"Emoji", "🚀", 2}, WidthRow{"EmojiBySelector", "❤\ufe0f", 2},
                                           WidthRow{"Family", "👨\u200d👩\u200d👧", 2}, WidthRow{"SkinTone", "👍🏽", 2},
                                           WidthRow{"Flag", "🇩🇪", 2}, WidthRow{"Keycap", "1\ufe0f\u20e3", 2},
                                           WidthRow{"Nothing", "", 0}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(CutToWidthTest, EndsWithAMarkAndCutsNoCharacter) {
  EXPECT_EQ(CutToWidth("edge-1", 6), "edge-1");
  EXPECT_EQ(CutToWidth("edge-10", 6), "edge-…");
  // Half of a wide character is none.
  EXPECT_EQ(CutToWidth("日本語", 4), "日…");
  EXPECT_EQ(CutToWidth("e\u0301e\u0301e\u0301", 2), "e\u0301…");
  EXPECT_EQ(CutToWidth("👨\u200d👩\u200d👧ab", 3), "👨\u200d👩\u200d👧…");
  EXPECT_EQ(CutToWidth("ab", 1), "…");
  EXPECT_EQ(CutToWidth("ab", 0), "");
}

}  // namespace
}  // namespace sluice
