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
  const auto encoded = OpenAiFormat().EncodeEmbed(request, "text-embedding-3-small", Dialect());
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  EXPECT_EQ(encoded->path, "/embeddings");
  EXPECT_EQ(encoded->body, R"({"model":"text-embedding-3-small","input":["a","\"q\"\n"],"encoding_format":"float",)"
                           R"("dimensions":256,"user": "u"})");
}

TEST(OpenAiEmbedRequestTest, RefusesExtrasThatSluiceSets) {
  for (const char* key : {"model", "input", "dimensions", "encoding_format"}) {
    v1::EmbedRequest request = Ask({"a"});
    (*request.mutable_extras_json())["openai"] = absl::StrCat("{\"", key, "\": 1}");
    const auto encoded = OpenAiFormat().EncodeEmbed(request, "m", Dialect());
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
    std::unique_ptr<ResponseDecoder> NewDecoder(const AnswerOptions&) const override { return nullptr; }
    UpstreamError ReadError(int, std::string_view) const override { return {}; }
  };
  const Other other;
  const WireFormat& format = other;
  EXPECT_EQ(format.EncodeEmbed(Ask({"a"}), "m", Dialect()).status().message(),
            "model: wire format \"other\" has no embeddings");
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

struct OddAnswer {
  const char* name;
  const char* json;
};

void PrintTo(const OddAnswer& answer, std::ostream* out) { *out << answer.name; }

// What servers answer with instead of {"data": [{"index": 0, "embedding": [1, 0]}, …]}.
class OpenAiEmbeddingsOdd : public testing::TestWithParam<OddAnswer> {};

TEST_P(OpenAiEmbeddingsOdd, GivesTheSameVectorsInEverySplit) {
  const std::string_view json = GetParam().json;
  for (size_t step = 1; step <= json.size(); ++step) {
    const Decoded decoded = Decode(json, {2, 0}, step);
    ASSERT_EQ(decoded.state, ResponseDecoder::State::kDone) << step << ": " << decoded.error.message;
    std::string log = decoded.log;
    if (log.starts_with("1=0,1,;0=1,0,;")) log = "0=1,0,;1=0,1,;" + log.substr(14);
    ASSERT_EQ(log, "0=1,0,;1=0,1,;usage=2/2") << step;
  }
}

TEST_P(OpenAiEmbeddingsOdd, CutAnywhereIsNeverWhole) {
  const std::string_view json = GetParam().json;
  for (size_t size = 0; size < json.size(); ++size) {
    EXPECT_EQ(Decode(json.substr(0, size), {2, 0}, 5).state, ResponseDecoder::State::kFailed) << size;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Answers, OpenAiEmbeddingsOdd,
    testing::Values(
        OddAnswer{"Base64", R"({"data":[{"embedding":"AACAPwAAAAA=","index":0},{"embedding":"AAAAAAAAgD8=","index":1}],"usage":{"prompt_tokens":2,"total_tokens":2}})"},
        OddAnswer{"Base64Escaped", R"({"data":[{"embedding":"AACAPwAAAAA="},{"embedding":"AAAAAAAAgD8"}],"usage":{"prompt_tokens":2,"total_tokens":2}})"},
        OddAnswer{"IndexZeroEverywhere", R"({"data":[{"embedding":[1,0],"index":0},{"embedding":[0,1],"index":0}],"usage":{"prompt_tokens":2,"total_tokens":2}})"},
        OddAnswer{"IndexOmittedWhereZero", R"({"data":[{"embedding":[1,0]},{"embedding":[0,1],"index":1}],"usage":{"prompt_tokens":2,"total_tokens":2}})"},
        OddAnswer{"IndexOmittedWhereZeroOutOfOrder", R"({"data":[{"embedding":[0,1],"index":1},{"embedding":[1,0]}],"usage":{"prompt_tokens":2,"total_tokens":2}})"},
        OddAnswer{"IndexNull", R"({"data":[{"index":null,"embedding":[1,0]},{"index":null,"embedding":[0,1]}],"usage":{"prompt_tokens":2,"total_tokens":2}})"},
        OddAnswer{"IndexText", R"({"data":[{"index":"1","embedding":[0,1]},{"index":"0","embedding":[1,0]}],"usage":{"prompt_tokens":2,"total_tokens":2}})"},
        OddAnswer{"IndexFloat", R"({"data":[{"index":0.0,"embedding":[1,0]},{"index":1.0,"embedding":[0,1]}],"usage":{"prompt_tokens":2,"total_tokens":2}})"},
        OddAnswer{"IndexOfNoUse", R"({"data":[{"index":{},"embedding":[1,0]},{"index":true,"embedding":[0,1]}],"usage":{"prompt_tokens":2,"total_tokens":2}})"},
        OddAnswer{"Nested", R"({"data":[{"index":0,"embedding":[[1,0]]},{"index":1,"embedding":[[0,1]]}],"usage":{"prompt_tokens":2,"total_tokens":2}})"},
        OddAnswer{"NumbersAsTexts", R"({"data":[{"embedding":["1","0"]},{"embedding":["0.0","1e0"]}],"usage":{"prompt_tokens":2,"total_tokens":2}})"},
        OddAnswer{"UsageAsFloatsAndTexts", R"({"usage":{"prompt_tokens":2.0,"total_tokens":"2"},"data":[{"embedding":[1,0]},{"embedding":[0,1]}]})"},
        OddAnswer{"Ollama", R"({"model":"m","embeddings":[[1,0],[0,1]],"usage":{"prompt_tokens":2,"total_tokens":2}})"},
        OddAnswer{"OllamaNested", R"({"embeddings":[[[1,0]],[[0,1]]],"usage":{"prompt_tokens":2,"total_tokens":2}})"},
        OddAnswer{"GeminiValues", R"({"embeddings":[{"values":[1,0]},{"values":[0,1]}],"usage":{"prompt_tokens":2,"total_tokens":2}})"},
        OddAnswer{"VectorsInData", R"({"data":[[1,0],[0,1]],"usage":{"prompt_tokens":2,"total_tokens":2}})"},
        OddAnswer{"TextsInData", R"({"data":["AACAPwAAAAA=","AAAAAAAAgD8="],"usage":{"prompt_tokens":2,"total_tokens":2}})"},
        OddAnswer{"ErrorIsNull", R"({"error":null,"data":[[1,0],[0,1]],"usage":{"prompt_tokens":2,"total_tokens":2}})"},
        OddAnswer{"SaysThatAllIsWell", R"({"code":0,"message":"success","data":[[1,0],[0,1]],"usage":{"prompt_tokens":2,"total_tokens":2}})"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(OpenAiEmbeddingsTest, AListAloneIsRead) {
  for (const char* json : {"[[1,0],[0,1]]", R"( [{"embedding":[0,1],"index":1},{"embedding":[1,0],"index":0}] )"}) {
    for (size_t step = 1; step <= std::string_view(json).size(); ++step) {
      const Decoded decoded = Decode(json, {2, 0}, step);
      ASSERT_EQ(decoded.state, ResponseDecoder::State::kDone) << decoded.error.message;
    }
  }
  EXPECT_EQ(Decode("[[1,0],[0,1]]", {2, 0}, 3).log, "0=1,0,;1=0,1,;");
}

TEST(OpenAiEmbeddingsTest, OneVectorWithoutAListIsTheOneInputs) {
  EXPECT_EQ(Decode(R"({"embedding":[1,2],"prompt_eval_count":3})", {1, 2}, 4).log, "0=1,2,;usage=3/-1");
  EXPECT_EQ(Decode(R"({"embedding":[1,2]})", {2, 2}, 4).state, ResponseDecoder::State::kFailed);
}

TEST(OpenAiEmbeddingsTest, UsageThatTellsNothingIsNone) {
  for (const char* usage : {"null", "[]", "{}", "7", R"({"prompt_tokens":null,"total_tokens":-1})", R"({"prompt_tokens":"many"})"}) {
    EXPECT_EQ(Decode(absl::StrCat(R"({"data":[[1]],"usage":)", usage, "}"), {1, 1}, 100).log, "0=1,;") << usage;
  }
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
        Misfit{"Text", R"({"data":[{"index":0,"embedding":"AAAA"}]})", "no base64 of float32"},
        Misfit{"EmptyText", R"({"data":[{"index":0,"embedding":""}]})", "no base64 of float32"},
        Misfit{"Base64OfNaN", R"({"data":[{"index":0,"embedding":"AADAfwAAAAA="}]})", "malformed embedding"},
        Misfit{"Object", R"({"data":[{"index":0,"embedding":{"a":1}}]})", "neither an array of numbers nor base64"},
        Misfit{"TwoInOne", R"({"data":[{"index":0,"embedding":[[1,0],[0,1]]}]})", "several vectors"},
        Misfit{"NumbersAndAVector", R"({"data":[{"index":0,"embedding":[1,[0,1]]}]})", "several vectors"},
        Misfit{"AVectorAndNumbers", R"({"data":[{"index":0,"embedding":[[0,1],1]}]})", "several vectors"},
        Misfit{"TooDeep", R"({"data":[{"index":0,"embedding":[[[0,1]]]}]})", "several vectors"},
        Misfit{"NoEmbedding", R"({"data":[{"index":0}]})", "an empty embedding"},
        Misfit{"ZerosAndOthers", R"({"data":[{"index":1,"embedding":[1,2]},{"index":0,"embedding":[1,2]},{"index":0,"embedding":[1,2]}]})", "two embeddings"},
        Misfit{"Null", R"({"data":[{"index":0,"embedding":[null,1]}]})", "malformed embedding"},
        Misfit{"Huge", R"({"data":[{"index":0,"embedding":[1e300,1]}]})", "malformed embedding"},
        Misfit{"Numbers", R"({"data":[1,2]})", "malformed JSON"},
        Misfit{"NoComma", R"({"data":[{"index":0,"embedding":[1,2]}{"index":1,"embedding":[1,2]}]})", "malformed JSON"},
        Misfit{"TrailingComma", R"({"data":[{"index":0,"embedding":[1,2]},]})", "malformed JSON"},
        Misfit{"Array", R"([{"index":0}])", "an empty embedding"},
        Misfit{"ArrayOfNumbers", "[1,2]", "malformed JSON"},
        Misfit{"ArrayOfTooFew", "[[1,2]]", "1 embeddings for 2 inputs"},
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

TEST(OpenAiEmbeddingsTest, AnErrorIsReadInEveryShape) {
  for (const char* json : {R"([{"error":{"code":429,"message":"it broke","status":"RESOURCE_EXHAUSTED"}}])",
                           R"({"code":429,"msg":"it broke","success":false})", R"({"data":[],"error":{"code":"429","message":"it broke"}})",
                           R"({"base_resp":{"status_code":1002,"status_msg":"it broke"},"data":null})"}) {
    for (const size_t step : {size_t{1}, size_t{1000}}) {
      const Decoded decoded = Decode(json, {1, 0}, step);
      EXPECT_EQ(decoded.error.kind, FailureKind::kRateLimited) << json;
      EXPECT_EQ(decoded.error.message, "it broke") << json;
    }
  }
}

TEST(OpenAiEmbeddingsTest, MixedIndexesAreRefused) {
  const Decoded decoded = Decode(R"({"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]},{"index":2,"embedding":[1]}]})", {3, 0}, 9);
  EXPECT_EQ(decoded.error.kind, FailureKind::kProtocol);
  EXPECT_EQ(decoded.error.message, "several embeddings of index 0, and one of index 2");
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
