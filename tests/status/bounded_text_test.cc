// Text that goes into statuses: bounded, of whole UTF-8, one line.
#include "proto/status/bounded_text.h"

#include <google/protobuf/stubs/common.h>
#include <gtest/gtest.h>

#include <random>
#include <ostream>
#include <string>

#include "google/rpc/status.pb.h"

namespace sluice {
namespace {

std::string Times(int count, const std::string& text) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

// A protobuf string that is no UTF-8 is not read by other languages.
bool IsUtf8(const std::string& text) {
  google::rpc::Status message, again;
  message.set_message(text);
  return again.ParseFromString(message.SerializeAsString());
}

struct TextRow {
  const char* name;
  std::string text;
  std::string wanted;
};

void PrintTo(const TextRow& row, std::ostream* out) { *out << row.name; }

class StatusTextRow : public testing::TestWithParam<TextRow> {};

TEST_P(StatusTextRow, IsWhatACallerReads) {
  const std::string text = StatusText(GetParam().text, 30);
  EXPECT_EQ(text, GetParam().wanted);
  EXPECT_LE(PercentEncodedBytes(text), 30u);
}

// "…" takes 9 encoded, "é" 6, "語" 9, "😀" 12, "%" 3.
INSTANTIATE_TEST_SUITE_P(
    Rows, StatusTextRow,
    testing::Values(TextRow{"Empty", "", ""},                                                     //
                    TextRow{"OfTheBound", Times(30, "a"), Times(30, "a")},                        //
                    TextRow{"OneOver", Times(31, "a"), Times(21, "a") + "…"},                     //
                    TextRow{"TwoBytesOfTheBound", Times(5, "é"), Times(5, "é")},                  //
                    TextRow{"TwoBytesOneOver", Times(5, "é") + "a", Times(3, "é") + "…"},         //
                    TextRow{"ThreeBytesOfTheBound", "abc語語語", "abc語語語"},                    //
                    TextRow{"ThreeBytesOneOver", "abcd語語語", "abcd語…"},                        //
                    TextRow{"FourBytesInTheMiddle", Times(10, "a") + "😀😀", Times(10, "a") + "…"},  //
                    TextRow{"PercentCountsThrice", Times(11, "%"), Times(7, "%") + "…"},          //
                    TextRow{"BlankEnds", "\t two words \r\n", "two words"},                       //
                    TextRow{"BlankBeforeTheCut", Times(20, "a") + " " + Times(20, "b"), Times(20, "a") + "…"},
                    TextRow{"LinesAndTabs", "a\nb\tc", "a b c"},                                  //
                    TextRow{"NotUtf8", "a\xff\xc3(", "a?\?("},                                     //
                    TextRow{"HalfACharacter", "a\xe8\xaa", "a??"},                                //
                    TextRow{"Overlong", "\xc0\xaf", "??"},                                        //
                    TextRow{"Surrogate", "\xed\xa0\x80", "???"},                                  //
                    TextRow{"AboveUnicode", "\xf4\x90\x80\x80", "????"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(BoundedTextTest, KeepsItsBoundInBytes) {
  EXPECT_EQ(BoundedText("語語語", 9), "語語語");
  EXPECT_EQ(BoundedText("語語語a", 9), "語語…");
  EXPECT_EQ(BoundedText("a\x80z", 9), "a?z");
}

TEST(BoundedTextTest, AnyBytesGiveWholeUtf8WithinTheBound) {
  std::mt19937 random(7);
  const std::string pieces[] = {"a", "%", " ", "\n", "é", "語", "😀", "\xff", "\xe8", "\x80", std::string(1, '\0')};
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (size_t count = random() % 60; count > 0; --count) text += pieces[random() % std::size(pieces)];
    const size_t bound = 9 + random() % 60;
    const std::string line = StatusText(text, bound), bounded = BoundedText(text, bound);
    ASSERT_LE(PercentEncodedBytes(line), bound) << round;
    ASSERT_LE(bounded.size(), bound) << round;
    ASSERT_TRUE(IsUtf8(line) && IsUtf8(bounded)) << round;
    ASSERT_EQ(line.find_first_of(std::string("\n\0", 2)), std::string::npos) << round;
    ASSERT_TRUE(line.empty() || (line.front() != ' ' && line.back() != ' ')) << round;
  }
}

}  // namespace
}  // namespace sluice
