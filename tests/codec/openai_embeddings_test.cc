// Embeddings in the OpenAI format: what is sent, and what is made of answers,
// fed in any split.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/codec/json_list_splitter.h"
#include "server/codec/wire_format.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {
namespace {

v1::EmbedRequest Ask(std::vector<std::string> inputs) {
  v1::EmbedRequest request;
  request.set_model("caller");
  for (std::string& input : inputs) request.add_inputs(std::move(input));
  return request;
}

TEST(OpenAiEmbedRequestTest, SaysModelInputsDimensionsAndFloats) {
  v1::EmbedRequest request = Ask({"a", "\"q\"\n"});
  request.set_dimensions(256);
  (*request.mutable_extras_json())["openai"] = R"({"user": "u"})";
  (*request.mutable_extras_json())["anthropic"] = R"({"not": "ours"})";
  const auto encoded = OpenAiFormat().EncodeEmbed(request, "text-embedding-3-small");
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  EXPECT_EQ(encoded->path, "/embeddings");
  EXPECT_EQ(encoded->body, R"({"model":"text-embedding-3-small","input":["a","\"q\"\n"],"encoding_format":"float",)"
                           R"("dimensions":256,"user": "u"})");
}

TEST(OpenAiEmbedRequestTest, RefusesExtrasThatSluiceSets) {
  for (const char* key : {"model", "input", "dimensions", "encoding_format"}) {
    v1::EmbedRequest request = Ask({"a"});
    (*request.mutable_extras_json())["openai"] = absl::StrCat("{\"", key, "\": 1}");
    const auto encoded = OpenAiFormat().EncodeEmbed(request, "m");
    EXPECT_EQ(encoded.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(encoded.status().message().find(key), std::string::npos) << encoded.status();
  }
}

TEST(OpenAiEmbedRequestTest, AFormatWithoutEmbeddingsSaysSo) {
  class Other : public WireFormat {
    std::string_view name() const override { return "other"; }
    absl::StatusOr<EncodedRequest> EncodeChat(const v1::ChatRequest&, std::string_view, const Dialect&) const override {
      return EncodedRequest();
    }
    std::vector<std::pair<std::string, std::string>> AuthHeaders(std::string_view) const override { return {}; }
    bool AcceptsContentType(std::string_view) const override { return true; }
    std::unique_ptr<ResponseDecoder> NewDecoder(const AnswerOptions&) const override { return nullptr; }
    UpstreamError ReadError(int, std::string_view) const override { return {}; }
  };
  const Other other;
  const WireFormat& format = other;
  EXPECT_EQ(format.EncodeEmbed(Ask({"a"}), "m").status().message(),
            "model: wire format \"other\" has no embeddings");
  EXPECT_FALSE(format.AcceptsEmbedContentType("application/json"));
}

// "index=values;…usage=in/total" and how it ended.
struct Decoded : StreamEventHandler {
  void OnEvent(const StreamEvent& event) override {
    if (event.kind == StreamEvent::Kind::kEmbedding) {
      EXPECT_TRUE(event.is_content());
      absl::StrAppend(&log, event.choice, "=");
      for (const float value : event.embedding) absl::StrAppend(&log, value, ",");
      log += ";";
    } else if (event.kind == StreamEvent::Kind::kUsage) {
      absl::StrAppend(&log, "usage=", event.usage->input_tokens.value_or(-1), "/",
                      event.usage->total_tokens.value_or(-1));
    }
  }
  std::string log;
  ResponseDecoder::State state = ResponseDecoder::State::kMore;
  UpstreamError error;
};

Decoded Decode(std::string_view json, EmbedShape shape, size_t step, size_t max_bytes = 1 << 20) {
  AnswerOptions limits;
  limits.max_event_bytes = max_bytes;
  auto decoder = OpenAiFormat().NewEmbedDecoder(limits, shape);
  Decoded decoded;
  for (size_t at = 0; at < json.size(); at += step) {
    // A copy of its own, so that a read past the piece is found.
    const std::string piece(json.substr(at, step));
    decoder->Feed(piece, decoded);
  }
  decoded.state = decoder->End(decoded);
  if (decoded.state == ResponseDecoder::State::kFailed) decoded.error = decoder->error();
  return decoded;
}

constexpr char kAnswer[] =
    R"( {"object":"list","model":"data","note":{"data":[{"x":1}]},"data":[ {"object":"embedding","index":1,)"
    R"("embedding":[0.5,-1e-2,3]}, {"embedding":[1,2,0.25],"index":0,"t":"]}\"{["} ],)"
    R"("usage":{"prompt_tokens":5,"total_tokens":5}} )";

TEST(OpenAiEmbeddingsTest, EverySplitGivesTheSameVectors) {
  const std::string want = "1=0.5,-0.01,3,;0=1,2,0.25,;usage=5/5";
  for (size_t step = 1; step < sizeof(kAnswer); ++step) {
    const Decoded decoded = Decode(kAnswer, {2, 3}, step);
    ASSERT_EQ(decoded.state, ResponseDecoder::State::kDone) << step << ": " << decoded.error.message;
    ASSERT_EQ(decoded.log, want) << step;
  }
}

TEST(OpenAiEmbeddingsTest, AnAnswerCutAnywhereIsAResetAndNeverWhole) {
  const std::string_view whole = kAnswer;
  for (size_t size = 0; size + 1 < whole.size() - 1; ++size) {
    const Decoded decoded = Decode(whole.substr(0, size), {2, 3}, 7);
    ASSERT_EQ(decoded.state, ResponseDecoder::State::kFailed) << size;
    ASSERT_EQ(decoded.error.kind, FailureKind::kReset) << size << decoded.error.message;
  }
}

TEST(OpenAiEmbeddingsTest, WithoutIndexesTheOrderCounts) {
  const Decoded decoded = Decode(R"({"data":[{"embedding":[1]},{"embedding":[2]}]})", {2, 0}, 100);
  EXPECT_EQ(decoded.state, ResponseDecoder::State::kDone);
  EXPECT_EQ(decoded.log, "0=1,;1=2,;");
}

struct Misfit {
  const char* name;
  const char* json;
  const char* message;
};

class OpenAiEmbeddingsMisfit : public testing::TestWithParam<Misfit> {};

TEST_P(OpenAiEmbeddingsMisfit, IsAFailureOfTheProtocolThatSaysWhy) {
  for (const size_t step : {size_t{1}, size_t{1000}}) {
    const Decoded decoded = Decode(GetParam().json, {2, 2}, step);
    ASSERT_EQ(decoded.state, ResponseDecoder::State::kFailed);
    EXPECT_EQ(decoded.error.kind, FailureKind::kProtocol);
    EXPECT_NE(decoded.error.message.find(GetParam().message), std::string::npos) << decoded.error.message;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Answers, OpenAiEmbeddingsMisfit,
    testing::Values(
        Misfit{"TooFew", R"({"data":[{"index":0,"embedding":[1,2]}]})", "1 embeddings for 2 inputs"},
        Misfit{"None", R"({"data":[]})", "0 embeddings for 2 inputs"},
        Misfit{"NoData", R"({"hello":1})", "0 embeddings for 2 inputs"},
        Misfit{"TooMany", R"({"data":[{"index":2,"embedding":[1,2]}]})", "index 2 for 2 inputs"},
        Misfit{"Negative", R"({"data":[{"index":-7,"embedding":[1,2]}]})", "index -7 for 2 inputs"},
        Misfit{"Twice", R"({"data":[{"index":1,"embedding":[1,2]},{"index":1,"embedding":[1,2]}]})", "two embeddings"},
        Misfit{"WrongLength", R"({"data":[{"index":0,"embedding":[1,2,3]}]})", "3 values where 2 must come"},
        Misfit{"Text", R"({"data":[{"index":0,"embedding":"AAAA"}]})", "no array of numbers"},
        Misfit{"Null", R"({"data":[{"index":0,"embedding":[null,1]}]})", "malformed embedding"},
        Misfit{"Huge", R"({"data":[{"index":0,"embedding":[1e300,1]}]})", "malformed embedding"},
        Misfit{"Numbers", R"({"data":[1,2]})", "malformed JSON"},
        Misfit{"NoComma", R"({"data":[{"index":0,"embedding":[1,2]}{"index":1,"embedding":[1,2]}]})", "malformed JSON"},
        Misfit{"TrailingComma", R"({"data":[{"index":0,"embedding":[1,2]},]})", "malformed JSON"},
        Misfit{"Array", R"([{"index":0}])", "malformed JSON"},
        Misfit{"Page", "<html>", "malformed JSON"},
        Misfit{"BrokenAround", R"({"model" "x","data":[{"index":0,"embedding":[1,2]},{"index":1,"embedding":[1,2]}]})",
               "malformed JSON"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(OpenAiEmbeddingsTest, AnErrorObjectIsReadAsInChat) {
  const Decoded decoded =
      Decode(R"({"error":{"message":"slow down","type":"rate_limit_error","code":"rate_limit_exceeded"}})", {1, 0}, 9);
  EXPECT_EQ(decoded.error.kind, FailureKind::kRateLimited);
  EXPECT_EQ(decoded.error.message, "slow down");
}

TEST(OpenAiEmbeddingsTest, NoPieceIsHeldBeyondItsBound) {
  const std::string numbers(3000, '1');
  const std::string element = absl::StrCat(R"({"data":[{"index":0,"embedding":[)", numbers, "]}]}");
  EXPECT_EQ(Decode(element, {1, 0}, 100, 2000).error.kind, FailureKind::kProtocol);
  const std::string around = absl::StrCat(R"({"x":")", numbers, R"(","data":[{"index":0,"embedding":[1]}]})");
  EXPECT_EQ(Decode(around, {1, 0}, 100, 2000).error.kind, FailureKind::kProtocol);
  EXPECT_EQ(Decode(around, {1, 0}, 100).state, ResponseDecoder::State::kDone);
}

TEST(OpenAiEmbeddingsTest, ABadParameterNamesTheCallersField) {
  const UpstreamError error = OpenAiFormat().ReadError(
      400, R"({"error":{"message":"too long","type":"invalid_request_error","param":"input[3]"}})");
  EXPECT_EQ(error.kind, FailureKind::kCaller);
  EXPECT_EQ(error.field, "inputs");
}

}  // namespace
}  // namespace sluice
