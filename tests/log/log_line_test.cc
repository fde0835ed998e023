#include "proto/log/log_line.h"

#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <functional>
#include <string>

namespace sluice {
namespace {

// 2026-03-29 00:59:59.007 UTC.
const absl::Time kTime = absl::FromUnixMillis(1774745999007);

std::string Built(LogFormat format, const std::function<void(LogLine&)>& fill) {
  LogClock clock;
  std::string out = "what was there before";
  LogLine line(format, out);
  line.Begin(clock, kTime, "info", "call");
  fill(line);
  line.End();
  return out;
}

std::string TextOf(std::string_view value) {
  const std::string line = Built(LogFormat::kText, [&](LogLine& l) { l.Text("k", value); });
  return line.substr(line.find("call") + 4);
}

// What a JSON reader makes of it.
std::string JsonOf(std::string_view value) {
  const std::string line = Built(LogFormat::kJson, [&](LogLine& l) { l.Text("k", value); });
  EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
  rapidjson::Document document;
  document.Parse<rapidjson::kParseValidateEncodingFlag>(line.data(), line.size());
  EXPECT_FALSE(document.HasParseError()) << line;
  if (document.HasParseError() || !document.HasMember("k")) return "(none)";
  return document["k"].GetString();
}

void FillAll(LogLine& line) {
  line.Text("route", "chat");
  line.Text("empty", "");
  line.Number("attempts", 3);
  line.Flag("streaming", true);
  line.Millis("total_ms", absl::Microseconds(1050250));
}

TEST(LogLineTest, TextIsGolden) {
  EXPECT_EQ(Built(LogFormat::kText, FillAll),
            "2026-03-29T00:59:59.007Z info call route=chat attempts=3 streaming=true total_ms=1050.250\n");
}

TEST(LogLineTest, JsonIsGolden) {
  EXPECT_EQ(Built(LogFormat::kJson, FillAll),
            R"({"time":"2026-03-29T00:59:59.007Z","level":"info","message":"call","route":"chat","attempts":3,)"
            R"("streaming":true,"total_ms":1050.250})"
            "\n");
}

TEST(LogLineTest, TimeIsUtcAndGoesOn) {
  LogClock clock;
  std::string out;
  clock.Append(kTime, out);
  clock.Append(kTime + absl::Milliseconds(992), out);
  clock.Append(kTime + absl::Milliseconds(993), out);
  EXPECT_EQ(out, "2026-03-29T00:59:59.007Z" "2026-03-29T00:59:59.999Z" "2026-03-29T01:00:00.000Z");
}

struct MessageCase {
  const char* name;
  std::string message;
  std::string text;
  std::string json;
};

class LogMessageTest : public testing::TestWithParam<MessageCase> {};

TEST_P(LogMessageTest, IsOneLineInBothForms) {
  for (LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    LogClock clock;
    std::string out;
    LogLine line(format, out);
    line.Begin(clock, kTime, "info", GetParam().message);
    line.End();
    EXPECT_EQ(out, format == LogFormat::kText
                       ? "2026-03-29T00:59:59.007Z info " + GetParam().text + "\n"
                       : R"({"time":"2026-03-29T00:59:59.007Z","level":"info","message":")" + GetParam().json + "\"}\n");
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, LogMessageTest,
    testing::Values(MessageCase{"Plain", "revision 7 is in force", "revision 7 is in force", "revision 7 is in force"},
                    MessageCase{"Quotes", "\"a\\b\"", "\"a\\b\"", "\\\"a\\\\b\\\""},
                    MessageCase{"ForgedLine", "a\n2026-03-29T00:59:59.007Z error b",
                                "a\\n2026-03-29T00:59:59.007Z error b", "a\\n2026-03-29T00:59:59.007Z error b"},
                    MessageCase{"Terminal", "\x1b[31m\r\x7f", "\\u001b[31m\\u000d\\u007f", "\\u001b[31m\\u000d\\u007f"},
                    MessageCase{"NoUtf8", "K\xf6ln", "K\ufffdln", "K\ufffdln"},
                    MessageCase{"Umlaut", "Köln", "Köln", "Köln"},
                    MessageCase{"TooLong", std::string(100000, 'x'), std::string(kMaxLogMessage, 'x') + "…",
                                std::string(kMaxLogMessage, 'x') + "…"}),
    [](const auto& info) { return info.param.name; });

struct ValueCase {
  const char* name;
  std::string value;
  std::string text;  // after the message
};

class LogValueTest : public testing::TestWithParam<ValueCase> {};

TEST_P(LogValueTest, StaysOneField) { EXPECT_EQ(TextOf(GetParam().value), GetParam().text); }

INSTANTIATE_TEST_SUITE_P(
    All, LogValueTest,
    testing::Values(ValueCase{"Plain", "api.openai.com:443", " k=api.openai.com:443\n"},
                    ValueCase{"Space", "a b", " k=\"a b\"\n"},
                    ValueCase{"Forged", "x level=error", " k=\"x level=error\"\n"},
                    ValueCase{"Equals", "a=b", " k=\"a=b\"\n"},
                    ValueCase{"Quote", "a\"b", " k=\"a\\\"b\"\n"},
                    ValueCase{"Backslash", "a\\b", " k=\"a\\\\b\"\n"},
                    ValueCase{"NewLine", "a\nb\r\tc", " k=\"a\\nb\\u000d\\tc\"\n"},
                    ValueCase{"Nul", std::string("a\0b", 3), " k=\"a\\u0000b\"\n"},
                    ValueCase{"Escape", "\x1b[31mred", " k=\"\\u001b[31mred\"\n"},
                    ValueCase{"Delete", "a\x7f", " k=\"a\\u007f\"\n"},
                    ValueCase{"C1Control", "a\xc2\x9b" "b", " k=\"a\\u009bb\"\n"},
                    ValueCase{"LineSeparator", "a\u2028b", " k=\"a\\u2028b\"\n"},
                    ValueCase{"TurnedAround", "a\u202eb", " k=\"a\\u202eb\"\n"},
                    ValueCase{"Umlaut", "Köln", " k=\"Köln\"\n"},
                    ValueCase{"Emoji", "😀", " k=\"😀\"\n"},
                    ValueCase{"StrayByte", "a\xff" "b\xc3", " k=\"a\ufffdb\ufffd\"\n"},
                    ValueCase{"Overlong", "\xc0\xaf", " k=\"\ufffd\ufffd\"\n"},
                    ValueCase{"Surrogate", "\xed\xa0\x80", " k=\"\ufffd\ufffd\ufffd\"\n"},
                    ValueCase{"TooHigh", "\xf4\x90\x80\x80", " k=\"\ufffd\ufffd\ufffd\ufffd\"\n"}),
    [](const auto& info) { return info.param.name; });

TEST(LogLineTest, EveryByteAndPairOfBytesGivesOneLineOfValidJson) {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const std::string value = {static_cast<char>(a), static_cast<char>(b)};
      const std::string read = JsonOf(value);
      if (a < 0x80 && b < 0x80) {
        ASSERT_EQ(std::string_view(read), std::string_view(value.c_str())) << a << " " << b;
      }
      ASSERT_EQ(TextOf(value).find('\n'), TextOf(value).size() - 1);
    }
  }
}

TEST(LogLineTest, LongValuesAreCutBetweenCharacters) {
  EXPECT_EQ(JsonOf(std::string(kMaxLogValue, 'x')), std::string(kMaxLogValue, 'x'));
  EXPECT_EQ(JsonOf(std::string(100000, 'x')), std::string(kMaxLogValue, 'x') + "…");
  EXPECT_EQ(JsonOf(std::string(kMaxLogValue - 1, 'x') + "äb"), std::string(kMaxLogValue - 1, 'x') + "…");
}

TEST(LogLineTest, MillisHaveMicrosecondsAndAreNeverNegative) {
  const auto millis = [](absl::Duration value) {
    const std::string line = Built(LogFormat::kText, [&](LogLine& l) { l.Millis("ms", value); });
    return line.substr(line.find("ms=") + 3);
  };
  EXPECT_EQ(millis(absl::ZeroDuration()), "0.000\n");
  EXPECT_EQ(millis(absl::Nanoseconds(1999)), "0.001\n");
  EXPECT_EQ(millis(absl::Milliseconds(12) + absl::Microseconds(30)), "12.030\n");
  EXPECT_EQ(millis(absl::Hours(10)), "36000000.000\n");
  EXPECT_EQ(millis(-absl::Seconds(1)), "0.000\n");
}

}  // namespace
}  // namespace sluice
