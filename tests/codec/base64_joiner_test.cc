#include "server/codec/base64_joiner.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "absl/strings/escaping.h"

namespace sluice {
namespace {

std::string Joined(const std::vector<std::string>& pieces) {
  Base64Joiner joiner;
  std::string out;
  for (const std::string& piece : pieces) {
    if (!joiner.Add(piece, out)) out += "<refused>";
  }
  return out;
}

TEST(Base64JoinerTest, TakesTheFormsThatServersSend) {
  const std::pair<std::vector<std::string>, std::string> rows[] = {
      {{"QUJD"}, "ABC"},
      {{"QUI="}, "AB"},
      {{"QQ=="}, "A"},
      {{"QUI"}, "AB"},                   // no padding
      {{"QQ=", "=", "QkM="}, "ABC"},     // padded pieces, the padding cut
      {{"Q", "U", "", "J", "D"}, "ABC"},
      {{"_-8"}, "\xFF\xEF"},             // the alphabet of URLs
      {{"QU\r\nJD "}, "ABC"},
      {{"QUJD", "QU!D", "RA=="}, "ABC<refused>D"},
      {{"=", "QUJD"}, "ABC"},
      {{}, ""},
  };
  for (const auto& [pieces, bytes] : rows) EXPECT_EQ(Joined(pieces), bytes) << testing::PrintToString(pieces);
}

TEST(Base64JoinerTest, GivesTheSameBytesHoweverTheTextIsCut) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::string bytes(random() % 50, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    const std::string text = absl::Base64Escape(bytes);
    std::vector<std::string> pieces;
    for (size_t at = 0; at < text.size();) {
      const size_t size = 1 + random() % 7;
      pieces.push_back(text.substr(at, size));
      at += size;
    }
    ASSERT_EQ(Joined(pieces), bytes) << text;
  }
}

}  // namespace
}  // namespace sluice
