#include <gtest/gtest.h>

#include "server/codec/wire_format.h"

namespace sluice {
namespace {

struct ErrorCase {
  std::string name;
  int status;
  std::string body;
  FailureKind kind;
  std::string message;
  std::string code = "";
  std::string field = "";
};

class OpenAiErrorTest : public testing::TestWithParam<ErrorCase> {};

TEST_P(OpenAiErrorTest, IsRead) {
  const UpstreamError error = OpenAiFormat().ReadError(GetParam().status, GetParam().body);
  EXPECT_EQ(TraitsOf(error.kind).name, TraitsOf(GetParam().kind).name);
  EXPECT_EQ(error.message, GetParam().message);
  EXPECT_EQ(error.code, GetParam().code);
  EXPECT_EQ(error.field, GetParam().field);
}

const ErrorCase kErrors[] = {
    {"RateLimit429", 429, R"({"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}})",
     FailureKind::kRateLimited, "Rate limit reached", "rate_limit_exceeded"},
    {"Quota429", 429, R"({"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}})",
     FailureKind::kQuota, "You exceeded your current quota", "insufficient_quota"},
    {"QuotaByType429", 429, R"({"error":{"message":"q","type":"insufficient_quota","code":null}})", FailureKind::kQuota, "q", "insufficient_quota"},
    {"Quota403", 403, R"({"error":{"message":"q","code":"billing_hard_limit_reached"}})", FailureKind::kQuota, "q", "billing_hard_limit_reached"},
    {"Payment402", 402, R"({"error":{"message":"Insufficient Balance","type":"unknown_error"}})", FailureKind::kQuota,
     "Insufficient Balance", "unknown_error"},
    {"Key401", 401, R"({"error":{"message":"Incorrect API key provided: sk-1234567890.","type":"invalid_request_error","code":"invalid_api_key"}})",
     FailureKind::kAuth, "Incorrect API key provided: [redacted]", "invalid_api_key"},
    {"Region403", 403, R"({"error":{"message":"Country not supported","type":"request_forbidden"}})", FailureKind::kAuth,
     "Country not supported", "request_forbidden"},
    {"Key400AsGemini", 400, R"([{"error":{"code":400,"message":"Bad key","type":"authentication_error"}}])", FailureKind::kAuth, "Bad key", "400"},
    {"Model404", 404, R"({"error":{"message":"The model does not exist","type":"invalid_request_error","code":"model_not_found"}})",
     FailureKind::kNotFound, "The model does not exist", "model_not_found"},
    {"Param400", 400, R"({"error":{"message":"Invalid 'temperature'","type":"invalid_request_error","param":"temperature","code":null}})",
     FailureKind::kCaller, "Invalid 'temperature'", "invalid_request_error", "sampling.temperature"},
    {"ParamMessages400", 400, R"({"error":{"message":"m","param":"messages.[2].content","type":"invalid_request_error"}})",
     FailureKind::kCaller, "m", "invalid_request_error", "messages"},
    {"Detail422", 422, R"({"detail":[{"loc":["body","max_tokens"],"msg":"must be positive","type":"value_error"}]})",
     FailureKind::kCaller, "max_tokens: must be positive", "", "sampling.max_output_tokens"},
    {"DetailText400", 400, R"({"detail":"no such thing"})", FailureKind::kCaller, "no such thing"},
    {"TooLarge413", 413, "", FailureKind::kCaller, "HTTP 413 without a message"},
    {"Context400", 400, R"({"error":{"message":"maximum context length is 8192","code":"context_length_exceeded","param":"messages"}})",
     FailureKind::kCaller, "maximum context length is 8192", "context_length_exceeded", "messages"},
    {"Filter400", 400, R"({"error":{"message":"flagged","code":"content_policy_violation"}})", FailureKind::kRefused, "flagged", "content_policy_violation"},
    {"FilterAzure400", 400, R"({"error":{"message":"filtered","code":"BadRequest","innererror":{"code":"ResponsibleAIPolicyViolation"}}})",
     FailureKind::kRefused, "filtered", "ResponsibleAIPolicyViolation"},
    {"Old400AsVllm", 400, R"({"object":"error","message":"too long","type":"BadRequestError","code":400})", FailureKind::kCaller, "too long", "400"},
    {"Server500", 500, R"({"error":{"message":"The server had an error","type":"server_error"}})", FailureKind::kServerError,
     "The server had an error", "server_error"},
    // What an account or a request is accused of in a 5xx is the upstream's
    // failure all the same.
    {"ACallersCodeChangesNo500", 500, R"({"error":{"message":"m","type":"invalid_request_error","code":"content_filter"}})",
     FailureKind::kServerError, "m", "content_filter"},
    {"AnAccountsCodeChangesNo500", 500, R"({"error":{"message":"insufficient balance","code":"insufficient_quota"}})",
     FailureKind::kServerError, "insufficient balance", "insufficient_quota"},
    {"AnAccountsCodeChangesNo503", 503, R"({"error":{"message":"m","code":"insufficient_quota"}})", FailureKind::kOverload, "m", "insufficient_quota"},
    {"ACredentialsCodeChangesNo502", 502, R"({"error":{"message":"m","code":"invalid_api_key"}})", FailureKind::kServerError, "m", "invalid_api_key"},
    {"ARateChangesNo500", 500, R"({"error":{"message":"Rate limit exceeded","code":"429"}})", FailureKind::kServerError, "Rate limit exceeded", "429"},
    {"ACodeChangesNo408", 408, R"({"error":{"message":"m","code":"model_not_found"}})", FailureKind::kServerError, "m", "model_not_found"},
    {"Overload503", 503, R"({"error":"overloaded"})", FailureKind::kOverload, "overloaded"},
    {"Overload529", 529, R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})", FailureKind::kOverload, "Overloaded", "overloaded_error"},
    {"Page502", 502, "<html>\n<head><title>502 Bad Gateway</title></head><body>nginx</body></html>", FailureKind::kServerError, "502 Bad Gateway"},
    {"PageWithoutTitle504", 504, "<!DOCTYPE html><p>x", FailureKind::kServerError, "HTTP 504 with an HTML page"},
    {"PlainText503", 503, "upstream connect error\r\n", FailureKind::kOverload, "upstream connect error"},
    {"Empty500", 500, "", FailureKind::kServerError, "HTTP 500 without a message"},
    {"Timeout408", 408, "", FailureKind::kServerError, "HTTP 408 without a message"},
};

INSTANTIATE_TEST_SUITE_P(Errors, OpenAiErrorTest, testing::ValuesIn(kErrors), [](const auto& info) { return info.param.name; });

TEST(OpenAiErrorReadTest, DeepNestingDoesNotUseUpTheStack) {
  const std::string body(1 << 20, '[');
  EXPECT_EQ(OpenAiFormat().ReadError(500, body).kind, FailureKind::kServerError);
}

}  // namespace
}  // namespace sluice
