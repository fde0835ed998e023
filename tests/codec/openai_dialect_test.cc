// What a dialect changes in a request, and what goes back of an answer.
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "server/codec/openai_states.h"
#include "server/codec/wire_format.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {
namespace {

v1::ChatRequest Request(const std::string& text) {
  v1::ChatRequest request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
  return request;
}

// The request's JSON from `from` on.
std::string Sent(const std::string& request, const Dialect& dialect, const std::string& from) {
  const auto encoded = OpenAiFormat().EncodeChat(Request(request), "up", dialect);
  EXPECT_TRUE(encoded.ok()) << encoded.status();
  if (!encoded.ok()) return "";
  const size_t at = encoded->body.find(from);
  return at == std::string::npos ? encoded->body : encoded->body.substr(at);
}

const std::string kUser = R"(messages { role: ROLE_USER text: "Hi" } )";

TEST(OpenAiDialectTest, TheLimitOfTokensHasItsName) {
  const std::string limited = kUser + "sampling { max_output_tokens: 7 }";
  Dialect dialect;
  EXPECT_EQ(Sent(limited, dialect, "\"max"), R"("max_tokens":7})");
  dialect.token_limit = Dialect::TokenLimit::kMaxCompletionTokens;
  EXPECT_EQ(Sent(limited, dialect, "\"max"), R"("max_completion_tokens":7})");
}

TEST(OpenAiDialectTest, WhatIsNotTakenIsLeftOut) {
  Dialect dialect;
  dialect.stream_options = false;
  dialect.strict_tools = false;
  dialect.parallel_tool_calls = false;
  EXPECT_EQ(Sent(kUser + R"(tools { name: "f" strict: true } tool_choice { parallel_tool_calls: false auto {} })", dialect,
                 "\"stream\""),
            R"("stream":true,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}],)"
            R"("tool_choice":"auto"})");
}

TEST(OpenAiDialectTest, DeveloperIsARoleWhereItIsKnown) {
  Dialect dialect;
  dialect.developer_role = true;
  EXPECT_EQ(Sent(R"(messages { role: ROLE_DEVELOPER text: "d" })", dialect, "[{").substr(0, 36),
            R"([{"role":"developer","content":"d"}])");
}

TEST(OpenAiDialectTest, TheContentTypeIsTheDialects) {
  Dialect dialect;
  dialect.content_type = "application/json; charset=utf-8";
  v1::EmbedRequest embed;
  embed.add_inputs("a");
  for (const auto& encoded : {OpenAiFormat().EncodeChat(Request(kUser), "up", dialect),
                              OpenAiFormat().EncodeEmbed(embed, "up", dialect)}) {
    ASSERT_TRUE(encoded.ok());
    EXPECT_EQ(encoded->headers[0], (std::pair<std::string, std::string>("Content-Type", dialect.content_type)));
  }
}

struct TurnCase {
  std::string name;
  std::string parts;    // of an assistant's turn
  std::string message;  // the JSON of it after "role"
  Dialect::ReasoningKey reasoning = Dialect::ReasoningKey::kReasoningContent;
};

class OpenAiTurnTest : public testing::TestWithParam<TurnCase> {};

TEST_P(OpenAiTurnTest, GoesBackAsItCame) {
  Dialect dialect;
  dialect.reasoning = GetParam().reasoning;
  const std::string sent = Sent("messages { role: ROLE_ASSISTANT " + GetParam().parts + "}", dialect, "[{");
  EXPECT_EQ(sent.substr(0, sent.find(",\"stream\"")), R"([{"role":"assistant",)" + GetParam().message + "}]");
}

std::string State(const std::string& json, const std::string& issuer = "openai") {
  std::string escaped;
  for (const char c : json) escaped += c == '"' ? std::string("\\\"") : std::string(1, c);
  return "states { issuer: \"" + issuer + "\" value: \"" + escaped + "\" } ";
}
std::string Reasoning(const std::string& text, const std::string& states = "") {
  return "parts { reasoning { text: \"" + text + "\" } " + states + "} ";
}
std::string Text(const std::string& text, const std::string& states = "") {
  return "parts { text: \"" + text + "\" " + states + "} ";
}
std::string Call(const std::string& states = "") {
  return R"(parts { tool_call { id: "a" name: "f" arguments_json: "{}" } )" + states + "} ";
}
const std::string kCallHead = R"("content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"})";

constexpr auto kNone = Dialect::ReasoningKey::kNone;
constexpr auto kReasoning = Dialect::ReasoningKey::kReasoning;

const TurnCase kTurns[] = {
    {"ReasoningUnderTheDialectsName", Reasoning("a") + Reasoning("b") + Text("c"), R"("content":"c","reasoning_content":"ab")"},
    {"ReasoningUnderTheOtherName", Reasoning("a") + Text("c"), R"("content":"c","reasoning":"a")", kReasoning},
    {"ReasoningNotAtAll", Reasoning("a") + Text("c"), R"("content":"c")", kNone},
    {"AStateTellsTheName", Reasoning("a", State(R"({"sluice_reasoning_key": "reasoning"})")) + Text("c"),
     R"("content":"c","reasoning":"a")", kNone},
    {"AStateTellsAnotherName", Reasoning("a", State(R"({"sluice_reasoning_key":"thinking"})")) + Text("c"),
     R"("content":"c","thinking":"a")"},
    {"NoStateMakesItOurs", Reasoning("a", State(R"({"sluice_reasoning_key":"content"})")) + Text("c"),
     R"("content":"c","reasoning_content":"a")"},
    {"AKeyThatIsNoTextSaysNothing", Reasoning("a", State(R"({"sluice_reasoning_key":7})")) + Text("c"),
     R"("content":"c","reasoning_content":"a")"},
    {"AStateHasTheTextItself", Reasoning("a", State(R"({"reasoning_content":"A"})")) + Text("c"),
     R"("content":"c","reasoning_content":"A")"},
    {"DetailsCarryTheText",
     Reasoning("ab", State(R"({"reasoning_details":[{"text":"a"}],"sluice_reasoning_key":"reasoning_details"})") +
                         State(R"({"reasoning_details":[{"text":"b","n":1.50}]})")) + Text("c"),
     R"("content":"c","reasoning_details":[{"text":"a"},{"text":"b","n":1.50}])"},
    {"ThinkingWithinTheContent", Reasoning("a", State(R"({"sluice_reasoning_key":"content_parts"})")) + Text("b") + Text(""),
     R"("content":[{"type":"thinking","thinking":[{"type":"text","text":"a"}]},{"type":"text","text":"b"}])", kNone},
    {"ThinkingBeforeACall", Reasoning("a", State(R"({"sluice_reasoning_key":"content_parts"})")) + Call(),
     R"("content":[{"type":"thinking","thinking":[{"type":"text","text":"a"}]}],)"
     R"("tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}])", kNone},
    {"ACallsStateStandsInTheCall", Call(State(R"({"extra_content": {"google":{"thought_signature":"s=="}}})")),
     kCallHead + R"(,"extra_content":{"google":{"thought_signature":"s=="}}}])"},
    {"ATextsStateStandsInTheMessage", Text("c", State(R"({"extra_content":{"x":1}})")), R"("content":"c","extra_content":{"x":1})"},
    {"APartThatIsNothingButAState", Text("c") + "parts { " + State(R"({"x":"y"})") + "}", R"("content":"c","x":"y")"},
    {"OtherIssuersAreLeftOut", Text("c", State(R"({"x":1})", "anthropic")) + Call(State("sig", "gemini")),
     R"("content":"c","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}])"},
    {"OurMembersStay", Text("c", State(R"({"role":"user","content":"x","tool_calls":[],"name":"n","x":1})")) +
                           Call(State(R"({"id":"b","type":"t","function":{},"y":2})")),
     R"("content":"c","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"},"y":2}],"x":1)"},
    {"ListsAreJoinedAndElseTheLastWins", Text("c", State(R"({"l":[],"v":1})") + State(R"({"l":[1,[2]],"v":{"a":[]}})") + State(R"({"l":[3]})")),
     R"("content":"c","l":[1,[2],3],"v":{"a":[]})"},
    {"OtherBytesAreExtraContent", Call(State("opaque")), kCallHead + R"(,"extra_content":"opaque"}])"},
    {"OtherJsonIsExtraContentAsItIs", Call(State("[1, 2]")), kCallHead + R"(,"extra_content":[1, 2]}])"},
    {"BytesThatAreNoText", Call(R"(states { issuer: "openai" value: "\377\376" } )"), kCallHead + R"(,"extra_content":"//4="}])"},
    {"AnEmptyStateIsNone", Call(R"(states { issuer: "openai" } )"), kCallHead + "}]"},
};

INSTANTIATE_TEST_SUITE_P(Turns, OpenAiTurnTest, testing::ValuesIn(kTurns), [](const auto& info) { return info.param.name; });

TEST(OpenAiDialectTest, WhereReasoningIsRefusedOnlySignaturesGoBack) {
  Dialect dialect;
  dialect.takes_reasoning = false;
  EXPECT_EQ(Sent("messages { role: ROLE_ASSISTANT " + Reasoning("a", State(R"({"sluice_reasoning_key":"content_parts"})")) +
                     Reasoning("b", State(R"({"reasoning_details":[1]})")) + Text("c", State(R"({"extra_content":1})")) + "}",
                 dialect, "[{").substr(0, 55),
            R"([{"role":"assistant","content":"c","extra_content":1}],)");
}

TEST(OpenAiDialectTest, WhereStatesAreRefusedReasoningGoesBack) {
  Dialect dialect;
  dialect.takes_states = false;
  EXPECT_EQ(Sent("messages { role: ROLE_ASSISTANT " + Reasoning("a") + Text("c", State(R"({"extra_content":1})")) + "}", dialect,
                 "[{").substr(0, 61),
            R"([{"role":"assistant","content":"c","reasoning_content":"a"}],)");
}

TEST(DialectTest, EveryRefusedPartChangesIt) {
  for (int i = 0; i < kFormParts; ++i) {
    Dialect before;
    before.developer_role = true;
    const FormPart part = static_cast<FormPart>(i);
    if (part == FormPart::kMaxCompletionTokens) before.token_limit = Dialect::TokenLimit::kMaxCompletionTokens;
    EXPECT_NE(Without(part, before), before) << NameOf(part);
    EXPECT_EQ(Without(FormParts(), before), before);
  }
}

TEST(DialectTest, ALimitOfWhichBothNamesAreRefusedKeepsItsOwn) {
  FormParts both = FormPart::kMaxTokens;
  both.Add(FormPart::kMaxCompletionTokens);
  EXPECT_EQ(Without(both, Dialect()).token_limit, Dialect::TokenLimit::kMaxTokens);
  EXPECT_EQ(both.ToString(), "max_tokens, max_completion_tokens");
}

}  // namespace
}  // namespace sluice
