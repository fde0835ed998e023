// What is refused before anything is spent, field by field.
#include "server/service/request_check.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace sluice {
namespace {

constexpr const char* kGood = "model: 'm' messages { role: ROLE_USER text: 'hi' } ";

v1::ChatRequest Parse(const std::string& text) {
  v1::ChatRequest request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
  return request;
}

struct Row {
  const char* name;
  std::string request;
  const char* field;
  const char* says;  // part of the message
};

class RequestCheckRefuses : public testing::TestWithParam<Row> {};

TEST_P(RequestCheckRefuses, NamingTheFieldAndTheValue) {
  auto fault = CheckChatRequest(Parse(GetParam().request));
  ASSERT_TRUE(fault.has_value());
  EXPECT_EQ(fault->grpc_code, 3);
  EXPECT_EQ(fault->reason, "INVALID_REQUEST");
  EXPECT_EQ(fault->kind, FailureKind::kCaller);
  EXPECT_EQ(fault->field, GetParam().field);
  EXPECT_EQ(fault->message.find(fault->field), 0u) << fault->message;
  EXPECT_NE(fault->message.find(GetParam().says), std::string::npos) << fault->message;
}

std::string Good(const std::string& more) { return kGood + more; }

std::string ToolResult(const std::string& result) {
  return "model: 'm' messages { role: ROLE_TOOL parts { tool_result { tool_call_id: 'a' " + result + " } } }";
}

INSTANTIATE_TEST_SUITE_P(
    Rows, RequestCheckRefuses,
    testing::Values(
        Row{"NoModel", "messages { role: ROLE_USER text: 'hi' }", "model", "is missing"},
        Row{"NoMessages", "model: 'm'", "messages", "at least one"},
        Row{"NoRole", "model: 'm' messages { text: 'hi' }", "messages[0].role", "0 is no role"},
        Row{"UnknownRole", Good("messages { role: 99 text: 'hi' }"), "messages[1].role", "99 is no role"},
        Row{"TextAndParts", "model: 'm' messages { role: ROLE_USER text: 'a' parts { text: 'b' } }",
            "messages[0].text", "or what the one text part says"},
        Row{"TextAndTwoParts", "model: 'm' messages { role: ROLE_ASSISTANT text: 'a' parts { text: 'a' } parts { text: 'a' } }",
            "messages[0].text", "or what the one text part says"},
        Row{"TextAndNoTextPart", "model: 'm' messages { role: ROLE_ASSISTANT text: 'a' parts { reasoning { text: 'a' } } }",
            "messages[0].text", "together with parts"},
        Row{"ResultTextAndParts", ToolResult("text: 'a' parts { text: 'a' }"), "messages[0].parts[0].tool_result.text",
            "together with parts"},
        Row{"ResultOfAnotherKind", ToolResult("parts { text: 'a' } parts { tool_call { name: 'f' } }"),
            "messages[0].parts[0].tool_result.parts[1]", "tool_call cannot be part of a tool's result; must be text or media"},
        Row{"ResultOfNothing", ToolResult("parts {}"), "messages[0].parts[0].tool_result.parts[0]", "must be text or media"},
        Row{"ResultMediaWithoutType", ToolResult("parts { media { data: 'x' } }"),
            "messages[0].parts[0].tool_result.parts[0].media.mime_type", "image/png"},
        Row{"EmptyPart", "model: 'm' messages { role: ROLE_USER parts {} }", "messages[0].parts[0]", "is empty"},
        Row{"EmptyMedia", "model: 'm' messages { role: ROLE_USER parts { media {} } }",
            "messages[0].parts[0].media", "url, data or a file_id"},
        Row{"MediaWithoutType", "model: 'm' messages { role: ROLE_USER parts { media { data: 'x' } } }",
            "messages[0].parts[0].media.mime_type", "image/png"},
        Row{"ToolCallWithoutName", "model: 'm' messages { role: ROLE_ASSISTANT parts { tool_call {} } }",
            "messages[0].parts[0].tool_call.name", "is missing"},
        Row{"ToolResultWithoutId", "model: 'm' messages { role: ROLE_TOOL parts { tool_result {} } }",
            "messages[0].parts[0].tool_result.tool_call_id", "is missing"},
        Row{"ToolWithoutName", Good("tools {}"), "tools[0].name", "is missing"},
        Row{"OwnToolWithAName", Good("tools { name: 'f' provider_json { key: 'openai' value: '{}' } }"), "tools[0].name",
            "together with provider_json"},
        Row{"OwnToolThatIsStrict", Good("tools { strict: false provider_json { key: 'openai' value: '{}' } }"),
            "tools[0].strict", "together with provider_json"},
        Row{"OwnToolNotJson", Good("tools { provider_json { key: 'x' value: '[1]' } }"), "tools[0].provider_json[\"x\"]",
            "\"[1]\" is not a JSON object"},
        Row{"OwnToolIsNotChosenByName", Good("tools { provider_json { key: 'x' value: '{}' } } tool_choice { tool: '' }"),
            "tool_choice.tool", "\"\" is not among tools"},
        Row{"LongUser", Good("user: '" + std::string(513, 'u') + "'"), "user", "has 513 bytes; must have at most 512"},
        Row{"LongMetadata", Good("metadata { key: 'k' value: '" + std::string(513, 'v') + "' }"), "metadata[\"k\"]",
            "must have at most 512"},
        Row{"NamelessMetadata", Good("metadata { value: 'v' }"), "metadata[\"\"]", "1 to 64 bytes"},
        Row{"LogitBiasTooHigh", Good("sampling { logit_bias { key: 3 value: 101 } }"), "sampling.logit_bias[3]",
            "101 is out of range; must be from -100 to 100"},
        Row{"LogitBiasNaN", Good("sampling { logit_bias { key: 3 value: nan } }"), "sampling.logit_bias[3]", "nan"},
        Row{"LogitBiasOfNoToken", Good("sampling { logit_bias { key: -1 value: 1 } }"), "sampling.logit_bias[-1]",
            "at least 0"},
        Row{"AudioWithoutVoice", Good("audio { format: 'wav' }"), "audio.voice", "is missing"},
        Row{"AudioWithoutFormat", Good("audio { voice: 'v' }"), "audio.format", "pcm16"},
        Row{"ToolSchemaNotJson", Good("tools { name: 'f' parameters_json: '{' }"), "tools[0].parameters_json",
            "\"{\" is not a JSON object"},
        Row{"ToolChoiceUnknown", Good("tools { name: 'f' } tool_choice { tool: 'g' }"), "tool_choice.tool",
            "\"g\" is not among tools"},
        Row{"SchemaWithoutName", Good("response_format { json_schema { schema_json: '{}' } }"),
            "response_format.json_schema.name", "is missing"},
        Row{"SchemaNotAnObject", Good("response_format { json_schema { name: 's' schema_json: '[]' } }"),
            "response_format.json_schema.schema_json", "\"[]\""},
        Row{"TemperatureNaN", Good("sampling { temperature: nan }"), "sampling.temperature", "nan"},
        Row{"TemperatureNegative", Good("sampling { temperature: -1 }"), "sampling.temperature", "-1"},
        Row{"TopPAboveOne", Good("sampling { top_p: 1.5 }"), "sampling.top_p", "from 0 to 1"},
        Row{"TopKNegative", Good("sampling { top_k: -1 }"), "sampling.top_k", "at least 0"},
        Row{"NoTokens", Good("sampling { max_output_tokens: 0 }"), "sampling.max_output_tokens", "at least 1"},
        Row{"NegativeTokens", Good("sampling { max_output_tokens: -5 }"), "sampling.max_output_tokens", "-5"},
        Row{"PenaltyInfinite", Good("sampling { presence_penalty: inf }"), "sampling.presence_penalty", "inf"},
        Row{"FrequencyPenaltyNaN", Good("sampling { frequency_penalty: nan }"), "sampling.frequency_penalty", "nan"},
        Row{"ReasoningNegative", Good("reasoning { max_tokens: -1 }"), "reasoning.max_tokens", "-1"},
        Row{"NoChoices", Good("n: 0"), "n", "from 1 to 128"}, Row{"TooManyChoices", Good("n: 129"), "n", "129"},
        Row{"TopLogprobsAbove20", Good("logprobs: true top_logprobs: 21"), "top_logprobs", "from 0 to 20"},
        Row{"TopLogprobsAlone", Good("top_logprobs: 2"), "top_logprobs", "without logprobs"},
        Row{"CoalesceTooLong", Good("stream_options { coalesce { seconds: 1 nanos: 1 } }"), "stream_options.coalesce",
            "1.000000001s is out of range; must be from 0s to 1s"},
        Row{"CoalesceNegative", Good("stream_options { coalesce { nanos: -20000000 } }"), "stream_options.coalesce",
            "-20ms is out of range; must be from 0s to 1s"},
        Row{"CoalesceBeyondAll", Good("stream_options { coalesce { seconds: 9223372036854775807 } }"),
            "stream_options.coalesce", "is out of range; must be from 0s to 1s"},
        Row{"CoalesceOfMixedSigns", Good("stream_options { coalesce { seconds: 1 nanos: -500000000 } }"),
            "stream_options.coalesce", "is no duration: nanos is -500000000; must be from 0 to 999999999"},
        Row{"CoalesceNanosAboveASecond", Good("stream_options { coalesce { nanos: 1000000000 } }"),
            "stream_options.coalesce", "is no duration: nanos is 1000000000; must be from 0 to 999999999"},
        Row{"ExtrasNotJson", Good("extras_json { key: 'openai' value: 'seed: 1' }"), "extras_json[\"openai\"]",
            "is not a JSON object"},
        Row{"ExtrasWithRest", Good("extras_json { key: 'openai' value: '{} x' }"), "extras_json[\"openai\"]",
            "is not a JSON object"}),
    [](const auto& info) { return info.param.name; });

TEST(RequestCheckTest, AcceptsWhatProvidersAccept) {
  EXPECT_FALSE(CheckChatRequest(Parse(kGood)));
  EXPECT_FALSE(CheckChatRequest(Parse(Good(
      "n: 128 logprobs: true top_logprobs: 0 sampling { temperature: 0 top_p: 1 max_output_tokens: 1 } "
      "tools { name: 'f' parameters_json: ' {\"type\":\"object\"} ' } tool_choice { tool: 'f' } "
      "extras_json { key: 'openai' value: '{\"user\":\"x\"}' }"))));
  for (const char* within : {"", "nanos: 1", "nanos: 999999999", "seconds: 1"}) {
    EXPECT_FALSE(CheckChatRequest(Parse(Good("stream_options { coalesce { " + std::string(within) + " } }")))) << within;
  }
  // An empty assistant turn, as histories have them.
  EXPECT_FALSE(CheckChatRequest(Parse(Good("messages { role: ROLE_ASSISTANT }"))));
}

TEST(RequestCheckTest, DeepJsonDoesNotUseUpTheStack) {
  v1::ChatRequest request = Parse(kGood);
  std::string deep = "{\"a\":";
  deep.append(5 << 20, '[');
  (*request.mutable_extras_json())["openai"] = deep;
  auto fault = CheckChatRequest(request);
  ASSERT_TRUE(fault.has_value());
  EXPECT_LT(fault->message.size(), 256u);
}

v1::EmbedRequest Embed(int inputs, int dimensions = 0) {
  v1::EmbedRequest request;
  request.set_model("m");
  for (int i = 0; i < inputs; ++i) request.add_inputs("text");
  if (dimensions != 0) request.set_dimensions(dimensions);
  return request;
}

TEST(EmbedCheckTest, NamesTheFieldThatIsWrong) {
  EXPECT_FALSE(CheckEmbedRequest(Embed(2048, 65536)));
  EXPECT_EQ(CheckEmbedRequest(v1::EmbedRequest())->field, "model");
  EXPECT_EQ(CheckEmbedRequest(Embed(0))->field, "inputs");
  EXPECT_EQ(CheckEmbedRequest(Embed(2049))->message, "inputs: 2049 is out of range; must be from 1 to 2048");
  EXPECT_EQ(CheckEmbedRequest(Embed(1, -1))->field, "dimensions");
  v1::EmbedRequest request = Embed(3);
  request.set_inputs(1, "");
  EXPECT_EQ(CheckEmbedRequest(request)->field, "inputs[1]");
  request = Embed(1);
  request.set_dimensions(0);
  EXPECT_EQ(CheckEmbedRequest(request)->field, "dimensions");
  request = Embed(1);
  (*request.mutable_extras_json())["openai"] = "[]";
  EXPECT_EQ(CheckEmbedRequest(request)->field, "extras_json[\"openai\"]");
}

TEST(EmbedCheckTest, AnAnswerThatCannotFitIsRefusedNamingSizeAndChannelOption) {
  EXPECT_FALSE(CheckEmbedSize(Embed(1000, 1000), 4'100'000, "r"));
  auto fault = CheckEmbedSize(Embed(1000, 1536), 4 << 20, "r");
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->grpc_code, 8);
  EXPECT_EQ(fault->reason, "RESPONSE_TOO_LARGE");
  for (const char* part : {"1000 inputs of 1536 dimensions", "6156512", "4194304", "max_response_bytes",
                           "grpc.max_receive_message_length"}) {
    EXPECT_NE(fault->message.find(part), std::string::npos) << part << ": " << fault->message;
  }
  // How long a vector will be is not known.
  EXPECT_FALSE(CheckEmbedSize(Embed(2048), 1024, "r"));
}

TEST(RequestCheckTest, BoundsOnHowManyThereAre) {
  v1::ChatRequest request = Parse(kGood);
  for (int i = 0; i < 1024; ++i) (*request.mutable_sampling()->mutable_logit_bias())[i] = -100;
  for (int i = 0; i < 16; ++i) (*request.mutable_metadata())[std::to_string(i)] = "v";
  EXPECT_FALSE(CheckChatRequest(request).has_value());
  (*request.mutable_metadata())["one more"] = "v";
  ASSERT_TRUE(CheckChatRequest(request).has_value());
  EXPECT_EQ(CheckChatRequest(request)->message, "metadata: has 17 entries; must have at most 16");
  request.clear_metadata();
  (*request.mutable_metadata())[std::string(65, 'k')] = "v";
  ASSERT_TRUE(CheckChatRequest(request).has_value());
  EXPECT_NE(CheckChatRequest(request)->message.find("has 65 bytes; must have at most 64"), std::string::npos);
  request.clear_metadata();
  (*request.mutable_sampling()->mutable_logit_bias())[1024] = 1;
  ASSERT_TRUE(CheckChatRequest(request).has_value());
  EXPECT_EQ(CheckChatRequest(request)->message, "sampling.logit_bias: has 1025 entries; must have at most 1024");
}

TEST(RequestCheckTest, AnAnswerGoesBackAsItCame) {
  EXPECT_FALSE(CheckChatRequest(Parse(
      "model: 'm' messages { role: ROLE_USER text: 'hi' } messages { role: ROLE_ASSISTANT text: 'a'"
      " parts { reasoning { text: 'r' } } parts { text: 'a' citations { url: 'https://x' } }"
      " parts { media { mime_type: 'audio/pcm' data: 'x' transcript: 'a' } } }")).has_value());
}

}  // namespace
}  // namespace sluice
