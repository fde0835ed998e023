#include "server/codec/utf8_joiner.h"

#include <gtest/gtest.h>

#include <vector>

#include "server/codec/error_text.h"
#include "server/codec/json_text.h"

namespace sluice {
namespace {

std::string JoinAll(const std::vector<std::string>& pieces) {
  Utf8Joiner joiner;
  std::string out;
  for (const std::string& piece : pieces) out.append(joiner.Join(piece)).push_back('|');
  return out.append(joiner.Flush());
}

TEST(Utf8JoinerTest, HoldsTheBeginningOfACharacterBack) {
  EXPECT_EQ(JoinAll({"a\xE2\x82", "\xAC" "b"}), "a|€b|");
  EXPECT_EQ(JoinAll({"\xF0", "\x9F", "\x98", "\x80"}), "|||😀|");
}

TEST(Utf8JoinerTest, InvalidBytesBecomeReplacements) {
  EXPECT_EQ(JoinAll({"a\xFF" "b"}), "a\uFFFD" "b|");
  EXPECT_EQ(JoinAll({"\xE2\x82", "x"}), "|\uFFFDx|");
  EXPECT_EQ(JoinAll({"\xC0\x80"}), "\uFFFD\uFFFD|");
  EXPECT_EQ(JoinAll({"\xF4\x90\x80\x80"}), "\uFFFD\uFFFD\uFFFD\uFFFD|");
}

TEST(Utf8JoinerTest, WhatNeverBecameACharacterIsReplacedAtTheEnd) {
  EXPECT_EQ(JoinAll({"a\xE2\x82"}), "a|\uFFFD");
}

TEST(Utf8JoinerTest, PairsSurrogates) {
  EXPECT_EQ(JoinAll({"\xED\xA0\xBD", "\xED\xB8\x80"}), "|😀|");
  EXPECT_EQ(JoinAll({"\xED\xA0\xBD", "x"}), "|\uFFFDx|");
  EXPECT_EQ(JoinAll({"\xED\xB8\x80"}), "\uFFFD|");
  EXPECT_EQ(JoinAll({"\xED\xA0\xBD"}), "|\uFFFD");
}

TEST(Utf8JoinerTest, ValidTextIsPassedOnAsItIs) {
  Utf8Joiner joiner;
  const std::string text = "grün";
  EXPECT_EQ(joiner.Join(text).data(), text.data());
}

TEST(CutUtf8Test, CutsBetweenCharacters) {
  EXPECT_EQ(CutUtf8("a€b", 3), "a");
  EXPECT_EQ(CutUtf8("a€b", 4), "a€");
}

TEST(JsonTextTest, ScansToTheClosingQuote) {
  EXPECT_EQ(ScanJsonString(R"(a\"b\\" , "x")"), R"(a\"b\\)");
  EXPECT_EQ(ScanJsonString(R"(a\x")"), std::nullopt);
  EXPECT_EQ(ScanJsonString(R"(a\u12")"), std::nullopt);
  EXPECT_EQ(ScanJsonString("a"), std::nullopt);
}

TEST(JsonTextTest, ResolvesEscapes) {
  std::string scratch;
  EXPECT_EQ(UnescapeJson(R"(\"\\\/\b\f\n\r\t\u00e4\u20AC\ud83d\ude00)", scratch), "\"\\/\b\f\n\r\tä€😀");
}

TEST(ErrorTextTest, IsOneBoundedLine) {
  EXPECT_EQ(ErrorText(" a\r\n\tb\x1b[31m\x7f c\xC2\x9B" "d "), "a b [31m c d");
  const std::string cut = ErrorText(std::string(300, 'a') + std::string(300, 'b') + "€€");
  EXPECT_EQ(cut.size(), kMaxErrorText);
  EXPECT_TRUE(cut.ends_with("b…"));
}

TEST(ErrorTextTest, RedactsWhatLooksLikeACredential) {
  EXPECT_EQ(ErrorText("Incorrect API key provided: sk-proj-abc***def. See"), "Incorrect API key provided: [redacted] See");
  EXPECT_EQ(ErrorText("Incorrect API key provided: My-Key-1"), "Incorrect API key provided: [redacted]");
  EXPECT_EQ(ErrorText("header Authorization: Bearer abc.DEF-123 refused"),
            "header Authorization: Bearer [redacted] refused");
  EXPECT_EQ(ErrorText("GET /?api_key=ABCDEF1234 failed"), "GET /?api_key=[redacted] failed");
  EXPECT_EQ(ErrorText("key sk-1234567890abcdef"), "key [redacted]");
  EXPECT_EQ(ErrorText("a bearer token is required"), "a bearer token is required");
}

}  // namespace
}  // namespace sluice
