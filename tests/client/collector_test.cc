#include "client/collector.h"

#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace sluice {
namespace {

v1::ChatEvent Event(const std::string& text) {
  v1::ChatEvent event;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &event)) << text;
  return event;
}

TEST(CollectorTest, JoinsTheDeltasOfEachChoiceAndPart) {
  Collector collector;
  for (const char* text : {"started { served_by: 'a/b' model: 'm' }", "part: 0 reasoning { text: 'hm' }",
                           "part: 0 part_end { states { issuer: 'x' value: 's' } }", "part: 1 content { text: 'one ' }",
                           "choice: 1 content { text: 'other' }", "part: 1 content { text: 'two' }",
                           "part: 2 tool_call_start { id: 'c1' name: 'f' }",
                           "part: 2 tool_call_delta { arguments_json: '{\"a\":' }",
                           "part: 2 tool_call_delta { arguments_json: '1}' }",
                           "choice_end { finish_reason: FINISH_REASON_TOOL_CALLS provider_reason: 'tool_calls' }",
                           "end { outcome: OUTCOME_COMPLETE served_by: 'a/b' }"}) {
    EXPECT_TRUE(collector.Add(Event(text))) << text;
  }
  v1::ChatResponse wanted;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"(choices { message { role: ROLE_ASSISTANT
                             parts { reasoning { text: 'hm' } states { issuer: 'x' value: 's' } }
                             parts { text: 'one two' }
                             parts { tool_call { id: 'c1' name: 'f' arguments_json: '{"a":1}' } }
                             text: 'one two' }
                   finish_reason: FINISH_REASON_TOOL_CALLS provider_reason: 'tool_calls' }
         choices { index: 1 message { role: ROLE_ASSISTANT parts { text: 'other' } text: 'other' } }
         end { outcome: OUTCOME_COMPLETE served_by: 'a/b' }
         started { served_by: 'a/b' model: 'm' })",
      &wanted));
  EXPECT_EQ(collector.response().DebugString(), wanted.DebugString());
  EXPECT_EQ(collector.text(), "one two");
  EXPECT_TRUE(collector.complete());
}

TEST(CollectorTest, JoinsSoundsAndKeepsSourcesWithTheirPart) {
  Collector collector;
  for (const char* text : {"content { text: 'One' }", "citation { url: 'https://a' start: 0 end: 3 }",
                           "part: 1 media { mime_type: 'audio/wav' transcript: 'On' }", "part_end {}",
                           "part: 1 media { data: 'ab' }", "part: 1 media { data: 'c' transcript: 'e' }",
                           "part: 1 part_end { states { issuer: 'openai' value: 's' } }", "citation { url: 'https://b' }",
                           "choice_end { finish_reason: FINISH_REASON_STOP }"}) {
    EXPECT_TRUE(collector.Add(Event(text))) << text;
  }
  v1::Message wanted;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"(role: ROLE_ASSISTANT text: 'One'
         parts { text: 'One' citations { url: 'https://a' start: 0 end: 3 } citations { url: 'https://b' } }
         parts { media { mime_type: 'audio/wav' data: 'abc' transcript: 'One' } states { issuer: 'openai' value: 's' } })",
      &wanted));
  EXPECT_EQ(collector.response().choices(0).message().DebugString(), wanted.DebugString());
  EXPECT_FALSE(collector.Add(Event("part: 2 citation { url: 'https://c' }"))) << "of no part";
  EXPECT_FALSE(collector.Add(Event("part: 0 media { data: 'x' }"))) << "of a part of text";
}

TEST(CollectorTest, ReplacesUsageAndNeverAddsItUp) {
  Collector collector;
  collector.Add(Event("usage { output_tokens: 5 input_tokens: 1 }"));
  collector.Add(Event("usage { output_tokens: 7 }"));
  EXPECT_EQ(collector.response().usage().output_tokens(), 7);
  EXPECT_FALSE(collector.response().usage().has_input_tokens());
}

TEST(CollectorTest, IsNotCompleteWithoutAnEndThatSaysSo) {
  Collector collector;
  collector.Add(Event("content { text: 'half' }"));
  collector.Add(Event("choice_end { finish_reason: FINISH_REASON_STOP }"));
  EXPECT_FALSE(collector.complete());
  collector.Add(Event("end { outcome: OUTCOME_TRUNCATED }"));
  EXPECT_FALSE(collector.complete());
}

TEST(CollectorTest, StartsAnewAfterARestart) {
  Collector collector;
  collector.Add(Event("content { text: 'void' }"));
  collector.Add(Event("continuation { mode: CONTINUATION_MODE_RESTART }"));
  collector.Add(Event("content { text: 'anew' }"));
  EXPECT_EQ(collector.text(), "anew");
}

TEST(CollectorTest, NothingOfAVoidAnswerIsLeftAfterARestart) {
  Collector collector;
  for (const char* text : {"started { served_by: 'a/b' }", "reasoning { text: 'hm' }", "part: 1 content { text: 'void' }",
                           "usage { output_tokens: 5 }", "extras { wire_format: 'openai' json: '{}' }",
                           "continuation { mode: CONTINUATION_MODE_RESTART served_by: 'c/d' }",
                           "started { served_by: 'c/d' }", "content { text: 'anew' }",
                           "end { outcome: OUTCOME_COMPLETE served_by: 'c/d' restarts: 1 }"}) {
    EXPECT_TRUE(collector.Add(Event(text))) << text;
  }
  v1::ChatResponse wanted;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"(choices { message { role: ROLE_ASSISTANT parts { text: 'anew' } text: 'anew' } }
         end { outcome: OUTCOME_COMPLETE served_by: 'c/d' restarts: 1 }
         started { served_by: 'c/d' })",
      &wanted));
  EXPECT_EQ(collector.response().DebugString(), wanted.DebugString());
}

TEST(CollectorTest, PartsThatAreOpenTogetherStayApart) {
  Collector collector;
  for (const char* text : {"tool_call_start { id: 'a' name: 'f' }", "part: 1 tool_call_start { id: 'b' name: 'g' }",
                           "part: 1 tool_call_delta { arguments_json: '{' }", "tool_call_delta { arguments_json: '[' }",
                           "part: 2 content { text: 'x' }", "part: 1 tool_call_delta { arguments_json: '}' }",
                           "tool_call_delta { arguments_json: ']' }", "part_end { states { issuer: 'openai' } }"}) {
    EXPECT_TRUE(collector.Add(Event(text))) << text;
  }
  const v1::ChatResponse response = collector.response();
  const v1::Message& message = response.choices(0).message();
  ASSERT_EQ(message.parts_size(), 3);
  EXPECT_EQ(message.parts(0).tool_call().arguments_json(), "[]");
  EXPECT_EQ(message.parts(0).states_size(), 1);
  EXPECT_EQ(message.parts(1).tool_call().arguments_json(), "{}");
  EXPECT_EQ(message.parts(2).text(), "x");
}

TEST(CollectorTest, ExtrasBecomeOneObject) {
  Collector collector;
  for (const char* json : {R"({"citations":[1]})", R"({"citations":[1,2]})", R"({"choice":{"images":["a"]}})",
                           R"({"choice":{"images":["b"]}})", "no object", "{}"}) {
    v1::ChatEvent event;
    event.mutable_extras()->set_wire_format("openai");
    event.mutable_extras()->set_json(json);
    EXPECT_TRUE(collector.Add(event)) << json;
  }
  EXPECT_EQ(collector.response().extras_json().at("openai"),
            R"({"citations":[1,2],"choices":[{"index":0,"images":["a","b"]}]})");
}

TEST(CollectorTest, KeepsWhatWasShownAfterAnAppend) {
  Collector collector;
  collector.Add(Event("content { text: 'first ' }"));
  collector.Add(Event("continuation { mode: CONTINUATION_MODE_APPEND }"));
  collector.Add(Event("content { text: 'second' }"));
  EXPECT_EQ(collector.text(), "first second");
}

TEST(CollectorTest, IgnoresKindsItDoesNotKnow) {
  Collector collector;
  EXPECT_TRUE(collector.Add(v1::ChatEvent()));
  EXPECT_EQ(collector.response().choices_size(), 0);
}

class CollectorRefusal : public ::testing::TestWithParam<const char*> {};

TEST_P(CollectorRefusal, LeavesOutWhatCannotBelongToAnAnswer) {
  Collector collector;
  ASSERT_TRUE(collector.Add(Event("content { text: 'kept' }")));
  EXPECT_FALSE(collector.Add(Event(GetParam())));
  EXPECT_EQ(collector.text(), "kept");
}

INSTANTIATE_TEST_SUITE_P(Events, CollectorRefusal,
                         ::testing::Values("choice: -1 content { text: 'x' }", "choice: 128 content { text: 'x' }",
                                           "part: -1 content { text: 'x' }", "part: 2 content { text: 'x' }",
                                           "part: 0 reasoning { text: 'x' }", "part: 1 part_end {}"));

TEST(CollectorTest, TakesNothingAfterTheEnd) {
  Collector collector;
  collector.Add(Event("end { outcome: OUTCOME_COMPLETE }"));
  EXPECT_FALSE(collector.Add(Event("content { text: 'late' }")));
}

TEST(CollectorTest, StaysWithinItsBound) {
  Collector collector(1000);
  int taken = 0;
  while (taken < 1000 && collector.Add(Event("content { text: '0123456789' }"))) ++taken;
  EXPECT_GT(taken, 10);
  EXPECT_LE(collector.text().size(), 1000u);
}

}  // namespace
}  // namespace sluice
