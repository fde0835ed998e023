// Transcripts in the shape of real providers, and what they mean. Each
// NAME.sse has a NAME.events beside it; to write those anew after a change
// that is meant, run with SLUICE_WRITE_GOLDENS=1 and read the difference.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "tests/codec/event_text.h"

namespace sluice {
namespace {

const std::string kFolder = std::string(SLUICE_TESTDATA) + "/openai/";

std::vector<std::string> TranscriptNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".sse") names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class OpenAiTranscriptTest : public testing::TestWithParam<std::string> {
 protected:
  const std::string bytes_ = ReadTestFile(kFolder + GetParam() + ".sse");
  const std::string path_ = kFolder + GetParam() + ".events";
};

TEST_P(OpenAiTranscriptTest, GivesTheExpectedEvents) {
  const std::string events = DecodeToText({bytes_});
  if (std::getenv("SLUICE_WRITE_GOLDENS") != nullptr) std::ofstream(path_, std::ios::binary) << events;
  ASSERT_TRUE(std::filesystem::exists(path_)) << path_;
  EXPECT_EQ(events, ReadTestFile(path_));
}

TEST_P(OpenAiTranscriptTest, GivesTheSameEventsSplitAtEveryByte) {
  const std::string expected = ReadTestFile(path_);
  const std::string_view bytes = bytes_;
  for (size_t i = 0; i <= bytes.size(); ++i) {
    ASSERT_EQ(DecodeToText({bytes.substr(0, i), bytes.substr(i)}), expected) << "split at byte " << i;
  }
}

TEST_P(OpenAiTranscriptTest, GivesTheSameEventsByteByByte) {
  const std::string_view bytes = bytes_;
  std::vector<std::string_view> pieces;
  for (size_t i = 0; i < bytes.size(); ++i) pieces.push_back(bytes.substr(i, 1));
  EXPECT_EQ(DecodeToText(pieces), ReadTestFile(path_));
}

// Whatever the bytes: it ends, splits make no difference, all text is whole.
TEST_P(OpenAiTranscriptTest, StaysConsistentUnderRandomMutation) {
  std::seed_seq seed(GetParam().begin(), GetParam().end());
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    std::string bytes = bytes_;
    for (unsigned i = 0; i <= random() % 4 && !bytes.empty(); ++i) {
      const size_t at = random() % bytes.size();
      if (random() % 3 == 0) bytes.erase(at, random() % 8 + 1);
      if (!bytes.empty()) bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    const std::string_view all = bytes;
    const size_t split = bytes.empty() ? 0 : random() % bytes.size();
    const std::string whole = DecodeToText({all});
    ASSERT_EQ(whole, DecodeToText({all.substr(0, split), all.substr(split)})) << "round " << round;
    ASSERT_EQ(whole.find("NOT WHOLE UTF-8"), std::string::npos) << "round " << round;
  }
}

INSTANTIATE_TEST_SUITE_P(Transcripts, OpenAiTranscriptTest, testing::ValuesIn(TranscriptNames()),
                         [](const auto& info) { return info.param; });

TEST(OpenAiDecoderTest, RefusesAnEventOverTheBoundHoweverItIsSplit) {
  const std::string event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + std::string(300, 'x') + "\"}}]}\n\n";
  const std::string_view bytes = event;
  const std::string expected = "FAILED protocol: an event is larger than 200 bytes\n";
  EXPECT_EQ(DecodeToText({bytes}, 200), expected);
  EXPECT_EQ(DecodeToText({bytes.substr(0, 100), bytes.substr(100)}, 200), expected);
  EXPECT_NE(DecodeToText({bytes}, 400), expected);
}

TEST(OpenAiDecoderTest, CommentsWithoutEndDoNotCountAsOneEvent) {
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes += ": keep-alive\n";
  bytes += "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\n";
  EXPECT_EQ(DecodeToText({bytes}, 200), "0.0 content \"x\"\n0.0 part-end\n0 choice-end stop \"stop\"\nDONE\n");
}

TEST(OpenAiDecoderTest, IgnoresWhatFollowsDone) {
  const auto decoder = OpenAiFormat().NewDecoder(AnswerOptions());
  EventText events;
  const auto state = decoder->Feed(
      "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\ndata: {broken", events);
  EXPECT_EQ(state, ResponseDecoder::State::kDone);
  EXPECT_EQ(decoder->Feed("data: more\n\n", events), ResponseDecoder::State::kDone);
  EXPECT_EQ(decoder->End(events), ResponseDecoder::State::kDone);
}

}  // namespace
}  // namespace sluice
