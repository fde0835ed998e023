#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "server/codec/wire_format.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {
namespace {

v1::ChatRequest Request(const std::string& text) {
  v1::ChatRequest request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
  return request;
}

const std::string kUser = R"(messages { role: ROLE_USER text: "Hi" } )";
const std::string kHead = R"({"model":"up","messages":)";
const std::string kStream = R"(,"stream":true,"stream_options":{"include_usage":true})";
const std::string kUserJson = R"([{"role":"user","content":"Hi"}])";

struct RequestCase {
  std::string name;
  std::string request;
  std::string messages;  // the JSON of "messages"
  std::string rest;      // the JSON after stream_options
};

class OpenAiRequestTest : public testing::TestWithParam<RequestCase> {};

TEST_P(OpenAiRequestTest, IsEncoded) {
  const auto encoded = OpenAiFormat().EncodeChat(Request(GetParam().request), "up", Dialect());
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  EXPECT_EQ(encoded->path, "/chat/completions");
  EXPECT_EQ(encoded->body, kHead + GetParam().messages + kStream + GetParam().rest + "}");
}

const RequestCase kRequests[] = {
    {"Smallest", kUser, kUserJson, ""},
    {"Roles", R"(messages { role: ROLE_SYSTEM text: "s" } messages { role: ROLE_DEVELOPER text: "d" name: "n" }
                 messages { role: ROLE_USER parts { text: "u" } })",
     R"([{"role":"system","content":"s"},{"role":"system","name":"n","content":"d"},{"role":"user","content":"u"}])", ""},
    {"TextPartsAreOneString", R"(messages { role: ROLE_SYSTEM parts { text: "a" } parts { text: "b" } }
                                 messages { role: ROLE_DEVELOPER parts { text: "" } parts { text: "c" } parts { text: "" } }
                                 messages { role: ROLE_USER parts { text: "d\n" } parts { text: "e" } })",
     R"([{"role":"system","content":"a\nb"},{"role":"system","content":"c"},{"role":"user","content":"d\n\ne"}])", ""},
    {"Media", R"(messages { role: ROLE_USER parts { text: "What?" }
                   parts { media { url: "https://x/y.png" detail: "low" } }
                   parts { media { mime_type: "image/png" data: "abc" } }
                   parts { media { mime_type: "audio/wav" data: "abc" } }
                   parts { media { mime_type: "application/pdf" data: "abc" } } })",
     R"([{"role":"user","content":[{"type":"text","text":"What?"},)"
     R"({"type":"image_url","image_url":{"url":"https://x/y.png","detail":"low"}},)"
     R"({"type":"image_url","image_url":{"url":"data:image/png;base64,YWJj"}},)"
     R"({"type":"input_audio","input_audio":{"data":"YWJj","format":"wav"}},)"
     R"({"type":"file","file":{"filename":"document.pdf","file_data":"data:application/pdf;base64,YWJj"}}]}])", ""},
    {"ToolTurns", R"(messages { role: ROLE_ASSISTANT
                       parts { reasoning { text: "hm" } states { issuer: "anthropic" value: "sig" } }
                       parts { tool_call { id: "a" name: "f" arguments_json: "{\"x\": 1.0}" } }
                       parts { tool_call { id: "b" name: "g" arguments_json: "not json" } } }
                     messages { role: ROLE_TOOL parts { tool_result { tool_call_id: "a" text: "1" } }
                       parts { tool_result { tool_call_id: "b" text: "2" } } })",
     R"([{"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\": 1.0}"}},)"
     R"({"id":"b","type":"function","function":{"name":"g","arguments":"not json"}}]},)"
     R"({"role":"tool","tool_call_id":"a","content":"1"},{"role":"tool","tool_call_id":"b","content":"2"}])", ""},
    {"AssistantSpoke", R"(messages { role: ROLE_ASSISTANT parts { text: "a" } parts { text: "b" } }
                          messages { role: ROLE_ASSISTANT parts { refusal { text: "no" } } }
                          messages { role: ROLE_ASSISTANT text: "c" name: "n" }
                          messages { role: ROLE_ASSISTANT parts { text: "d" } parts { refusal { text: "no" } } })",
     R"([{"role":"assistant","content":"ab"},{"role":"assistant","refusal":"no"},)"
     R"({"role":"assistant","name":"n","content":"c"},)"
     R"({"role":"assistant","content":[{"type":"text","text":"d"},{"type":"refusal","refusal":"no"}]}])", ""},
    {"TurnsThatSayNothingAreLeftOut", kUser + R"(messages { role: ROLE_ASSISTANT }
                          messages { role: ROLE_ASSISTANT parts { text: "" } parts { reasoning { text: "hm" } } }
                          messages { role: ROLE_ASSISTANT parts { states { issuer: "openai" value: "{\"a\":1}" } } })",
     kUserJson, ""},
    {"ACallWithoutArguments", R"(messages { role: ROLE_ASSISTANT parts { text: "" }
                                   parts { tool_call { id: "a" name: "f" } } parts { tool_call { id: "b" name: "f" arguments_json: " \n" } } })",
     R"([{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},)"
     R"({"id":"b","type":"function","function":{"name":"f","arguments":"{}"}}]}])", ""},
    {"Tools", kUser + R"(tools { name: "f" description: "d" parameters_json: "{\"b\":9007199254740993, \"a\":1.50}" strict: true }
                         tools { name: "g" } tool_choice { tool: "f" parallel_tool_calls: false })", kUserJson,
     R"(,"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"b":9007199254740993, "a":1.50},"strict":true}},)"
     R"({"type":"function","function":{"name":"g","parameters":{"type":"object","properties":{}}}}],"parallel_tool_calls":false,"tool_choice":{"type":"function","function":{"name":"f"}})"},
    {"ToolChoiceAuto", kUser + "tool_choice { auto {} }", kUserJson, R"(,"tool_choice":"auto")"},
    {"ToolChoiceNone", kUser + "tool_choice { none {} }", kUserJson, R"(,"tool_choice":"none")"},
    {"ToolChoiceRequired", kUser + "tool_choice { required {} }", kUserJson, R"(,"tool_choice":"required")"},
    {"JsonObject", kUser + "response_format { json_object {} }", kUserJson, R"(,"response_format":{"type":"json_object"})"},
    {"JsonSchema", kUser + R"(response_format { json_schema { name: "n" schema_json: "{\"type\": \"object\"}" strict: true } })", kUserJson,
     R"(,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type": "object"},"strict":true}})"},
    {"Sampling", kUser + R"(sampling { temperature: 0.7 top_p: 1 top_k: 40 seed: 9007199254740993 max_output_tokens: 100
                             stop: "a" stop: "b" presence_penalty: -0.1 frequency_penalty: 1e-7 })", kUserJson,
     R"(,"temperature":0.7,"top_p":1,"presence_penalty":-0.1,"frequency_penalty":1e-07,"top_k":40,"seed":9007199254740993,)"
     R"("max_tokens":100,"stop":["a","b"])"},
    {"ZeroIsNotUnset", kUser + "sampling { temperature: 0 }", kUserJson, R"(,"temperature":0)"},
    {"Choices", kUser + R"(reasoning { effort: "low" } n: 2 logprobs: true top_logprobs: 5)", kUserJson,
     R"(,"reasoning_effort":"low","n":2,"logprobs":true,"top_logprobs":5)"},
    {"Extras", kUser + R"(extras_json { key: "openai" value: " {\"user\": \"u\", \"max_tokens\": 5} " }
                          extras_json { key: "anthropic" value: "{broken" })", kUserJson,
     R"(,"user": "u", "max_tokens": 5)"},
    {"ExtraOfTheNewerLimit", kUser + R"(extras_json { key: "openai" value: "{\"max_completion_tokens\":5}" })", kUserJson,
     R"(,"max_completion_tokens":5)"},
    {"EmptyExtras", kUser + R"(extras_json { key: "openai" value: "{}" })", kUserJson, ""},
};

INSTANTIATE_TEST_SUITE_P(Requests, OpenAiRequestTest, testing::ValuesIn(kRequests), [](const auto& info) { return info.param.name; });

struct RefusalCase {
  std::string name;
  std::string request;
  std::string message;
};

class OpenAiRefusalTest : public testing::TestWithParam<RefusalCase> {};

TEST_P(OpenAiRefusalTest, NamesTheField) {
  const auto encoded = OpenAiFormat().EncodeChat(Request(GetParam().request), "up", Dialect());
  EXPECT_EQ(encoded.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(encoded.status().message(), GetParam().message);
}

const RefusalCase kRefusals[] = {
    {"NoMessages", "", "messages: at least one is required"},
    {"NoRole", R"(messages { text: "x" })", "messages[0].role: required"},
    {"EmptyMessage", "messages { role: ROLE_USER }", "messages[0]: has neither text nor parts"},
    {"TextAndParts", R"(messages { role: ROLE_USER text: "x" parts { text: "y" } })",
     "messages[0]: text and parts are both set and say different things; text is short for one text part"},
    {"NoMimeType", kUser + R"(messages { role: ROLE_USER parts { media { data: "x" } } })",
     "messages[1].parts[0].media.mime_type: required with data, as in \"image/png\""},
    {"OtherMimeType", R"(messages { role: ROLE_USER parts { media { mime_type: "video/mp4" data: "x" } } })",
     "messages[0].parts[0].media.mime_type: \"video/mp4\" cannot be sent in this format; image/*, audio/wav, audio/mpeg and application/pdf can"},
    {"NoSource", R"(messages { role: ROLE_USER parts { media { mime_type: "image/png" } } })",
     "messages[0].parts[0].media: neither url, data nor file_id is set"},
    {"OtherScheme", R"(messages { role: ROLE_USER parts { media { url: "file:///etc/passwd" } } })",
     "messages[0].parts[0].media.url: must begin with https://, http:// or data:"},
    {"ReasoningOfSystem", R"(messages { role: ROLE_SYSTEM parts { reasoning { text: "hm" } } })",
     "messages[0].parts[0]: reasoning cannot be part of a system message"},
    {"ToolCallWithoutId", R"(messages { role: ROLE_ASSISTANT parts { tool_call { name: "f" } } })",
     "messages[0].parts[0].tool_call.id: required"},
    {"ToolText", R"(messages { role: ROLE_TOOL text: "x" })", "messages[0].text: a tool message carries tool_result parts"},
    {"ToolResultWithoutId", R"(messages { role: ROLE_TOOL parts { tool_result { text: "x" } } })",
     "messages[0].parts[0].tool_result.tool_call_id: required"},
    {"ToolWithoutName", kUser + "tools {}", "tools[0].name: required"},
    {"SchemaIsNoObject", kUser + R"(tools { name: "f" parameters_json: "[1]" })", "tools[0].parameters_json: must be a JSON object"},
    {"SchemaIsBroken", kUser + R"(tools { name: "f" parameters_json: "{\"a\":}" })",
     "tools[0].parameters_json: is no valid JSON, at byte 5: Invalid value."},
    {"UnknownTool", kUser + R"(tool_choice { tool: "f" })", "tool_choice.tool: \"f\" is not among the tools"},
    {"SchemaWithoutName", kUser + "response_format { json_schema {} }", "response_format.json_schema.name: required"},
    {"NotANumber", kUser + "sampling { temperature: nan }", "sampling.temperature: must be a finite number"},
    {"NoTokens", kUser + "sampling { max_output_tokens: 0 }", "sampling.max_output_tokens: 0 is below 1"},
    {"ReasoningBound", kUser + "reasoning { max_tokens: 5 }",
     "reasoning.max_tokens: this format has no such bound; use reasoning.effort"},
    {"TooManyChoices", kUser + "n: 129", "n: 129 is outside 1 to 128"},
    {"TopWithoutLogprobs", kUser + "top_logprobs: 1", "top_logprobs: only together with logprobs"},
    {"TopLogprobs", kUser + "logprobs: true top_logprobs: 21", "top_logprobs: 21 is outside 0 to 20"},
    {"ExtraOfOurs", kUser + R"(extras_json { key: "openai" value: "{\"temperature\":1}" })",
     "extras_json[\"openai\"]: \"temperature\" is set by Sluice itself; use sampling.temperature"},
    {"ExtraStream", kUser + R"(extras_json { key: "openai" value: "{\"stream\":false}" })",
     "extras_json[\"openai\"]: \"stream\" is set by Sluice itself"},
    {"ExtraTwice", kUser + R"(extras_json { key: "openai" value: "{\"a\":1,\"a\":2}" })",
     "extras_json[\"openai\"]: has the key \"a\" twice"},
    {"ExtraMaxTokens", kUser + R"(sampling { max_output_tokens: 1 } extras_json { key: "openai" value: "{\"max_tokens\":2}" })",
     "extras_json[\"openai\"]: \"max_tokens\" and sampling.max_output_tokens are both set"},
    {"ExtraNewerLimit", kUser + R"(sampling { max_output_tokens: 1 } extras_json { key: "openai" value: "{\"max_completion_tokens\":2}" })",
     "extras_json[\"openai\"]: \"max_completion_tokens\" and sampling.max_output_tokens are both set"},
    {"ExtraBothLimits", kUser + R"(extras_json { key: "openai" value: "{\"max_tokens\":2,\"max_completion_tokens\":2}" })",
     "extras_json[\"openai\"]: \"max_completion_tokens\" and \"max_tokens\" are both set"},
    {"NothingButEmptyTurns", "messages { role: ROLE_ASSISTANT }",
     "messages: none says anything: an assistant's empty turns are not sent"},
    {"ExtraIsNoObject", kUser + R"(extras_json { key: "openai" value: "3" })", "extras_json[\"openai\"]: must be a JSON object"},
};

INSTANTIATE_TEST_SUITE_P(Refusals, OpenAiRefusalTest, testing::ValuesIn(kRefusals), [](const auto& info) { return info.param.name; });

TEST(OpenAiAuthTest, SendsABearer) {
  const auto headers = OpenAiFormat().AuthHeaders("k");
  ASSERT_EQ(headers.size(), 1u);
  EXPECT_EQ(headers[0].first + ": " + headers[0].second, "Authorization: Bearer k");
}

}  // namespace
}  // namespace sluice
