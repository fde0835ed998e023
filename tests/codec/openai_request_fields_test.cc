// Fields that became the API's own, what tools gave, and media, as they reach
// servers of the OpenAI format.
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "server/codec/openai_fields.h"
#include "server/codec/wire_format.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {
namespace {

v1::ChatRequest Request(const std::string& text) {
  v1::ChatRequest request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
  return request;
}

std::string Encoded(const std::string& request, const Dialect& dialect = Dialect()) {
  const auto encoded = OpenAiFormat().EncodeChat(Request(request), "up", dialect);
  return encoded.ok() ? encoded->body : std::string(encoded.status().message());
}

const std::string kUser = R"(messages { role: ROLE_USER text: "Hi" } )";
const std::string kEnd = R"(],"stream":true,"stream_options":{"include_usage":true}})";

struct Row {
  const char* name;
  std::string request;
  std::string json;  // what the body holds
};

class OpenAiRequestFields : public testing::TestWithParam<Row> {};

TEST_P(OpenAiRequestFields, ReachTheUpstream) {
  const std::string body = Encoded(kUser + GetParam().request);
  EXPECT_EQ(body, R"({"model":"up","messages":[{"role":"user","content":"Hi"}],"stream":true,)"
                  R"("stream_options":{"include_usage":true},)" + GetParam().json + "}");
}

INSTANTIATE_TEST_SUITE_P(
    Rows, OpenAiRequestFields,
    testing::Values(
        Row{"User", "user: 'u-1'", R"("user":"u-1")"},
        Row{"MetadataInOrder", "metadata { key: 'b' value: '2' } metadata { key: 'a' value: '' }",
            R"("metadata":{"a":"","b":"2"})"},
        Row{"ServiceTier", "service_tier: 'flex'", R"("service_tier":"flex")"},
        Row{"Verbosity", "verbosity: 'low'", R"("verbosity":"low")"},
        Row{"Audio", "audio { voice: 'alloy' format: 'pcm16' }",
            R"("modalities":["text","audio"],"audio":{"voice":"alloy","format":"pcm16"})"},
        Row{"LogitBias", "sampling { logit_bias { key: 50256 value: -100 } logit_bias { key: 7 value: 0.5 } }",
            R"("logit_bias":{"7":0.5,"50256":-100})"},
        Row{"ToolOfTheProvider",
            R"(tools { provider_json { key: "openai" value: " {\"type\": \"web_search\", \"n\": 1.0}" } } tools { name: "f" })",
            R"("tools":[ {"type": "web_search", "n": 1.0},{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}])"},
        Row{"ToolOfAnotherFormatIsLeftOut",
            R"(tools { provider_json { key: "anthropic" value: "{}" } } tool_choice { auto {} } user: "u")", R"("user":"u")"},
        Row{"ExtrasWhileTheFieldIsNotSet",
            R"(extras_json { key: "openai" value: "{\"user\":\"u\",\"modalities\":[\"text\"],\"logit_bias\":{\"1\":2},\"metadata\":{},\"service_tier\":\"x\",\"verbosity\":\"y\",\"audio\":{}}" })",
            R"("user":"u","modalities":["text"],"logit_bias":{"1":2},"metadata":{},"service_tier":"x","verbosity":"y","audio":{})"}),
    [](const auto& info) { return info.param.name; });

TEST(OpenAiRequestFieldsTest, ExtrasAndTheFieldTogetherAreRefusedNamingBoth) {
  const std::tuple<const char*, const char*, const char*> rows[] = {
      {"user: 'u'", "user", "user"},
      {"metadata { key: 'a' value: 'b' }", "metadata", "metadata"},
      {"service_tier: 'flex'", "service_tier", "service_tier"},
      {"verbosity: 'low'", "verbosity", "verbosity"},
      {"audio { voice: 'v' format: 'wav' }", "audio", "audio"},
      {"audio { voice: 'v' format: 'wav' }", "modalities", "audio"},
      {"sampling { logit_bias { key: 1 value: 1 } }", "logit_bias", "sampling.logit_bias"},
  };
  for (const auto& [set, key, field] : rows) {
    const std::string extras = std::string(R"( extras_json { key: "openai" value: "{\")") + key + R"(\":1}" })";
    EXPECT_EQ(Encoded(kUser + set + extras),
              std::string("extras_json[\"openai\"]: \"") + key + "\" and " + field + " are both set");
  }
}

TEST(OpenAiRequestFieldsTest, AServersRefusalOfOneNamesTheCallersField) {
  const std::pair<const char*, const char*> rows[] = {
      {"user", "user"}, {"metadata.a", "metadata"}, {"service_tier", "service_tier"}, {"verbosity", "verbosity"},
      {"audio.format", "audio"}, {"modalities", "audio"}, {"body.logit_bias.7", "sampling.logit_bias"},
  };
  for (const auto& [param, field] : rows) EXPECT_EQ(FieldOfOpenAiParam(param), field) << param;
}

// --- messages ---------------------------------------------------------------

struct Turns {
  const char* name;
  std::string request;
  std::string messages;  // JSON, or the refusal
  Dialect dialect = Dialect();
};

class OpenAiTurns : public testing::TestWithParam<Turns> {};

TEST_P(OpenAiTurns, AreSentSo) {
  const std::string body = Encoded(GetParam().request, GetParam().dialect);
  const bool refused = GetParam().messages.front() != '{';
  EXPECT_EQ(body, refused ? GetParam().messages : R"({"model":"up","messages":[)" + GetParam().messages + kEnd);
}

std::string Result(const std::string& result) {
  return "messages { role: ROLE_TOOL parts { tool_result { tool_call_id: 'a' " + result + " } } }";
}
std::string Said(const std::string& content) {
  return R"({"role":"tool","tool_call_id":"a","content":")" + content + "\"}";
}
std::string Of(const std::string& media) { return "messages { role: ROLE_USER parts { media { " + media + " } } }"; }
std::string User(const std::string& part) { return R"({"role":"user","content":[)" + part + "]}"; }

constexpr const char* kImage = "parts { media { mime_type: 'image/png' data: 'abc' } }";
const std::string kImageJson = R"({"type":"image_url","image_url":{"url":"data:image/png;base64,YWJj"}})";
const std::string kPdf = "mime_type: 'application/pdf' ";

Dialect With(Dialect::Documents documents) {
  Dialect dialect;
  dialect.documents = documents;
  dialect.media_in_tool_results = documents == Dialect::Documents::kDocumentUrl;
  return dialect;
}

// As the presets of these names (dialect_compiler_test.cc).
const Dialect kOpenAi = With(Dialect::Documents::kById);
const Dialect kOpenRouter = With(Dialect::Documents::kByUrlToo);
const Dialect kMistral = With(Dialect::Documents::kDocumentUrl);

INSTANTIATE_TEST_SUITE_P(
    ToolResults, OpenAiTurns,
    testing::Values(
        Turns{"ErrorIsSaid", Result("text: 'no such city' is_error: true"), Said("Error: no such city")},
        Turns{"ErrorThatSaysSo", Result("text: 'error: no such city' is_error: true"), Said("error: no such city")},
        Turns{"ErrorWithoutText", Result("is_error: true"), Said("Error: the tool failed without saying why.")},
        Turns{"ErrorInParts", Result("parts { text: 'a' } parts { text: 'b' } is_error: true"), Said(R"(Error: a\nb)")},
        Turns{"NoError", Result("text: 'Error: x'"), Said("Error: x")},
        Turns{"SeveralTexts", Result("parts { text: 'a' } parts { text: 'b' }"), Said(R"(a\nb)")},
        Turns{"MediaFollowAllResultsOfTheTurn",
              "messages { role: ROLE_TOOL parts { tool_result { tool_call_id: 'a' parts { text: 'see' } " +
                  std::string(kImage) +
                  " } } }"
                  "messages { role: ROLE_TOOL parts { tool_result { tool_call_id: 'b' text: '2' } }"
                  " parts { tool_result { tool_call_id: 'c' " +
                  kImage + " } } } messages { role: ROLE_USER text: 'go on' }",
              Said("see") +
                  R"(,{"role":"tool","tool_call_id":"b","content":"2"},)"
                  R"({"role":"tool","tool_call_id":"c","content":"The result follows as media."},)" +
                  User(R"({"type":"text","text":"Media of the result of tool call a:"},)" + kImageJson +
                       R"(,{"type":"text","text":"Media of the result of tool call c:"},)" + kImageJson) +
                  R"(,{"role":"user","content":"go on"})"},
        Turns{"MediaOfAnError", Result(std::string(kImage) + " is_error: true"),
              Said("Error: The result follows as media.") + "," +
                  User(R"({"type":"text","text":"Media of the result of tool call a:"},)" + kImageJson)},
        Turns{"MistralTakesThemInTheToolMessage", Result("parts { text: 'see' } " + std::string(kImage)),
              R"({"role":"tool","tool_call_id":"a","content":[{"type":"text","text":"see"},)" + kImageJson + "]}", kMistral},
        Turns{"TextAndParts", Result("text: 'x' parts { text: 'x' }"),
              "messages[0].parts[0].tool_result: text and parts are both set; text is short for one text part"},
        Turns{"OtherPart", Result("parts { reasoning { text: 'x' } }"),
              "messages[0].parts[0].tool_result.parts[0]: reasoning cannot be part of a tool result"},
        Turns{"EmptyPart", Result("parts {}"), "messages[0].parts[0].tool_result.parts[0]: is empty"},
        Turns{"MediaOfNoForm", Result("parts { media { mime_type: 'video/mp4' data: 'x' } }"),
              "messages[0].parts[0].tool_result.parts[0].media.mime_type: \"video/mp4\" cannot be sent in this format; "
              "image/*, audio/wav, audio/mpeg and application/pdf can"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Media, OpenAiTurns,
    testing::Values(
        Turns{"ImagesOfSystemAndDeveloper",
              "messages { role: ROLE_SYSTEM parts { text: 's' } " + std::string(kImage) + " } messages { role: ROLE_DEVELOPER " +
                  kImage + " }",
              R"({"role":"system","content":[{"type":"text","text":"s"},)" + kImageJson + R"(]},{"role":"system","content":[)" +
                  kImageJson + "]}"},
        Turns{"FileName", Of(kPdf + "data: 'abc' file_name: 'report.pdf'"),
              User(R"({"type":"file","file":{"filename":"report.pdf","file_data":"data:application/pdf;base64,YWJj"}})")},
        Turns{"FileId", Of(kPdf + "file_id: 'file-1'"), User(R"({"type":"file","file":{"file_id":"file-1"}})")},
        Turns{"FileIdOfNoType", Of("file_id: 'file-1'"), User(R"({"type":"file","file":{"file_id":"file-1"}})"), kOpenAi},
        Turns{"FileIdAtMistral", Of("file_id: 'f'"), User(R"({"type":"file","file_id":"f"})"), kMistral},
        Turns{"EmptyFileId", Of("file_id: ''"), "messages[0].parts[0].media.file_id: is empty"},
        Turns{"UrlAtOpenAi", Of(kPdf + "url: 'https://x/a.pdf'"),
              "messages[0].parts[0].media.url: the servers of this upstream fetch only images, not \"application/pdf\"; use data "
              "or file_id",
              kOpenAi},
        Turns{"UrlAtOpenRouter", Of(kPdf + "url: 'https://x/a.pdf' file_name: 'a.pdf'"),
              User(R"({"type":"file","file":{"filename":"a.pdf","file_data":"https://x/a.pdf"}})"), kOpenRouter},
        Turns{"UrlAtMistral", Of(kPdf + "url: 'https://x/a.pdf' file_name: 'a.pdf'"),
              User(R"({"type":"document_url","document_url":"https://x/a.pdf","document_name":"a.pdf"})"), kMistral},
        Turns{"BytesAtMistral", Of(kPdf + "data: 'abc'"),
              User(R"({"type":"document_url","document_url":"data:application/pdf;base64,YWJj"})"), kMistral},
        Turns{"UrlThatHoldsTheBytes", Of(kPdf + "url: 'data:application/pdf;base64,YWJj'"),
              User(R"({"type":"file","file":{"filename":"document.pdf","file_data":"data:application/pdf;base64,YWJj"}})"), kOpenAi},
        Turns{"UrlOfSound", Of("mime_type: 'audio/wav' url: 'https://x/a.wav'"),
              "messages[0].parts[0].media.mime_type: \"audio/wav\" cannot be sent by url in this format; use data", kOpenRouter}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Answers, OpenAiTurns,
    testing::Values(
        Turns{"TheTextIsSentOnce", kUser + "messages { role: ROLE_ASSISTANT text: 'a' parts { text: 'a' } }",
              R"({"role":"user","content":"Hi"},{"role":"assistant","content":"a"})"},
        Turns{"AlsoBesideReasoning",
              kUser + "messages { role: ROLE_ASSISTANT text: 'a' parts { reasoning { text: 'r' } } parts { text: 'a' } }",
              R"({"role":"user","content":"Hi"},{"role":"assistant","content":"a","reasoning_content":"r"})"},
        Turns{"OfAUserToo", "messages { role: ROLE_USER text: 'a' parts { text: 'a' } }", R"({"role":"user","content":"a"})"},
        Turns{"CitationsAreNotSent",
              kUser + "messages { role: ROLE_ASSISTANT text: 'a' parts { text: 'a' citations { url: 'https://x' } } }",
              R"({"role":"user","content":"Hi"},{"role":"assistant","content":"a"})"},
        Turns{"TwoTexts", kUser + "messages { role: ROLE_ASSISTANT text: 'ab' parts { text: 'a' } parts { text: 'b' } }",
              "messages[1]: text and parts are both set and say different things; text is short for one text part"},
        Turns{"SoundGoesBackByItsName",
              kUser + R"(messages { role: ROLE_ASSISTANT parts { media { mime_type: "audio/pcm" data: "x" transcript: "Hello" }
                                     states { issuer: "openai" value: "{\"audio\":{\"id\":\"a1\"}}" } } })",
              R"({"role":"user","content":"Hi"},{"role":"assistant","audio":{"id":"a1"}})"},
        Turns{"SoundOfElsewhereAsItsTranscript",
              kUser + R"(messages { role: ROLE_ASSISTANT parts { media { mime_type: "audio/pcm" data: "x" transcript: "Hello" }
                                     states { issuer: "gemini" value: "{\"audio\":1}" } } })",
              R"({"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"})"},
        Turns{"SoundWithoutEitherIsLeftOut",
              kUser + "messages { role: ROLE_ASSISTANT parts { media { mime_type: 'audio/pcm' data: 'x' } } }",
              R"({"role":"user","content":"Hi"})"},
        Turns{"ImageOfAnAssistant", kUser + "messages { role: ROLE_ASSISTANT parts { media { url: 'https://x' } } }",
              "messages[1].parts[0]: media cannot be part of an assistant message"}),
    [](const auto& info) { return info.param.name; });

TEST(OpenAiTurnsTest, WhereAServerRefusesSoundsByNameTheTranscriptGoes) {
  const Dialect dialect = Without(FormPart::kStates, Dialect());
  const std::string body = Encoded(
      kUser + R"(messages { role: ROLE_ASSISTANT parts { media { mime_type: "audio/pcm" data: "x" transcript: "Hello" }
                             states { issuer: "openai" value: "{\"audio\":{\"id\":\"a1\"}}" } } })", dialect);
  EXPECT_NE(body.find(R"({"role":"assistant","content":"Hello"})"), std::string::npos) << body;
  EXPECT_EQ(OpenAiFormat()
                .ReadError(400, R"({"error":{"message":"Unknown parameter: 'messages[1].audio'.","param":"messages[1].audio",)"
                                R"("code":"unknown_parameter"}})")
                .refused,
            FormParts(FormPart::kStates));
}

}  // namespace
}  // namespace sluice
