// Which part of its form a request was refused for, in the words of servers.
#include "server/codec/openai_refusal.h"

#include <gtest/gtest.h>

#include <string>

#include "server/codec/openai_error.h"

namespace sluice {
namespace {

struct RefusalCase {
  std::string name;
  std::string body;
  std::string refused;
  int status = 400;
};

class OpenAiFormRefusalTest : public testing::TestWithParam<RefusalCase> {};

TEST_P(OpenAiFormRefusalTest, IsRead) {
  EXPECT_EQ(RefusedOpenAiForm(GetParam().status, GetParam().body).ToString(), GetParam().refused);
}

std::string Error(const std::string& message, const std::string& param = "null", const std::string& code = "null") {
  return R"({"error":{"message":")" + message + R"(","type":"invalid_request_error","param":)" + param + R"(,"code":)" + code + "}}";
}
// pydantic's, as FastAPI puts it.
std::string Forbidden(const std::string& loc, const std::string& input = "1") {
  return R"({"type":"extra_forbidden","loc":)" + loc + R"(,"msg":"Extra inputs are not permitted","input":)" + input + "}";
}

const RefusalCase kRefusals[] = {
    // By the place that the error names.
    {"OpenAiMaxTokens", Error("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                              R"("max_tokens")", R"("unsupported_parameter")"), "max_tokens"},
    {"OpenAiDeveloper", Error("Unsupported value: 'messages[0].role' does not support 'developer' with this model.",
                              R"("messages[0].role")", R"("unsupported_value")"), "developer"},
    {"AzureStreamOptions", Error("Unknown parameter: 'stream_options'.", R"("stream_options")", R"("unknown_parameter")"), "stream_options"},
    {"MistralDetail", R"({"object":"error","message":{"detail":[)" + Forbidden(R"(["body","max_completion_tokens"])") + R"(]},"type":"invalid_request_error"})",
     "max_completion_tokens", 422},
    {"MistralInside", R"({"detail":[)" + Forbidden(R"(["body","stream_options","include_usage"])", "true") + "]}", "stream_options", 422},
    {"SeveralAtOnce", R"({"detail":[)" + Forbidden(R"(["body","stream_options"])") + "," + Forbidden(R"(["body","tools",0,"function","strict"])") + "]}",
     "stream_options, strict", 422},
    {"MistralReasoning", R"({"detail":[)" + Forbidden(R"(["body","messages",3,"assistant","reasoning_content"])", R"("hm")") + "]}", "reasoning", 422},
    {"StrictServerAndASignature", R"({"detail":[)" + Forbidden(R"(["body","messages",1,"assistant","tool_calls",0,"extra_content"])") + "]}", "states", 422},
    {"PydanticRole", R"({"detail":[{"type":"literal_error","loc":["body","messages",0,"role"],"msg":"Input should be 'system' or 'user'","input":"developer"}]})",
     "developer", 422},
    // Errors within errors, as text.
    {"TextOfADocument", R"({"error":{"code":"Invalid input","status":422,"message":"{\"detail\":[{\"type\":\"extra_forbidden\",\"loc\":[\"body\",\"stream_options\",\"include_usage\"],\"msg\":\"Extra inputs are not permitted\"}]}"}})",
     "stream_options"},
    {"TextOfPython", R"({"object":"error","message":"[{'type': 'extra_forbidden', 'loc': ('body', 'max_completion_tokens'), 'msg': 'Extra inputs are not permitted', 'input': 8192}]","code":400})",
     "max_completion_tokens"},
    {"PydanticText", R"({"object":"error","message":"2 validation errors for ChatCompletionRequest\ntools.0.function.strict\n  Extra inputs are not permitted [type=extra_forbidden]\ntools.1.function.strict\n  Extra inputs are not permitted"})",
     "strict"},
    // By words alone.
    {"WordsMaxTokens", R"({"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","code":"invalid_request_body"}})",
     "max_tokens"},
    {"Unrecognized", Error("Unrecognized request argument supplied: stream_options"), "stream_options"},
    {"Gemini", R"([{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name \"parallel_tool_calls\": Cannot find field.","status":"INVALID_ARGUMENT","details":[{"fieldViolations":[{"description":"Invalid JSON payload received. Unknown name \"parallel_tool_calls\": Cannot find field."}]}]}}])",
     "parallel_tool_calls"},
    {"GeminiOlder", R"([{"error":{"code":400,"message":"Parallel tool calls are not supported.","status":"INVALID_ARGUMENT"}}])", "parallel_tool_calls"},
    {"AzureAi", R"({"detail":"Extra parameters ['stream_options', 'parallel_tool_calls'] are not allowed when extra-parameters is not set or set to be 'error'."})",
     "stream_options, parallel_tool_calls"},
    {"DeepSeekRole", Error("Failed to deserialize the JSON body into the target type: messages[0].role: unknown variant `developer`, expected one of `system`, `user`, `assistant`, `tool` at line 1 column 85"),
     "developer"},
    {"TemplateRole", R"({"object":"error","message":"Unexpected message role.","type":"BadRequestError","code":400})", "developer"},
    {"Groq", Error("'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : property 'reasoning_content' is unsupported)]"),
     "reasoning"},
    {"Cerebras", R"({"message":"messages.2.assistant.reasoning_content: property 'messages.2.assistant.reasoning_content' is unsupported","type":"invalid_request_error","param":"validation_error","code":"wrong_api_format"})",
     "reasoning"},
    {"StrictInWords", R"({"error":"Validation Error: \"strict\" - Extra inputs are not permitted"})", "strict"},
    {"SerdeField", Error("unknown field `max_completion_tokens`, expected one of `model`, `messages`, `max_tokens`, `stream_options`"), "max_completion_tokens"},
    {"PlainText", "unknown field \"stream_options\"\n", "stream_options"},
    // About something else.
    {"ALimitTooLarge", Error("max_tokens is too large: 100000. This model supports at most 4096 completion tokens.", R"("max_tokens")"), ""},
    {"ReasoningIsMissing", Error("thinking is enabled but reasoning_content is missing in assistant tool call message at index 2"), ""},
    {"ReasoningIsWanted", Error("The reasoning_content in the thinking mode must be passed back to the API."), ""},
    {"AnExtraOfTheCallers", Error("Unknown parameter: 'reasoning'.", R"("reasoning")", R"("unknown_parameter")"), ""},
    {"ASchema", Error("Invalid schema for function 'f': 'additionalProperties' is required to be supplied and to be false.", R"("tools[0].function.parameters")", R"("invalid_function_parameters")"), ""},
    {"AStreamThatIsNone", Error("The 'stream_options' parameter is only allowed when 'stream' is enabled."), ""},
    {"WhatWasSentIsNotRead", R"({"detail":[)" + Forbidden(R"(["body","seed"])", R"("stream_options is not supported")") + "]}", "", 422},
    {"OtherStatus", Error("Unknown parameter: 'stream_options'.", R"("stream_options")"), "", 404},
    {"Nothing", "", ""},
    {"Deep", std::string(5000, '[') + R"("unknown field stream_options")" + std::string(5000, ']'), ""},
};

INSTANTIATE_TEST_SUITE_P(Bodies, OpenAiFormRefusalTest, testing::ValuesIn(kRefusals), [](const auto& info) { return info.param.name; });

TEST(OpenAiFormRefusalTest, ComesWithTheError) {
  const UpstreamError error = ReadOpenAiError(400, Error("Unknown parameter: 'stream_options'.", R"("stream_options")"));
  EXPECT_EQ(error.kind, FailureKind::kCaller);
  EXPECT_EQ(error.refused.ToString(), "stream_options");
}

}  // namespace
}  // namespace sluice
