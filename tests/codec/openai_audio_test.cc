// Sound in answers: its type, its pieces, and what comes of it as extras.
#include "server/codec/openai_audio.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "server/codec/wire_format.h"
#include "sluice/v1/gateway.pb.h"
#include "tests/codec/event_text.h"

namespace sluice {
namespace {

std::string Chunk(const std::string& delta, const std::string& finish = "null") {
  return "data: {\"choices\":[{\"index\":0,\"delta\":" + delta + ",\"finish_reason\":" + finish + "}]}\n\n";
}

std::string Decoded(const std::string& bytes, AnswerOptions options) {
  const auto decoder = OpenAiFormat().NewDecoder(options);
  EventText events;
  auto state = decoder->Feed(bytes, events);
  if (state == ResponseDecoder::State::kMore) state = decoder->End(events);
  events.OnEnd(state, decoder->error());
  return events.text();
}

TEST(OpenAiAudioTest, TheTypeIsThatOfTheFormatThatWasAskedFor) {
  const std::pair<const char*, const char*> rows[] = {
      {"wav", "audio/wav"}, {"mp3", "audio/mpeg"}, {"flac", "audio/flac"}, {"opus", "audio/ogg"},
      {"pcm16", "audio/pcm"}, {"AAC", "audio/aac"}, {"", ""},
  };
  for (const auto& [format, type] : rows) EXPECT_EQ(AudioMimeType(format), type) << format;
}

TEST(OpenAiAudioTest, TheTypeComesOnceWithTheFirstDelta) {
  AnswerOptions options;
  options.audio_format = "pcm16";
  EXPECT_EQ(Decoded(Chunk(R"({"audio":{"transcript":"Hi"}})") + Chunk(R"({"audio":{"data":"QUJD"}})") + Chunk("{}", "\"stop\""),
                    options),
            "0.0 media audio/pcm  \"Hi\"\n0.0 media - 414243 \"\"\n0.0 part-end\n0 choice-end stop \"stop\"\nDONE\n");
}

TEST(OpenAiAudioTest, ComesAsExtrasTooWhereTheyAreAskedFor) {
  AnswerOptions options;
  options.include_extras = true;
  EXPECT_EQ(Decoded(Chunk(R"({"audio":{"data":"UklGRg=="}})") + Chunk("{}", "\"stop\""), options),
            "0.0 media audio/wav 52494646 \"\"\n0 extras audio \"{\\\"data\\\":\\\"UklGRg==\\\"}\"\n0.0 part-end\n"
            "0 choice-end stop \"stop\"\nDONE\n");
}

TEST(OpenAiAudioTest, TheFormatIsReadFromTheFieldOrFromExtras) {
  const std::pair<const char*, const char*> rows[] = {
      {"audio { voice: 'v' format: 'wav' }", "wav"},
      {R"(extras_json { key: "openai" value: "{\"modalities\":[\"text\",\"audio\"],\"audio\":{\"voice\":\"v\",\"format\":\"mp3\"}}" })",
       "mp3"},
      {R"(extras_json { key: "openai" value: "{\"audio\":{\"format\":7}}" })", ""},
      {R"(extras_json { key: "openai" value: "{\"audio\":[]}" })", ""},
      {R"(extras_json { key: "openai" value: "{\"audio\"" })", ""},
      {R"(extras_json { key: "other" value: "{\"audio\":{\"format\":\"mp3\"}}" })", ""},
      {"", ""},
  };
  for (const auto& [text, format] : rows) {
    v1::ChatRequest request;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
    EXPECT_EQ(OpenAiFormat().AudioFormat(request), format) << text;
  }
}

}  // namespace
}  // namespace sluice
