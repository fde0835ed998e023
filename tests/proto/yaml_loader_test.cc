// What the loader refuses, with the line and the words, and what it reads.
#include "proto/policy/yaml_loader.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> ErrorsOf(const LoadResult& result) {
  std::vector<std::string> texts;
  for (const PolicyError& error : result.errors) texts.push_back(error.ToString());
  return texts;
}

struct Refusal {
  std::string name;
  std::string yaml;
  std::string error;  // the whole of it
};

class YamlLoaderRefusalTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(YamlLoaderRefusalTest, NamesLinePathAndWhatWouldBeRight) {
  const LoadResult result = LoadPolicyText(GetParam().yaml, "p.yaml");
  EXPECT_THAT(ErrorsOf(result), ElementsAre(GetParam().error));
}

std::string Retry(const std::string& line) { return "kind: RetryPolicy\nname: r\n" + line + "\n"; }
std::string Up(const std::string& line) { return "kind: Upstream\nname: u\n" + line + "\n"; }
std::string Route(const std::string& line) { return "kind: Route\nname: chat\n" + line + "\n"; }

INSTANTIATE_TEST_SUITE_P(
    Scalars, YamlLoaderRefusalTest,
    ::testing::Values(
        Refusal{"DurationWithoutUnit", Retry("backoff: {fixed: {delay: 100}}"),
                "p.yaml:3: retrypolicy/r: backoff.fixed.delay: \"100\": unit missing: write 100ms "
                "or 100s"},
        Refusal{"DurationOfUnknownUnit", Retry("backoff: {fixed: {delay: 1d}}"),
                "p.yaml:3: retrypolicy/r: backoff.fixed.delay: \"1d\": unknown unit \"d\"; use h, "
                "m, s, ms, us or ns"},
        Refusal{"NegativeDuration", Retry("backoff: {fixed: {delay: -1s}}"),
                "p.yaml:3: retrypolicy/r: backoff.fixed.delay: \"-1s\": a duration cannot be "
                "negative"},
        Refusal{"FractionForInteger", Retry("max_attempts: 2.5"),
                "p.yaml:3: retrypolicy/r: max_attempts: \"2.5\" is not a whole number"},
        Refusal{"ExponentForInteger", Retry("max_attempts: 1e1"),
                "p.yaml:3: retrypolicy/r: max_attempts: \"1e1\" is not a whole number"},
        Refusal{"QuotedInteger", Retry("max_attempts: \"3\""),
                "p.yaml:3: retrypolicy/r: max_attempts: \"3\" is a text in quotes; write the "
                "number without quotes"},
        Refusal{"OctalLookingInteger", Retry("max_attempts: 010"),
                "p.yaml:3: retrypolicy/r: max_attempts: \"010\" begins with 0, which some readers "
                "take for octal; write it without"},
        Refusal{"IntegerTooLarge", Retry("max_attempts: 4294967296"),
                "p.yaml:3: retrypolicy/r: max_attempts: \"4294967296\" is out of range; 1 to 10 is "
                "accepted"},
        Refusal{"NegativeUnsigned", Retry("max_attempts: -1"),
                "p.yaml:3: retrypolicy/r: max_attempts: \"-1\" is out of range; 1 to 10 is "
                "accepted"},
        Refusal{"YesForBoolean", Retry("backoff_before_failover: yes"),
                "p.yaml:3: retrypolicy/r: backoff_before_failover: \"yes\" is neither true nor "
                "false"},
        Refusal{"NumberForEnum", Retry("on_exhaustion: 1"),
                "p.yaml:3: retrypolicy/r: on_exhaustion: \"1\" is not known; use ERROR, "
                "FALLBACK or QUEUE"},
        Refusal{"UnspecifiedEnum", Retry("on_exhaustion: UNSPECIFIED"),
                "p.yaml:3: retrypolicy/r: on_exhaustion: \"UNSPECIFIED\" is not known; use "
                "ERROR, FALLBACK or QUEUE"},
        Refusal{"MisspeltEnum", Retry("backoff: {exponential: {jitter: FUL}}"),
                "p.yaml:3: retrypolicy/r: backoff.exponential.jitter: \"FUL\" is not known; did "
                "you mean FULL?"},
        Refusal{"DialectOfNobody", Up("dialect: {preset: VLMM}"),
                "p.yaml:3: upstream/u: dialect.preset: \"VLMM\" is not known; did you mean VLLM?"},
        Refusal{"NotANumber", Retry("backoff: {exponential: {multiplier: nan}}"),
                "p.yaml:3: retrypolicy/r: backoff.exponential.multiplier: \"nan\" is not a number; write 2 or 0.5"},
        Refusal{"PercentOfNothing", Route("hedge: {p95: {}, max_hedge_percent: half}"),
                "p.yaml:3: route/chat: hedge.max_hedge_percent: \"half\" is not a percentage; "
                "write 50, 50% or 0.5%"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Shapes, YamlLoaderRefusalTest,
    ::testing::Values(
        Refusal{"UnknownFieldWithSuggestion", Route("targts: []"),
                "p.yaml:3: route/chat: unknown field \"targts\"; did you mean \"targets\"?"},
        Refusal{"CamelCase", Retry("maxAttempts: 3"),
                "p.yaml:3: retrypolicy/r: unknown field \"maxAttempts\"; did you mean "
                "\"max_attempts\"?"},
        Refusal{"UnknownFieldInside", Up("tls: {xyzzyq: 1}"),
                "p.yaml:3: upstream/u: tls: unknown field \"xyzzyq\"; known: ca_file or "
                "server_name"},
        Refusal{"DuplicateKey", Retry("max_attempts: 3\nmax_attempts: 4"),
                "p.yaml:4: retrypolicy/r: max_attempts: is set twice; first in line 3"},
        Refusal{"DuplicateLabel", Retry("labels:\n  a: x\n  a: y"),
                "p.yaml:5: retrypolicy/r: labels[\"a\"]: is set twice; first in line 4"},
        Refusal{"Null", Retry("max_attempts:"),
                "p.yaml:3: retrypolicy/r: max_attempts: has no value; leave the key out to unset "
                "it"},
        Refusal{"NullMessage", Retry("backoff: null"),
                "p.yaml:3: retrypolicy/r: backoff: has no value; leave the key out to unset it"},
        Refusal{"NullInList", Retry("retry_on: [TIMEOUT, ~]"),
                "p.yaml:3: retrypolicy/r: retry_on[1]: has no value; leave the key out to unset "
                "it"},
        Refusal{"ScalarForList", Retry("retry_on: TIMEOUT"),
                "p.yaml:3: retrypolicy/r: retry_on: is a single value; a list is expected"},
        Refusal{"ListForMessage", Up("tls: []"),
                "p.yaml:3: upstream/u: tls: is a list; a map is expected"},
        Refusal{"MapForScalar", Retry("max_attempts: {}"),
                "p.yaml:3: retrypolicy/r: max_attempts: is a map; a single value is expected"},
        Refusal{"ListForReference", Route("retry: []"),
                "p.yaml:3: route/chat: retry: is a list; write the name of a RetryPolicy or a map "
                "with its fields"},
        Refusal{"TwoVariants", Retry("backoff:\n  fixed: {delay: 1s}\n  reactor: {}"),
                "p.yaml:5: retrypolicy/r: backoff.reactor: excludes fixed (line 4); set one of "
                "fixed, exponential, reactor or custom"},
        Refusal{"MisspeltVariant", Up("balance: wieghted"),
                "p.yaml:3: upstream/u: balance: \"wieghted\" is not known; did you mean "
                "\"weighted\"?"},
        Refusal{"ListForLabels", Up("labels: [a]"),
                "p.yaml:3: upstream/u: labels: is a list; a map is expected"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Documents, YamlLoaderRefusalTest,
    ::testing::Values(
        Refusal{"KindMissing", "name: x\n",
                "p.yaml:1: kind: is missing in \"x\"; use EndpointList, CircuitBreaker, Upstream, "
                "RetryPolicy, Fallback, RateLimit or Route"},
        Refusal{"KindUnknown", "kind: Rote\nname: x\n",
                "p.yaml:1: kind: \"Rote\" is not known; did you mean \"Route\"?"},
        Refusal{"NameMissing", "kind: Route\n", "p.yaml:1: route/: name: is missing"},
        Refusal{"TextForDocument", "hello\n",
                "p.yaml:1: a document must be a map with kind and name, not a single value"},
        Refusal{"SameResourceTwice", Retry("") + "---\n" + Retry(""),
                "p.yaml:5: retrypolicy/r: is defined twice; first at p.yaml:1"},
        Refusal{"Alias", "kind: Route\nname: &n chat\nlabels: {a: *n}\n",
                "p.yaml:2: not valid YAML: anchors (&name) are not accepted; write the value out"},
        Refusal{"Tag", "kind: Route\nname: !!str chat\n",
                "p.yaml:2: not valid YAML: tags (!name) are not accepted"},
        Refusal{"NotUtf8", "kind: Route\nname: \xff\n", "p.yaml:2: not UTF-8"},
        Refusal{"ControlCharacter", std::string("kind: Route\nname: a\0b\n", 22),
                "p.yaml:2: control character 0x00; write it as an escape in double quotes"},
        Refusal{"MapAsKey", "kind: Route\nname: r\n? {a: b}\n: c\n",
                "p.yaml:3: not valid YAML: a key must be a plain text"}),
    [](const auto& info) { return info.param.name; });

TEST(YamlLoaderTest, ReportsEveryErrorOfEveryDocument) {
  const LoadResult result = LoadPolicyText(
      "kind: Route\nname: chat\nretry: {max_attempts: x}\ntargts: []\n---\n"
      "kind: Upstream\nname: u\nformat: OPNAI\nendpoints:\n- url: a\n  weight: -1\n",
      "p.yaml");
  EXPECT_THAT(ErrorsOf(result),
              ElementsAre(HasSubstr("p.yaml:3: route/chat: retry.max_attempts:"),
                          HasSubstr("p.yaml:4: route/chat: unknown field"),
                          HasSubstr("p.yaml:8: upstream/u: format:"),
                          HasSubstr("p.yaml:11: upstream/u: endpoints[0].weight:")));
}

TEST(YamlLoaderTest, ReadsTheFifteenLinePolicy) {
  const LoadResult result = LoadPolicyText(
      "kind: Upstream\n"
      "name: openai\n"
      "format: openai\n"
      "credential: env:OPENAI_API_KEY\n"
      "endpoints:\n"
      "- url: https://api.openai.com/v1\n"
      "- url: https://backup.example.com/v1\n"
      "  priority: 1\n"
      "---\n"
      "kind: Route\n"
      "name: chat\n"
      "match: {model: chat}\n"
      "targets: [{upstream: openai, model: gpt-4o-mini}]\n"
      "retry: {max_attempts: 3, backoff: {exponential: {base: 100ms, max: 2s, jitter: FULL}}}\n",
      "policy.yaml");
  ASSERT_THAT(ErrorsOf(result), ElementsAre());
  ASSERT_EQ(result.resources.size(), 2u);
  const v1::Upstream& upstream = result.resources[0].resource.upstream();
  EXPECT_EQ(upstream.format(), v1::WIRE_FORMAT_OPENAI);
  EXPECT_EQ(upstream.endpoints(1).priority(), 1u);
  EXPECT_FALSE(upstream.endpoints(0).has_priority());
  const v1::Route& route = result.resources[1].resource.route();
  EXPECT_EQ(route.retry().inline_().max_attempts(), 3u);
  EXPECT_EQ(route.retry().inline_().backoff().exponential().base().nanos(), 100'000'000);
  EXPECT_EQ(route.retry().inline_().backoff().exponential().jitter(), v1::JITTER_FULL);
}

TEST(YamlLoaderTest, AStringRefersAndAMapIsInPlace) {
  const LoadResult result = LoadPolicyText(
      "kind: Route\nname: a\nretry: fast\n---\nkind: Route\nname: b\nretry: {}\n", "p.yaml");
  ASSERT_THAT(ErrorsOf(result), ElementsAre());
  EXPECT_EQ(result.resources[0].resource.route().retry().name(), "fast");
  EXPECT_TRUE(result.resources[1].resource.route().retry().has_inline_());
}

TEST(YamlLoaderTest, ABareWordSelectsAVariant) {
  const LoadResult result = LoadPolicyText(Up("balance: weighted"), "p.yaml");
  ASSERT_THAT(ErrorsOf(result), ElementsAre());
  EXPECT_TRUE(result.resources[0].resource.upstream().balance().has_weighted());
}

TEST(YamlLoaderTest, EnumsAreReadShortAndFullInAnyCase) {
  for (const std::string name : {"full", "FULL", "Full", "JITTER_FULL", "jitter_full"}) {
    const LoadResult result =
        LoadPolicyText(Retry("backoff: {exponential: {jitter: " + name + "}}"), "p.yaml");
    ASSERT_THAT(ErrorsOf(result), ElementsAre()) << name;
    EXPECT_EQ(result.resources[0].resource.retry_policy().backoff().exponential().jitter(),
              v1::JITTER_FULL);
  }
}

TEST(YamlLoaderTest, PercentsAreReadWithAndWithoutTheSign) {
  for (const std::string text : {"50", "50%", "\"50%\"", "50.0", "50 %"}) {
    const LoadResult result =
        LoadPolicyText(Route("hedge: {p95: {}, max_hedge_percent: " + text + "}"), "p.yaml");
    ASSERT_THAT(ErrorsOf(result), ElementsAre()) << text;
    EXPECT_EQ(result.resources[0].resource.route().hedge().max_hedge_percent(), 50) << text;
  }
}

TEST(YamlLoaderTest, NumbersAreWrittenWhole) {
  const auto errors = [](const std::string& multiplier) {
    return ErrorsOf(LoadPolicyText(Retry("backoff: {exponential: {multiplier: " + multiplier + "}}"), "p.yaml"));
  };
  for (const std::string text : {"2", "2.5", "0.5", "1e0", "2.5E+0", "20e-1"}) {
    EXPECT_THAT(errors(text), ElementsAre()) << text;
  }
  for (const std::string text : {".5", "5.", "+5", "05", "0x5", "1e", "e1", "1.5.1", "--1", "1_000", "1,5", "-"}) {
    EXPECT_THAT(errors(text), ElementsAre(HasSubstr("multiplier"))) << text;
    const LoadResult percent =
        LoadPolicyText(Route("hedge: {p95: {}, max_hedge_percent: \"" + text + "%\"}"), "p.yaml");
    EXPECT_THAT(ErrorsOf(percent), ElementsAre(HasSubstr("is not a percentage; write 50, 50% or 0.5%"))) << text;
  }
}

TEST(YamlLoaderTest, TextStaysTextWhateverItLooksLike) {
  const LoadResult result =
      LoadPolicyText("kind: Route\nname: 123\nmatch: {model: no, tenant: 1e3}\n", "p.yaml");
  ASSERT_THAT(ErrorsOf(result), ElementsAre());
  EXPECT_EQ(result.resources[0].resource.meta().name(), "123");
  EXPECT_EQ(result.resources[0].resource.route().match().model(), "no");
  EXPECT_EQ(result.resources[0].resource.route().match().tenant(), "1e3");
}

TEST(YamlLoaderTest, ReadsJsonAndListsOfDocuments) {
  const LoadResult result = LoadPolicyText(
      "[{\"kind\":\"Route\",\"name\":\"a\",\"match\":{\"model\":\"m\\u00e9\"}},\n"
      " {\"kind\":\"RetryPolicy\",\"name\":\"r\",\"max_attempts\":2}]",
      "p.json");
  ASSERT_THAT(ErrorsOf(result), ElementsAre());
  ASSERT_EQ(result.resources.size(), 2u);
  EXPECT_EQ(result.resources[0].resource.route().match().model(), "m\xc3\xa9");
  EXPECT_EQ(result.resources[1].line, 2);
}

TEST(YamlLoaderTest, PairsOfEscapesInJsonAreOneCharacter) {
  // As Python's json.dumps writes U+1F600; a backslash that is escaped begins no escape.
  const LoadResult result = LoadPolicyText(
      R"([{"kind": "RetryPolicy", "name": "r", "labels": {"a": "x\ud83d\ude00y", "b": "\\ud83d\\ude00"}}])", "p.json");
  ASSERT_THAT(ErrorsOf(result), ElementsAre());
  const auto& labels = result.resources.at(0).resource.meta().labels();
  EXPECT_EQ(labels.at("a"), "x\xF0\x9F\x98\x80y");
  EXPECT_EQ(labels.at("b"), "\\ud83d\\ude00");
}

TEST(YamlLoaderTest, SingleQuotesKeepWhatLooksLikeAPairOfEscapes) {
  const LoadResult result =
      LoadPolicyText("{kind: RetryPolicy, name: r, labels: {a: '\\ud83d\\ude00'}}", "p.yaml");
  ASSERT_THAT(ErrorsOf(result), ElementsAre());
  EXPECT_EQ(result.resources.at(0).resource.meta().labels().at("a"), "\\ud83d\\ude00");
}

TEST(YamlLoaderTest, HalfOfAPairOfEscapesIsRefusedClearly) {
  for (const char* text : {"kind: RetryPolicy\nname: r\nlabels: {a: \"\\ud83d\\ude00\"}\n",
                           "{\"kind\": \"RetryPolicy\",\n\"name\": \"r\",\n\"labels\": {\"a\": \"\\ud83d\"}}"}) {
    EXPECT_THAT(ErrorsOf(LoadPolicyText(text, "p.yaml")),
                ElementsAre("p.yaml:3: not valid YAML: an escape is no character by itself (half of a pair like "
                            "\\ud83d\\ude00); write the character, or \\U and its eight digits"));
  }
}

TEST(YamlLoaderTest, EmptyDocumentsAreNothing) {
  for (const std::string text : {"", "\n", "# a comment\n", "---\n---\n", "---\n...\n", "~\n"}) {
    const LoadResult result = LoadPolicyText(text, "p.yaml");
    EXPECT_THAT(ErrorsOf(result), ElementsAre()) << text;
    EXPECT_TRUE(result.resources.empty());
  }
}

TEST(YamlLoaderTest, KnowsTheLineOfAPathAndOfItsNearestParent) {
  const LoadResult result = LoadPolicyText(
      "# first\nkind: Route\nname: chat\nmatch:\n  model: m\n  metadata:\n    x.y: z\n"
      "targets:\n- upstream: a\n- upstream: b\nretry:\n  max_attempts: 2\n",
      "p.yaml");
  ASSERT_EQ(result.resources.size(), 1u);
  const LoadedResource& loaded = result.resources[0];
  EXPECT_EQ(loaded.LineOf("targets[1].upstream"), 10);
  EXPECT_EQ(loaded.LineOf("targets[1].weight"), 10);
  EXPECT_EQ(loaded.LineOf("retry.max_attempts"), 12);
  EXPECT_EQ(loaded.LineOf("retry.backoff.fixed.delay"), 11);
  EXPECT_EQ(loaded.LineOf("match.metadata[\"x.y\"]"), 7);
  EXPECT_EQ(loaded.LineOf("timeouts"), 2);
  EXPECT_EQ(loaded.LineOf(""), 2);
}

TEST(YamlLoaderTest, RefusesWhatNestsTooDeepOrIsTooLarge) {
  const LoadResult deep =
      LoadPolicyText("a: " + std::string(100, '[') + std::string(100, ']'), "p.yaml");
  ASSERT_EQ(deep.errors.size(), 1u);
  EXPECT_THAT(deep.errors[0].message, HasSubstr("nested deeper than 64 levels"));
  EXPECT_EQ(LoadPolicyText("a: " + std::string(100'000, '['), "p.yaml").errors.size(), 1u);
  const LoadResult large = LoadPolicyText(std::string((16u << 20) + 1, ' '), "p.yaml");
  ASSERT_EQ(large.errors.size(), 1u);
  EXPECT_THAT(large.errors[0].message, HasSubstr("too large: 16777217 bytes; at most 16777216"));
  std::string many = "[";
  for (int i = 0; i < 500'001; ++i) many += "1,";
  const LoadResult crowd = LoadPolicyText(many + "1]", "p.yaml");
  ASSERT_EQ(crowd.errors.size(), 1u);
  EXPECT_THAT(crowd.errors[0].message, HasSubstr("more than 500000 values"));
}

TEST(YamlLoaderTest, ErrorsAreBounded) {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "--- wrong\n";
  EXPECT_EQ(LoadPolicyText(text, "p.yaml").errors.size(), 1000u);
  text = "kind: Route\nname: r\n";
  for (int i = 0; i < 2000; ++i) text += "wrong" + std::to_string(i) + ": 1\n";
  EXPECT_EQ(LoadPolicyText(text, "p.yaml").errors.size(), 1000u);
}

TEST(YamlLoaderTest, NeverRepeatsThePastedSecretOfAWrongShape) {
  const LoadResult result = LoadPolicyText(Up("credential: {key: sk-abcdef}"), "p.yaml");
  ASSERT_EQ(result.errors.size(), 1u);
  EXPECT_EQ(result.errors[0].ToString().find("sk-abcdef"), std::string::npos);
}

}  // namespace
}  // namespace sluice
