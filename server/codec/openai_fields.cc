#include "server/codec/openai_fields.h"

#include <algorithm>

#include "server/codec/ascii_text.h"

namespace sluice {
namespace {

struct Row {
  std::string_view key;
  std::string_view field;
  bool extra = false;  // extras may have it while the field is not set
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
    {"max_tokens", "sampling.max_output_tokens"},
    {"max_completion_tokens", "sampling.max_output_tokens"},
    {"stop", "sampling.stop"},
    {"presence_penalty", "sampling.presence_penalty"},
    {"frequency_penalty", "sampling.frequency_penalty"},
    {"reasoning_effort", "reasoning.effort"},
    {"n", "n"},
    {"logprobs", "logprobs"},
    {"top_logprobs", "top_logprobs"},
    {"user", "user", true},
    {"metadata", "metadata", true},
    {"service_tier", "service_tier", true},
    {"verbosity", "verbosity", true},
    {"modalities", "audio", true},
    {"audio", "audio", true},
    {"logit_bias", "sampling.logit_bias", true},
};

bool IsWord(char c) { return (c >= '0' && c <= '9') || (AsciiLower(c) >= 'a' && AsciiLower(c) <= 'z') || c == '_'; }

// The next word of a path, whatever stands between them.
std::string_view TakeWord(std::string_view& path) {
  const auto begin = std::find_if(path.begin(), path.end(), IsWord);
  const auto end = std::find_if_not(begin, path.end(), IsWord);
  const std::string_view word = path.substr(begin - path.begin(), end - begin);
  path.remove_prefix(end - path.begin());
  return word;
}

const Row* RowOf(std::string_view key) {
  const Row* const row = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) { return r.key == key; });
  return row != std::end(kRows) ? row : nullptr;
}

}  // namespace

std::string_view FieldOfOpenAiKey(std::string_view key) {
  const Row* const row = RowOf(key);
  return row != nullptr ? row->field : std::string_view();
}

bool MayBeOpenAiExtra(std::string_view key) {
  const Row* const row = RowOf(key);
  return row == nullptr || row->extra;
}

bool IsOpenAiTokenLimit(std::string_view key) { return key == "max_tokens" || key == "max_completion_tokens"; }

std::string_view FieldOfOpenAiParam(std::string_view param) {
  std::string_view key = TakeWord(param);
  // FastAPI's place of what came.
  if (key == "body") key = TakeWord(param);
  // Of an embeddings request.
  if (key == "input") return "inputs";
  if (key == "dimensions") return "dimensions";
  return FieldOfOpenAiKey(key);
}

}  // namespace sluice
