#include "server/config/dialect_compiler.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "tests/config/compile_fixture.h"

namespace sluice {
namespace {

class DialectCompilerTest : public CompileFixture {
 protected:
  Dialect Of(const std::string& fields, const std::string& url = "http://a:1/v1") {
    const auto table = Table("kind: Upstream\nname: u\nformat: OPENAI\nendpoints: [{url: '" + url + "'}, {url: 'https://api.mistral.ai'}]\n" +
                             fields);
    return table == nullptr ? Dialect() : table->upstreams().at(0)->dialect;
  }
};

TEST_F(DialectCompilerTest, NothingWrittenIsWhatMostServersTake) {
  EXPECT_EQ(Of(""), Dialect());
  EXPECT_EQ(Of("dialect: {}"), Dialect());
  EXPECT_EQ(Of("dialect: {preset: GENERIC}", "https://api.openai.com/v1"), Dialect());
}

TEST_F(DialectCompilerTest, EveryFieldOverridesThePreset) {
  Dialect expected;
  expected.token_limit = Dialect::TokenLimit::kMaxTokens;
  expected.stream_options = false;
  expected.developer_role = false;
  expected.strict_tools = false;
  expected.parallel_tool_calls = false;
  expected.reasoning = Dialect::ReasoningKey::kReasoning;
  expected.ends_without_finish = true;
  expected.content_type = "application/json; charset=utf-8";
  EXPECT_EQ(Of("dialect: {preset: OPENAI, token_limit: MAX_TOKENS, stream_options: false, developer_role: false, "
               "strict_tools: false, parallel_tool_calls: false, reasoning: REASONING, ends_without_finish: true, "
               "content_type: 'application/json; charset=utf-8'}"),
            expected);
}

TEST_F(DialectCompilerTest, EveryReasoningKeyAndLimit) {
  EXPECT_EQ(Of("dialect: {reasoning: NONE}").reasoning, Dialect::ReasoningKey::kNone);
  EXPECT_EQ(Of("dialect: {preset: VLLM, reasoning: REASONING_CONTENT}").reasoning, Dialect::ReasoningKey::kReasoningContent);
  EXPECT_EQ(Of("dialect: {token_limit: MAX_COMPLETION_TOKENS}").token_limit, Dialect::TokenLimit::kMaxCompletionTokens);
}

TEST_F(DialectCompilerTest, TheFirstEndpointsHostChoosesThePreset) {
  EXPECT_EQ(Of("", "https://api.openai.com/v1"), DialectOf(v1::DIALECT_PRESET_OPENAI));
  EXPECT_EQ(Of("dialect: {stream_options: false}", "https://api.openai.com/v1").token_limit,
            Dialect::TokenLimit::kMaxCompletionTokens);
  const auto table = Table("{kind: EndpointList, name: l, endpoints: [{url: 'https://API.mistral.ai/v1'}]}\n---\n"
                           "{kind: Upstream, name: u, format: OPENAI, endpoint_list: l}\n");
  EXPECT_EQ(table->upstreams().at(0)->dialect, DialectOf(v1::DIALECT_PRESET_MISTRAL));
}

TEST(PresetOfHostTest, KnowsWholeNamesOnly) {
  const std::pair<const char*, v1::DialectPreset> hosts[] = {
      {"api.openai.com", v1::DIALECT_PRESET_OPENAI},
      {"eu.api.openai.com", v1::DIALECT_PRESET_OPENAI},
      {"acme.openai.azure.com", v1::DIALECT_PRESET_AZURE},
      {"acme.services.ai.azure.com", v1::DIALECT_PRESET_AZURE},
      {"api.mistral.ai", v1::DIALECT_PRESET_MISTRAL},
      {"api.deepseek.com", v1::DIALECT_PRESET_DEEPSEEK},
      {"generativelanguage.googleapis.com", v1::DIALECT_PRESET_GEMINI},
      {"api.groq.com", v1::DIALECT_PRESET_GROQ},
      {"openrouter.ai", v1::DIALECT_PRESET_OPENROUTER},
      {"ollama.com", v1::DIALECT_PRESET_OLLAMA},
      {"api.openai.com.evil.example", v1::DIALECT_PRESET_GENERIC},
      {"notapi.openai.com", v1::DIALECT_PRESET_GENERIC},
      {"openai.azure.com", v1::DIALECT_PRESET_GENERIC},
      {"127.0.0.1", v1::DIALECT_PRESET_GENERIC},
      {"", v1::DIALECT_PRESET_GENERIC},
  };
  for (const auto& [host, preset] : hosts) EXPECT_EQ(PresetOfHost(host), preset) << host;
}

// Each preset that the proto names is one that is known here: those that differ
// from GENERIC do so in what its documentation says.
TEST(DialectOfTest, EveryPreset) {
  using Limit = Dialect::TokenLimit;
  using Key = Dialect::ReasoningKey;
  struct Row {
    v1::DialectPreset preset;
    Limit limit;
    bool stream_options;
    bool developer;
    Key reasoning;
    Dialect::Documents documents = Dialect::Documents::kById;
    bool media_in_tool_results = false;
  };
  const Row rows[] = {
      {v1::DIALECT_PRESET_GENERIC, Limit::kMaxTokens, true, false, Key::kReasoningContent},
      {v1::DIALECT_PRESET_OPENAI, Limit::kMaxCompletionTokens, true, true, Key::kNone},
      {v1::DIALECT_PRESET_AZURE, Limit::kMaxCompletionTokens, true, true, Key::kNone},
      {v1::DIALECT_PRESET_VLLM, Limit::kMaxTokens, true, false, Key::kReasoning},
      {v1::DIALECT_PRESET_SGLANG, Limit::kMaxTokens, true, false, Key::kReasoningContent},
      {v1::DIALECT_PRESET_LLAMA_CPP, Limit::kMaxTokens, true, false, Key::kReasoningContent},
      {v1::DIALECT_PRESET_OLLAMA, Limit::kMaxTokens, true, false, Key::kReasoning},
      {v1::DIALECT_PRESET_MISTRAL, Limit::kMaxTokens, false, false, Key::kNone, Dialect::Documents::kDocumentUrl, true},
      {v1::DIALECT_PRESET_DEEPSEEK, Limit::kMaxTokens, true, false, Key::kReasoningContent},
      {v1::DIALECT_PRESET_GEMINI, Limit::kMaxTokens, true, false, Key::kNone},
      {v1::DIALECT_PRESET_GROQ, Limit::kMaxCompletionTokens, true, false, Key::kNone},
      {v1::DIALECT_PRESET_OPENROUTER, Limit::kMaxTokens, true, false, Key::kReasoning, Dialect::Documents::kByUrlToo},
  };
  EXPECT_EQ(std::size(rows) + 1, static_cast<size_t>(v1::DialectPreset_ARRAYSIZE));
  for (const Row& row : rows) {
    Dialect expected;
    expected.token_limit = row.limit;
    expected.stream_options = row.stream_options;
    expected.developer_role = row.developer;
    expected.reasoning = row.reasoning;
    expected.documents = row.documents;
    expected.media_in_tool_results = row.media_in_tool_results;
    EXPECT_EQ(DialectOf(row.preset), expected) << v1::DialectPreset_Name(row.preset);
  }
}

}  // namespace
}  // namespace sluice
