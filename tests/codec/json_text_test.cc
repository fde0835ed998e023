// Where a string ends, wherever in a word its quote and its escapes stand.
#include "server/codec/json_text.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice {
namespace {

TEST(ScanJsonStringTest, FindsTheQuoteAtEveryPlace) {
  for (size_t length = 0; length < 80; ++length) {
    const std::string text(length, 'x');
    const std::string document = text + "\" : \"other \\\" text\"";
    ASSERT_EQ(ScanJsonString(document), text) << length;
    ASSERT_EQ(ScanJsonString(text), std::nullopt) << length;
  }
}

TEST(ScanJsonStringTest, PassesOverAnEscapedQuoteAtEveryPlace) {
  for (size_t length = 0; length < 80; ++length) {
    for (size_t at = 0; at <= length; ++at) {
      std::string text(length, 'x');
      text.insert(at, "\\\"");
      ASSERT_EQ(ScanJsonString(text + "\",\"rest\\\\\""), text) << length << " at " << at;
    }
  }
}

TEST(ScanJsonStringTest, RefusesAnUnknownEscapeAtEveryPlace) {
  for (size_t at = 0; at < 40; ++at) {
    std::string text(40, 'x');
    text.insert(at, "\\q");
    ASSERT_EQ(ScanJsonString(text + "\""), std::nullopt) << at;
  }
}

}  // namespace
}  // namespace sluice
