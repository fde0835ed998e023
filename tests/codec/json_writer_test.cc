// Our texts are rapidjson's, byte for byte.
#include "server/codec/json_writer.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace sluice {
namespace {

std::string Ours(const std::string& text) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.Text(text);
  return buffer.GetString();
}

std::string Theirs(const std::string& text) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  return buffer.GetString();
}

TEST(JsonWriterTest, EveryByteAtEveryPlaceOfAWord) {
  for (int byte = 0; byte < 256; ++byte) {
    for (size_t at = 0; at < 18; ++at) {
      std::string text(18, 'x');
      text[at] = static_cast<char>(byte);
      ASSERT_EQ(Ours(text), Theirs(text)) << "byte " << byte << " at " << at;
    }
  }
}

TEST(JsonWriterTest, TextsOfAllLengthsWithManyEscapes) {
  std::mt19937 random(20261122);
  const std::string alphabet = "abc \"\\/\n\t\x01\x1f\x20\x21\x7f\xc3\xa4\xf0\x9f\x98\x80";
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (size_t left = random() % 70; left > 0; --left) text += alphabet[random() % alphabet.size()];
    ASSERT_EQ(Ours(text), Theirs(text)) << "round " << round;
  }
}

TEST(JsonWriterTest, KeysAndValuesAreSeparated) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  writer.Text("a");
  writer.Text("");
  writer.Text("b");
  writer.StartArray();
  writer.Text("1");
  writer.Text("2");
  writer.EndArray();
  writer.EndObject();
  EXPECT_STREQ(buffer.GetString(), R"({"a":"","b":["1","2"]})");
}

}  // namespace
}  // namespace sluice
