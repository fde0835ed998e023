#include "server/codec/openai_fields.h"

namespace sluice {
namespace {

struct Row {
  std::string_view key;
  std::string_view field;
};

constexpr Row kRows[] = {
    {"model", "model"},
    {"messages", "messages"},
    {"stream", "stream"},
    {"stream_options", "stream_options"},
    {"tools", "tools"},
    {"tool_choice", "tool_choice"},
    {"parallel_tool_calls", "tool_choice.parallel_tool_calls"},
    {"response_format", "response_format"},
    {"temperature", "sampling.temperature"},
    {"top_p", "sampling.top_p"},
    {"top_k", "sampling.top_k"},
    {"seed", "sampling.seed"},
    {"max_completion_tokens", "sampling.max_output_tokens"},
    {"stop", "sampling.stop"},
    {"presence_penalty", "sampling.presence_penalty"},
    {"frequency_penalty", "sampling.frequency_penalty"},
    {"reasoning_effort", "reasoning.effort"},
    {"n", "n"},
    {"logprobs", "logprobs"},
    {"top_logprobs", "top_logprobs"},
};

}  // namespace

std::string_view FieldOfOpenAiKey(std::string_view key) {
  for (const Row& row : kRows) {
    if (row.key == key) return row.field;
  }
  return {};
}

std::string_view FieldOfOpenAiParam(std::string_view param) {
  const std::string_view key = param.substr(0, param.find_first_of(".["));
  // Some servers name the old key though they were given the new one.
  if (key == "max_tokens") return FieldOfOpenAiKey("max_completion_tokens");
  // Of an embeddings request.
  if (key == "input") return "inputs";
  if (key == "dimensions") return "dimensions";
  return FieldOfOpenAiKey(key);
}

}  // namespace sluice
