// The shapes that errors come in, and what they tell beside their kind: the
// message, the field, a time to wait.
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "server/codec/error_text.h"
#include "server/codec/openai_error.h"
#include "server/codec/wire_format.h"

namespace sluice {
namespace {

TEST(ErrorIn200Test, WhatTellsOfNoErrorIsNone) {
  for (const char* json : {
           R"({"id":"x","object":"chat.completion.chunk","usage":{"total_tokens":5}})",
           R"({"id":"x","error":null})", R"({"id":"x","error":""})", R"({"id":"x","error":{}})", R"({"id":"x","error":false})",
           R"({"code":0,"message":"success"})", R"({"code":"200","msg":"ok","success":true})",
           R"({"id":"x","base_resp":{"status_code":0,"status_msg":""}})", R"({"type":"ping"})",
           R"({"type":"status","message":"queued"})", R"({"object":"progress","message":"loading the model"})",
           R"({"status":"processing","message":"please hold on"})", R"({"model":"m","message":{"role":"assistant","content":"hi"}})",
           R"([])", R"([1])", R"({})", R"("text")", "no json", "", "{"}) {
    EXPECT_FALSE(ReadOpenAiErrorIn200(json).has_value()) << json;
  }
}

TEST(ErrorIn200Test, TellsTheMessageInEveryShape) {
  for (const char* json : {
           R"({"error":{"message":"it broke"}})", R"({"error":"it broke"})", R"([{"error":{"message":"it broke"}}])",
           R"({"object":"error","message":"it broke","type":"BadRequestError"})", R"({"type":"error","message":"it broke"})",
           R"({"detail":"it broke"})", R"({"detail":{"message":"it broke"}})", R"({"detail":{"error":{"message":"it broke"}}})",
           R"({"code":500,"msg":"it broke","success":false})", R"({"code":"InternalError","message":"it broke"})",
           R"({"error_code":336501,"error_msg":"it broke"})", R"({"success":false,"errorMessage":"it broke"})",
           R"({"base_resp":{"status_code":1000,"status_msg":"it broke"}})", R"({"errors":[{"message":"it broke","code":7}]})",
           R"({"error":{"error":{"message":"it broke"}}})", R"({"error":{"message":{"detail":"it broke"}}})",
           R"({"error_type":"overloaded","error":"it broke"})", R"({"fault":{"faultstring":"it broke"}})",
           R"({"type":"CreditsError","message":"it broke"})", R"({"message":"it broke"})",
           R"({"error":{"message":"{\"error\":{\"message\":\"it broke\"}}"}})", R"({"error":true,"message":"it broke"})"}) {
    const auto error = ReadOpenAiErrorIn200(json);
    ASSERT_TRUE(error.has_value()) << json;
    EXPECT_EQ(error->message, "it broke") << json;
  }
}

TEST(ErrorIn200Test, SaysWhatTheProviderBehindSaid) {
  const auto error = ReadOpenAiErrorIn200(
      R"({"error":{"code":502,"message":"Provider returned error","metadata":{"raw":"{\"error\":{\"message\":\"out of memory\"}}"}}})");
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->message, "Provider returned error: out of memory");
}

TEST(ErrorFieldTest, IsTheCallersInEveryShape) {
  struct Row {
    const char* body;
    const char* field;
  };
  for (const Row& row : {
           Row{R"({"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted"}]}})",
               "sampling.seed"},
           Row{R"({"detail":[{"loc":["body","messages",0,"content"],"msg":"Field required"}]})", "messages"},
           Row{R"({"error":{"message":"Unsupported parameter: 'seed' is not supported with this model."}})", "sampling.seed"},
           Row{R"({"error":{"message":"Unrecognized request argument supplied: parallel_tool_calls"}})", "tool_choice.parallel_tool_calls"},
           Row{R"({"error":{"code":400,"message":"m","details":[{"fieldViolations":[{"field":"temperature"}]}]}})", "sampling.temperature"},
           Row{R"({"error":{"message":"it is 'nothing' that we know: x"}})", ""},
       }) {
    const UpstreamError error = ReadOpenAiError(422, row.body);
    EXPECT_EQ(TraitsOf(error.kind).name, "caller") << row.body;
    EXPECT_EQ(error.field, row.field) << row.body;
  }
}

TEST(ErrorFieldTest, AValidationSaysWhereAndWhat) {
  EXPECT_EQ(ReadOpenAiError(422, R"({"detail":[{"loc":["body","messages",0,"content"],"msg":"Field required"}]})").message,
            "messages.0.content: Field required");
}

struct RetryRow {
  const char* body;
  double seconds;  // negative: none
};

TEST(ErrorRetryAfterTest, IsReadFromTheBody) {
  for (const RetryRow& row : {
           RetryRow{R"({"error":{"message":"Rate limit reached. Please try again in 5.289s."}})", 5.289},
           RetryRow{R"([{"error":{"code":429,"message":"gone","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"33s"}]}}])", 33},
           RetryRow{R"({"error":{"message":"slow down","retry_after":7}})", 7},
           RetryRow{R"({"error":{"message":"slow down","metadata":{"retry_after_ms":"1500"}}})", 1.5},
           RetryRow{R"({"error":{"message":"Provider returned error","metadata":{"raw":"rate-limited upstream. Please retry in 4s"}}})", 4},
           RetryRow{R"({"error":{"message":"litellm.RateLimitError: {\"error\":{\"message\":\"try again in 2m\"}}"}})", 120},
           RetryRow{R"({"error":{"message":"slow down"},"retry_after":3})", 3},
           RetryRow{"Too fast, wait 30 seconds.", 30},
           RetryRow{R"({"error":{"message":"try again in 90000 s"}})", 3600},
           RetryRow{R"({"error":{"message":"slow down"}})", -1},
       }) {
    const UpstreamError error = ReadOpenAiError(429, row.body);
    if (row.seconds < 0) {
      EXPECT_FALSE(error.retry_after.has_value()) << row.body;
    } else {
      ASSERT_TRUE(error.retry_after.has_value()) << row.body;
      EXPECT_EQ(*error.retry_after, absl::Seconds(row.seconds)) << row.body;
    }
  }
}

TEST(ErrorRetryAfterTest, IsOfAFailureThatTimeMends) {
  EXPECT_FALSE(ReadOpenAiError(400, R"({"error":{"message":"Wrong. Fix it, then try again in 5s"}})").retry_after.has_value());
  EXPECT_EQ(ReadOpenAiError(503, R"({"error":{"message":"Loading. Try again in 5s"}})").retry_after, absl::Seconds(5));
  const auto in_stream = ReadOpenAiErrorIn200(R"({"error":{"message":"Rate limit reached, try again in 2s","code":"rate_limit_exceeded"}})");
  ASSERT_TRUE(in_stream.has_value());
  EXPECT_EQ(in_stream->retry_after, absl::Seconds(2));
}

TEST(StreamErrorTest, ReadsWhatTheChunkHolds) {
  OpenAiErrorFields fields;
  fields.present = true;
  fields.message = R"(litellm.RateLimitError: {"error":{"message":"try again in 2s","code":"1113"}})";
  fields.code = "429";
  UpstreamError error = ClassifyOpenAiStreamError(fields);
  EXPECT_EQ(TraitsOf(error.kind).name, "quota");
  EXPECT_EQ(error.retry_after, absl::Seconds(2));
  fields = OpenAiErrorFields();
  fields.message = "This model's maximum context length is 8192 tokens";
  error = ClassifyOpenAiStreamError(fields);
  EXPECT_TRUE(error.context_exceeded);
  EXPECT_EQ(ClassifyOpenAiStreamError(OpenAiErrorFields()).message, "an error event without a message");
}

TEST(StreamErrorTest, AnEventThatIsCalledAnErrorIsOneInAnyShape) {
  struct Row {
    const char* data;
    const char* kind;
    const char* message;
  };
  for (const Row& row : {
           Row{R"({"id":"x","message":"Rate limit exceeded"})", "rate_limited", "Rate limit exceeded"},
           Row{R"({"error":{"code":"503","message":"busy"}})", "overload", "busy"},
           Row{"upstream prompt is too long: 9 tokens", "caller", "upstream prompt is too long: 9 tokens"},
           Row{"it broke", "server_error", "it broke"},
           Row{"{}", "server_error", "an error event without a message"},
           Row{"", "server_error", "an error event without a message"},
       }) {
    const UpstreamError error = ReadOpenAiErrorEvent(row.data);
    EXPECT_EQ(TraitsOf(error.kind).name, row.kind) << row.data;
    EXPECT_EQ(error.message, row.message);
  }
}

TEST(ErrorBodyTest, ErrorsWithinErrorsEnd) {
  std::string body = R"({"message":"deep"})";
  for (int i = 0; i < 200; ++i) body = R"({"error":)" + body + "}";
  EXPECT_EQ(ReadOpenAiError(500, body).message, "HTTP 500 without a message");
}

TEST(RedirectTextTest, TellsThePlaceWithoutSecrets) {
  EXPECT_EQ(RedirectText(307, "https://b.example:8443/v1/chat/completions"), "redirected (307) to https://b.example:8443/v1/chat/completions");
  EXPECT_EQ(RedirectText(308, "https://user:pw@b/v1?api_key=s#f"), "redirected (308) to https://b/v1");
  EXPECT_EQ(RedirectText(302, "//u:p@b/x@y"), "redirected (302) to //b/x@y");
  EXPECT_EQ(RedirectText(301, "/other/@path?q=1"), "redirected (301) to /other/@path");
  EXPECT_EQ(RedirectText(301, "https://b/\x01\r\nX: y"), "redirected (301) to https://b/ X: y");
  EXPECT_LT(RedirectText(301, std::string(10'000, 'x')).size(), 300u);
}

}  // namespace
}  // namespace sluice
