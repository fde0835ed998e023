// What errors mean in the words of each server, whatever the shape they come in:
// as a body of a status, and as an event or document in place of an answer.
#include <gtest/gtest.h>

#include <string>

#include "server/codec/error_rows.h"
#include "server/codec/openai_error.h"
#include "server/codec/wire_format.h"

namespace sluice {
namespace {

constexpr int kInA200 = 0;

struct WordsCase {
  std::string name;
  int status;  // or kInA200
  std::string body;
  std::string kind;  // as TraitsOf names it; "context" for a prompt that is too long
};

void PrintTo(const WordsCase& c, std::ostream* out) { *out << c.name; }

UpstreamError Read(int status, std::string_view body) {
  if (status != kInA200) return ReadOpenAiError(status, body);
  return ReadOpenAiErrorIn200(body).value_or(UpstreamError());
}

std::string KindOf(const UpstreamError& error) {
  const std::string kind(TraitsOf(error.kind).name);
  if (!error.context_exceeded) return kind;
  EXPECT_EQ(kind, "caller");
  return "context";
}

TEST(ErrorRowsTest, WhatMayTellOfTheContextMissesNoPhrase) {
  for (const ErrorRow& row : ErrorRows()) {
    if (row.sign != ErrorSign::kContext || row.place != ErrorPlace::kMessage) continue;
    EXPECT_TRUE(MayTellOfContext(row.text)) << row.text;
  }
  EXPECT_FALSE(MayTellOfContext("The server is overloaded. Try again later."));
}

class ErrorWords : public testing::TestWithParam<WordsCase> {};

TEST_P(ErrorWords, AreUnderstood) {
  const UpstreamError error = Read(GetParam().status, GetParam().body);
  EXPECT_EQ(KindOf(error), GetParam().kind) << error.message;
}

// {"error": {"message": …, "code": …}}, as most servers write it.
std::string Error(const std::string& message, const std::string& code = "null") {
  return R"({"error":{"message":")" + message + R"(","type":"invalid_request_error","param":null,"code":)" + code + "}}";
}

const WordsCase kContext[] = {
    {"OpenAiOld", 400, Error("This model's maximum context length is 4097 tokens, however you requested 5000 tokens."), "context"},
    {"OpenAiResponses", 400, Error("Your input exceeds the context window of this model. Please adjust your input."), "context"},
    {"OpenAiConfigured", 400, Error("Input tokens exceed the configured limit of 272000 tokens."), "context"},
    {"Code", 400, Error("too long", R"("context_length_exceeded")"), "context"},
    {"CodeInCamelCase", 400, Error("too long", R"("ContextLengthExceeded")"), "context"},
    {"InA413", 413, Error("prompt is too long: 215000 tokens > 200000 maximum"), "context"},
    {"InA422", 422, R"({"error":"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000","error_type":"validation"})",
     "context"},
    {"InA500", 500, Error("Context size has been exceeded."), "context"},
    {"InA503", 503, Error("m", R"("context_length_exceeded")"), "context"},
    {"InA403AsTogether", 403, Error("Input token count + max_tokens parameter must be less than the context length of the model"), "context"},
    {"InA200", kInA200, Error("This model's maximum context length is 8192 tokens."), "context"},
    {"InA200By500", kInA200, R"({"error":{"code":500,"message":"Context size has been exceeded.","type":"server_error"}})", "context"},
    {"VllmPrompt", 400, R"({"object":"error","message":"The decoder prompt (length 9000) is longer than the maximum model length of 4096.","type":"BadRequestError","param":null,"code":400})",
     "context"},
    {"VllmLeavesNothing", 400, R"({"object":"error","message":"max_tokens must be at least 1, got -808.","type":"BadRequestError","code":400})", "context"},
    {"VllmOnly", 400, Error("You passed 9000 input tokens. However, the model's context length is only 8192 tokens."), "context"},
    {"Vertex", 400, Error("The input token count is 40000 but model only supports up to 32768."), "context"},
    {"VllmTypographic", 400, Error("The input (9 tokens) is longer than the model’s context length (8 tokens)."), "context"},
    {"Sglang", 400, R"({"object":"error","message":"Requested token count exceeds the model's maximum context length of 8192 tokens.","code":400})", "context"},
    {"LlamaCpp", 400, R"({"error":{"code":400,"message":"request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it","type":"exceed_context_size_error"}})",
     "context"},
    {"LlamaCppEmbeddings", 500, R"({"error":{"code":500,"message":"input is too large to process. increase the physical batch size","type":"server_error"}})",
     "context"},
    {"LlamaCppPython", 400, Error("Requested tokens (9000) exceed context window of 4096"), "context"},
    {"Ollama", 400, R"({"error":"the input length exceeds the context length"})", "context"},
    {"LmStudio", 400, R"({"error":"Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough."})",
     "context"},
    {"LmStudioKeep", 400, R"({"error":"The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 9>= n_ctx: 4)."})",
     "context"},
    {"TensorRt", 400, R"({"object":"error","message":"Prompt length (9000) exceeds maximum input length (8192).","type":"BadRequestError"})", "context"},
    {"TextEmbeddings", 413, R"({"error":"Input validation error: `inputs` must have less than 512 tokens. Given: 600","error_type":"Validation"})", "context"},
    {"Mistral", 400, R"({"object":"error","message":"Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length","type":"invalid_request_prompt","code":"3051"})",
     "context"},
    {"Kimi", 400, Error("Invalid request: Your request exceeded model token limit: 8192 (requested: 9000)"), "context"},
    {"MiniMax", 400, Error("invalid params, context window exceeds limit (2013)"), "context"},
    {"MiniMaxBaseResp", kInA200, R"({"id":"x","base_resp":{"status_code":1039,"status_msg":"token limit"}})", "context"},
    {"Zai", 400, R"({"error":{"code":"1261","message":"Prompt exceeds max length"}})", "context"},
    {"Groq", 400, Error("Please reduce the length of the messages or completion.", R"("context_length_exceeded")"), "context"},
    {"Gemini", 400, R"([{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}])",
     "context"},
    {"Anthropic", 400, R"({"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"}})",
     "context"},
    {"Litellm", 400, R"({"error":{"message":"litellm.ContextWindowExceededError: AnthropicException - {\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: 9 tokens > 8 maximum\"}}","type":null,"param":null,"code":"400"}})",
     "context"},
    {"LitellmOfAll", 400, R"({"error":{"message":"litellm.BadRequestError: AnthropicException - b'{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"input length and `max_tokens` exceed context limit: 9 + 9 > 9\"}}'","code":"400"}})",
     "context"},
    {"Bedrock", 400, R"({"message":"Input is too long for requested model."})", "context"},
    {"Cohere", 400, R"({"message":"too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000."})", "context"},
    {"XAi", 400, R"({"code":"Client specified an invalid argument","error":"This model's maximum prompt length is 131072 but the request contains 537812 tokens."})",
     "context"},
    {"Cerebras", 400, R"({"message":"Please reduce the length of the messages or completion. Current length is 9 while limit is 8","type":"invalid_request_error","code":"context_length_exceeded"})",
     "context"},
    {"Qwen", 400, R"({"error":{"code":"invalid_parameter_error","message":"<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]","type":"invalid_request_error"}})",
     "context"},
    {"SiliconFlow", 400, R"({"code":20015,"message":"length of prompt_tokens (68957) must be less than max_seq_len (65536).","data":null})", "context"},
    {"SiliconFlowText", 400, "\"max_total_tokens (33802) must be less than or equal to max_seq_len (32768)\"", "context"},
    {"GitHubModels", 413, Error("Request body too large for gpt-4o model. Max size: 8000 tokens.", R"("tokens_limit_reached")"), "context"},
    {"OpenRouterRaw", 400, R"({"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"message\":\"maximum context length is 8192 tokens\"}}","provider_name":"X"}}})",
     "context"},
    {"PlainText", 400, "The text is too long for this field", "caller"},
    {"PlainTextOfItsWords", 400, "prompt is too long: 9 tokens > 8 maximum", "context"},
    {"CutBody", 400, R"({"error":{"message":"This model's maximum context length is 8 tokens. You sent: )", "context"},
    // A limit on the rate of tokens is none of context.
    {"TokensPerMinute429", 429, Error("Request too large for gpt-4 on tokens per min (TPM): Limit 10000, Requested 12000. Please reduce the length of the messages."),
     "rate_limited"},
    {"TokensPerMinute413", 413, R"({"error":{"message":"Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 9000","type":"tokens","code":"rate_limit_exceeded"}})",
     "rate_limited"},
    {"RateCodeWithALongPrompt", 400, Error("please reduce the length of the messages", R"("rate_limit_exceeded")"), "rate_limited"},
    {"TooManyTokensBedrock429", 429, R"({"message":"Too many tokens, please wait before trying again."})", "rate_limited"},
    // Nor is any of these.
    {"TokensOfTheCaller", 400, Error("max_tokens must be at least 1, got 0."), "caller"},
    {"BodyTooLarge", 413, R"({"error":{"type":"request_too_large","message":"Request exceeds the maximum size"}})", "caller"},
    {"MaximumOfAParameter", 400, Error("temperature must not exceed the maximum of 2"), "caller"},
    {"LongestString", 400, Error("Invalid 'messages[0].content': string too long. Expected a string with maximum length 10", R"("string_above_max_length")"), "caller"},
    {"EchoOfAPrompt", 400, Error("1 validation error: Input should be a valid string [type=string_type, input_value={'content': 'what is the maximum context length'}]"), "caller"},
};

const WordsCase kOthers[] = {
    // Quota, whatever the status.
    {"ZaiNoBalance", 429, R"({"error":{"code":"1113","message":"Insufficient balance or no resource package. Please recharge."}})", "quota"},
    {"ZaiNoBalanceAsType", 429, R"({"type":"error","error":{"type":"1113","message":"m"}})", "quota"},
    {"ZaiNoBalanceBehindARate", 429, R"({"type":"error","error":{"type":"rate_limit_error","code":"1113","message":"m"}})", "quota"},
    {"ZaiFiveHours", 429, R"({"error":{"code":"1308","message":"Usage limit reached for 5 hour."}})", "quota"},
    {"ZaiChinese", 429, R"({"error":{"message":"余额不足或无可用资源包,请充值。"}})", "quota"},
    {"Subscription", 429, R"({"error":{"message":"Subscription quota exceeded. You can continue using free models.","type":"error"}})", "quota"},
    {"CreditsError401", 401, R"({"type":"CreditsError","message":"Insufficient balance"})", "quota"},
    {"Credits403", 403, R"({"code":"The caller does not have permission","error":"Your team has either used all available credits or reached its monthly spending limit."})", "quota"},
    {"Anthropic400", 400, R"({"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}})", "quota"},
    {"OpenRouter402", 402, R"({"error":{"message":"Prompt tokens limit exceeded: 36163 > 29652. To increase, visit openrouter.ai/settings/credits","code":402}})", "quota"},
    {"OpenRouter402In200", kInA200, R"({"error":{"message":"This request requires more credits","code":402}})", "quota"},
    {"Qwen400", 400, R"({"error":{"code":"Arrearage","type":"Arrearage","message":"Access denied, please make sure your account is in good standing."}})", "quota"},
    {"QwenFreeTier403", 403, R"({"error":{"code":"AllocationQuota.FreeTierOnly","message":"The free tier of the model has been exhausted."}})", "quota"},
    {"Doubao403", 403, R"({"error":{"code":"AccountOverdueError","type":"Forbidden","message":"The request failed because your account has an overdue balance."}})", "quota"},
    {"SiliconFlow403", 403, R"({"code":30001,"message":"Sorry, your account balance is insufficient","data":null})", "quota"},
    {"LitellmBudget400", 400, R"({"error":{"message":"Budget has been exceeded! Current cost: 2, Max budget: 1","type":"budget_exceeded","param":null,"code":"400"}})", "quota"},
    {"NewApi403", 403, R"({"error":{"message":"用户额度不足","type":"new_api_error","code":"insufficient_user_quota"}})", "quota"},
    {"OpenRouterKey403", 403, R"({"error":{"message":"Key limit exceeded (total limit).","code":403}})", "quota"},
    {"CohereTrial429", 429, R"({"message":"You are using a Trial key, which is limited to 1000 API calls / month."})", "quota"},
    {"NewApiWithoutAChannel503", 503, R"({"error":{"message":"no channel","type":"new_api_error","code":"model_not_found"}})", "overload"},
    {"MiniMaxIn200", kInA200, R"({"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}})", "quota"},
    {"Nested429", 429, R"({"error":{"message":"{\n  \"error\": {\n    \"code\": 429,\n    \"message\": \"You exceeded your current quota, please check your plan and billing details.\" }}","code":429,"status":"Too Many Requests"}})",
     "quota"},
    {"RouterOfARouter", 429, R"({"error":{"message":"Error from provider(zai,glm: 429): {\"error\":{\"code\":\"1113\",\"message\":\"m\"}}Error: again","type":"api_error","code":"provider_response_error"}})",
     "quota"},
    {"GatewaysParam", 429, R"({"error":{"message":"","type":"AI_APICallError","param":{"error":"Insufficient balance or no resource package.","statusCode":429}}})", "quota"},
    {"InAnEvent", kInA200, R"({"error":{"message":"Insufficient Balance","type":"api_error"}})", "quota"},
    {"GeminiADay", 429, R"([{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"You exceeded your current quota.","details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]},{"retryDelay":"33s"}]}}])",
     "quota"},
    // A rate.
    {"GeminiAMinute", 429, R"([{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"You exceeded your current quota, please check your plan. Please retry in 33.5s.","details":[{"violations":[{"quotaId":"GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}]},{"retryDelay":"33s"}]}}])",
     "rate_limited"},
    {"VertexExhausted", 429, R"([{"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED"}}])", "rate_limited"},
    {"GeminiIn200", kInA200, R"([{"error":{"code":429,"message":"gone","status":"RESOURCE_EXHAUSTED"}}])", "rate_limited"},
    {"Azure", 429, R"({"error":{"code":"429","message":"Requests to the API have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 12 seconds. Please go here: https://aka.ms/oai/quotaincrease"}})",
     "rate_limited"},
    {"ZaiBusy", 429, R"({"error":{"code":"1305","message":"m"}})", "rate_limited"},
    {"ZaiAtOnceIn200", kInA200, R"({"error":{"code":"1302","message":"m"}})", "rate_limited"},
    {"MiniMaxRateIn200", kInA200, R"({"base_resp":{"status_code":1002,"status_msg":"rate limit"}})", "rate_limited"},
    {"Bedrock400", 400, R"({"__type":"com.amazon.coral.service#ThrottlingException","message":"slow down"})", "rate_limited"},
    {"Qwen", 429, R"({"code":"Throttling.RateQuota","message":"Requests rate limit exceeded","request_id":"r"})", "rate_limited"},
    {"Doubao400", 400, R"({"error":{"code":"RateLimitExceeded.EndpointTPMExceeded","message":"m"}})", "rate_limited"},
    {"Github403", 403, R"({"message":"You have exceeded a secondary rate limit. Please wait a few minutes"})", "rate_limited"},
    {"CodeTextInAnEvent", kInA200, R"({"error":{"message":"slow","code":"429"}})", "rate_limited"},
    {"CodeTextInA400", 400, R"({"error":{"message":"slow","code":"429"}})", "rate_limited"},
    {"WordsInAnEvent", kInA200, R"({"error":{"message":"Too many requests, slow down"}})", "rate_limited"},
    {"Fault", 429, R"({"fault":{"faultstring":"Rate limit quota violation","detail":{"errorcode":"policies.ratelimit.QuotaViolation"}}})", "rate_limited"},
    // Overload and failures.
    {"AnthropicIn200", kInA200, R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})", "overload"},
    {"GeminiOverloadIn200", kInA200, R"([{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}])", "overload"},
    {"CodeText503", kInA200, R"({"error":{"message":"m","code":"503"}})", "overload"},
    {"LitellmOverload500", 500, R"({"error":{"message":"litellm.InternalServerError: AnthropicException - {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}","code":"500"}})",
     "server_error"},
    {"OwnShapeIn200", kInA200, R"({"code":500,"msg":"404 NOT_FOUND","success":false})", "server_error"},
    {"OwnShapeIn400", 400, R"({"code":500,"msg":"it broke","success":false})", "server_error"},
    {"OpenRouter502In200", kInA200, R"({"error":{"code":502,"message":"Provider returned error"}})", "server_error"},
    {"UnknownIn200", kInA200, R"({"error":{"message":"something new"}})", "server_error"},
    // The model failed: another try may do.
    {"GroqTool", 400, Error("Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details.", R"("tool_use_failed")"), "server_error"},
    {"GroqJson", 400, Error("Failed to generate JSON.", R"("json_validate_failed")"), "server_error"},
    {"GroqToolIn200", kInA200, Error("tool call validation failed: attempted to call tool 'x'"), "server_error"},
    // Content.
    {"OpenRouterModeration", 403, R"({"error":{"code":403,"message":"Input flagged","metadata":{"reasons":["violence"],"flagged_input":"x","provider_name":"OpenAI"}}})", "refused"},
    {"XAiGuidelines", 403, R"({"code":"The caller does not have permission","error":"Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"})", "refused"},
    {"OpenAiPrompt", 400, Error("Invalid prompt: your prompt was flagged as potentially violating our usage policy.", R"("invalid_prompt")"), "refused"},
    {"DeepSeekRisk", 400, Error("Content Exists Risk"), "refused"},
    {"QwenInspection", 400, R"({"error":{"code":"data_inspection_failed","message":"Input data may contain inappropriate content."}})", "refused"},
    {"QwenInspectionIn400", 400, Error("<400> InternalError.Algo.DataInspectionFailed: Input text data may contain inappropriate content."), "refused"},
    {"DoubaoSensitive", 400, R"({"error":{"code":"InputTextSensitiveContentDetected","message":"m"}})", "refused"},
    {"Zai1301", 400, R"({"error":{"code":"1301","message":"m"}})", "refused"},
    {"MiniMaxSensitiveIn200", kInA200, R"({"base_resp":{"status_code":1026,"status_msg":"input new_sensitive"}})", "refused"},
    {"KimiHighRisk", 400, R"({"error":{"type":"content_filter","message":"The request was rejected because it was considered high risk"}})", "refused"},
    {"AzureFilter", 400, R"({"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","code":null}})", "refused"},
    {"AnthropicFilter", 400, R"({"type":"error","error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"}})", "refused"},
    // Model and credential.
    {"DeepSeekModel", 400, Error("Model Not Exist"), "not_found"},
    {"OpenRouterModel", 400, R"({"error":{"message":"foo/bar is not a valid model ID","code":400}})", "not_found"},
    {"OllamaModel", 400, R"({"error":"model \"llama9\" not found, try pulling it first"})", "not_found"},
    {"OpenAiProject403", 403, Error("Project `p` does not have access to model `m`", R"("model_not_found")"), "not_found"},
    {"AzureDeployment", 404, R"({"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}})", "not_found"},
    {"SiliconFlowModel", 400, R"({"code":20012,"message":"Model does not exist. Please check it carefully.","data":null})", "not_found"},
    {"GeminiKey400", 400, R"([{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}])", "auth"},
    {"XAiKey400", 400, R"({"code":"Client specified an invalid argument","error":"Incorrect API key provided: xa***1."})", "auth"},
    {"MiniMaxKeyIn200", kInA200, R"({"base_resp":{"status_code":1004,"status_msg":"login fail"}})", "auth"},
    {"Firewall403", 403, "<html><title>403 Forbidden</title>billing: payment required</html>", "auth"},
    {"MiniMaxParamsIn200", kInA200, R"({"base_resp":{"status_code":2013,"status_msg":"invalid params"}})", "caller"},
    {"InvalidRequestIn200", kInA200, Error("Unknown parameter"), "caller"},
    // A caller's words in a refusal bench nobody.
    {"EchoFarBehind", 400, Error(std::string(300, 'x') + " insufficient balance, please recharge"), "caller"},
    {"WordInAWord", 400, Error("generate limit exceeded"), "caller"},
};

INSTANTIATE_TEST_SUITE_P(Context, ErrorWords, testing::ValuesIn(kContext), [](const auto& info) { return info.param.name; });
INSTANTIATE_TEST_SUITE_P(Others, ErrorWords, testing::ValuesIn(kOthers), [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sluice
