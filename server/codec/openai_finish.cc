#include "server/codec/openai_finish.h"

#include <string>

#include "server/codec/ascii_text.h"

namespace sluice {
namespace {

using Meaning = OpenAiFinish::Meaning;

constexpr OpenAiFinish kNothing = {};
constexpr OpenAiFinish kBroke = {Meaning::kBroke, FinishReason::kUnspecified};
constexpr OpenAiFinish kStop = {Meaning::kEnd, FinishReason::kStop};
constexpr OpenAiFinish kLength = {Meaning::kEnd, FinishReason::kLength};
constexpr OpenAiFinish kTools = {Meaning::kEnd, FinishReason::kToolCalls};
constexpr OpenAiFinish kFilter = {Meaning::kEnd, FinishReason::kContentFilter};
constexpr OpenAiFinish kRefusal = {Meaning::kEnd, FinishReason::kRefusal};

struct FinishRow {
  std::string_view word;  // lower-case
  OpenAiFinish finish;
};

constexpr FinishRow kRows[] = {
    // OpenAI.
    {"stop", kStop},
    {"length", kLength},
    {"tool_calls", kTools},
    {"function_call", kTools},
    {"content_filter", kFilter},
    // No reason yet, written as a word.
    {"", kNothing},
    {"null", kNothing},
    {"none", kNothing},
    {"undefined", kNothing},
    {"in_progress", kNothing},
    {"finish_reason_unspecified", kNothing},
    // Together and TGI; Anthropic's and Cohere's words, passed through; others.
    {"eos", kStop},
    {"eos_token", kStop},
    {"end_turn", kStop},
    {"stop_sequence", kStop},
    {"stop_token", kStop},
    {"stop_word", kStop},
    {"end", kStop},
    {"complete", kStop},
    {"completed", kStop},
    {"finish", kStop},
    {"finished", kStop},
    {"done", kStop},
    // Anthropic and Gemini, Mistral, Cohere, TGI.
    {"max_tokens", kLength},
    {"max_output_tokens", kLength},
    {"max_completion_tokens", kLength},
    {"max_new_tokens", kLength},
    {"max_length", kLength},
    {"model_length", kLength},
    {"context_length", kLength},
    {"model_context_window_exceeded", kLength},
    {"token_limit", kLength},
    {"tool_use", kTools},
    {"tool_call", kTools},
    {"tools", kTools},
    {"function_calls", kTools},
    // Gemini, Z.ai, MiniMax, Bedrock.
    {"safety", kFilter},
    {"image_safety", kFilter},
    {"sensitive", kFilter},
    {"recitation", kFilter},
    {"blocklist", kFilter},
    {"prohibited_content", kFilter},
    {"spii", kFilter},
    {"content_filtered", kFilter},
    {"content-filter", kFilter},
    {"guardrail_intervened", kFilter},
    {"moderation", kFilter},
    // Anthropic.
    {"refusal", kRefusal},
    // OpenRouter; vLLM and SGLang when the engine is stopped; Z.ai; DeepSeek.
    {"error", kBroke},
    {"abort", kBroke},
    {"aborted", kBroke},
    {"network_error", kBroke},
    {"insufficient_system_resource", kBroke},
    {"cancel", kBroke},
    {"cancelled", kBroke},
    {"canceled", kBroke},
    {"interrupted", kBroke},
    {"timeout", kBroke},
    {"failed", kBroke},
    {"failure", kBroke},
    {"server_error", kBroke},
    {"internal_error", kBroke},
    {"internal_server_error", kBroke},
    {"engine_error", kBroke},
    {"upstream_error", kBroke},
    {"provider_error", kBroke},
    {"connection_error", kBroke},
    {"overloaded", kBroke},
    {"unavailable", kBroke},
    // Gemini: the model wrote a call that its own server cannot read.
    {"malformed_function_call", kBroke},
};

}  // namespace

OpenAiFinish ReadOpenAiFinish(std::string_view word) {
  const std::string lower = AsciiLower(TrimBlanks(word));
  for (const FinishRow& row : kRows) {
    if (row.word == lower) return row.finish;
  }
  return {Meaning::kEnd, FinishReason::kOther};
}

}  // namespace sluice
