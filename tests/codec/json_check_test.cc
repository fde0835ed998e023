// JSON taken apart to the letter.
#include "server/codec/json_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> Members(std::string_view json) {
  std::vector<std::string> out;
  const auto members = MembersOfJsonObject(json);
  if (!members) return {"(none)"};
  for (const JsonMember& member : *members) out.push_back(member.key + "=" + std::string(member.value));
  return out;
}

TEST(JsonCheckTest, TakesAnObjectApart) {
  EXPECT_THAT(Members(R"( { "a" : 1.50 , "b":"x\"y", "c\n" :{ "d": [1, {"e":2}] } ,"f":[ ],"g":null,"h":true,"i":-1e5} )"),
              ElementsAre("a=1.50", R"(b="x\"y")", "c\n={ \"d\": [1, {\"e\":2}] }", "f=[ ]", "g=null", "h=true", "i=-1e5"));
  EXPECT_THAT(Members("{}"), IsEmpty());
}

TEST(JsonCheckTest, WhatIsNoObjectHasNoMembers) {
  for (const char* json : {"", "[]", "[{\"a\":1}]", "1", "\"a\"", "null", "{\"a\":}", "{\"a\":1} x", "{\"a\":\"\xff\"}"}) {
    EXPECT_THAT(Members(json), ElementsAre("(none)")) << json;
  }
}

TEST(JsonCheckTest, KnowsAValueOfAnyType) {
  for (const char* json : {"1", "\"a\"", "null", "[1, {}]", " {} "}) EXPECT_TRUE(IsJson(json)) << json;
  for (const char* json : {"", "a", "{", "1 2", "\"\xff\""}) EXPECT_FALSE(IsJson(json)) << json;
}

}  // namespace
}  // namespace sluice
