// A provider's own fields come where they are asked for, whatever has a place of its
// own beside them.
#include <gtest/gtest.h>

#include "server/codec/openai_citations.h"
#include "server/codec/wire_format.h"
#include "tests/codec/event_text.h"

namespace sluice {
namespace {

class Extras : public StreamEventHandler {
 public:
  void OnEvent(const StreamEvent& event) override {
    if (event.kind != StreamEvent::Kind::kExtras) return;
    text += event.part == StreamEvent::kWholeAnswer ? "" : std::to_string(event.choice) + ".";
    text.append(event.id).append("=").append(event.text).append(" ");
  }

  std::string text;
};

std::string ExtrasOf(const std::string& document) {
  AnswerOptions options;
  options.include_extras = true;
  const auto decoder = OpenAiFormat().NewDecoder(options);
  Extras extras;
  auto state = decoder->Feed(document, extras);
  if (state == ResponseDecoder::State::kMore) state = decoder->End(extras);
  EXPECT_EQ(state, ResponseDecoder::State::kDone) << document << decoder->error().message;
  return extras.text;
}

std::string Answer(const std::string& message, const std::string& top = "") {
  return R"({"model":"m")" + top + R"(,"choices":[{"index":0,"message":)" + message + R"(,"finish_reason":"stop"}]})";
}

TEST(OpenAiExtrasTest, EveryFieldThatIsTheProvidersOwnComes) {
  const std::tuple<const char*, std::string, const char*> rows[] = {
      {"AtTheTop", Answer(R"({"content":"a"})", R"(,"service_tier":"flex","x":{"y":1})"), R"(service_tier="flex" x={"y":1} )"},
      {"OfTheMessage", Answer(R"({"content":"a","x":1})"), "0.x=1 "},
      {"OfAnEmptyAnswer", Answer(R"({"content":""})", R"(,"x":1)"), "x=1 "},
      {"Citations", Answer(R"({"content":"a","annotations":[{"type":"url_citation","url":"https://a"}]})", R"(,"citations":["https://a"])"),
       R"(0.annotations=[{"type":"url_citation","url":"https://a"}] citations=["https://a"] )"},
      {"OfATextPart", Answer(R"({"content":[{"type":"text","text":"a","x":1}]})"), R"(0.content={"type":"text","text":"a","x":1} )"},
      {"AReference", Answer(R"({"content":[{"type":"text","text":"a"},{"type":"reference","reference_ids":[1]}]})"),
       R"(0.content={"type":"reference","reference_ids":[1]} )"},
      {"OfUsage", Answer(R"({"content":"a"})", R"(,"usage":{"prompt_tokens":1,"cost":0.0012})"),
       R"(usage={"prompt_tokens":1,"cost":0.0012} )"},
      {"OfUsagesDetails", Answer(R"({"content":"a"})", R"(,"usage":{"completion_tokens_details":{"reasoning_tokens":1,"audio_tokens":8}})"),
       R"(usage={"completion_tokens_details":{"reasoning_tokens":1,"audio_tokens":8}} )"},
      {"NothingOfUsage", Answer(R"({"content":"a"})", R"(,"usage":{"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0}})"),
       ""},
      {"OfGroq", Answer(R"({"content":"a"})", R"(,"x_groq":{"id":"req_1","usage":{"prompt_tokens":1}})"),
       R"(x_groq={"id":"req_1","usage":{"prompt_tokens":1}} )"},
  };
  for (const auto& [name, answer, extras] : rows) EXPECT_EQ(ExtrasOf(answer), extras) << name;
}

TEST(OpenAiExtrasTest, WhatEveryAnswerOfAServerHasIsNotShownWhereNobodyAsked) {
  const auto decoder = OpenAiFormat().NewDecoder(AnswerOptions());
  Extras extras;
  decoder->Feed(Answer(R"({"content":""})", R"(,"usage":{"cost":1},"x_groq":{"id":"1"},"service_tier":"default")"), extras);
  EXPECT_EQ(decoder->End(extras), ResponseDecoder::State::kDone);
  EXPECT_EQ(extras.text, "");
}

TEST(OpenAiCitationsTest, AreToldOnceAndWithinBounds) {
  OpenAiCitations citations(1 << 20);
  citations.Add({{"citations", R"(["https://a"])"}});
  EXPECT_EQ(citations.Take().size(), 1u);
  citations.Add({{"citations", R"(["https://a"])"}});
  citations.Add({{"citations", R"(["https://a", "https://a"])"}});
  EXPECT_FALSE(citations.waits());
  std::vector<CitationValue> many(2 * OpenAiCitations::kMaxTold);
  for (size_t i = 0; i < many.size(); ++i) many[i].url = std::to_string(i);
  citations.AddValues(many);
  EXPECT_EQ(citations.Take().size(), OpenAiCitations::kMaxTold - 1);

  OpenAiCitations small(10);
  many.resize(1);
  many[0].url = "https://far-too-long.example";
  small.AddValues(many);
  EXPECT_FALSE(small.waits());
}

TEST(OpenAiCitationsTest, WhatIsNoListOfSourcesNamesNone) {
  for (const char* json : {"", "{", "1", "\"https://a\"", "[[\"https://a\"]]", "[{}]", "[null]", "{\"url\":\"https://a\"}"}) {
    EXPECT_TRUE(ReadOpenAiCitations("citations", json).empty()) << json;
  }
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  EXPECT_TRUE(ReadOpenAiCitations("citations", deep).empty());
}

}  // namespace
}  // namespace sluice
