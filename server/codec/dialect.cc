#include "server/codec/dialect.h"

namespace sluice {

std::string_view NameOf(FormPart part) {
  switch (part) {
    case FormPart::kStreamOptions:
      return "stream_options";
    case FormPart::kMaxTokens:
      return "max_tokens";
    case FormPart::kMaxCompletionTokens:
      return "max_completion_tokens";
    case FormPart::kStrictTools:
      return "strict";
    case FormPart::kParallelToolCalls:
      return "parallel_tool_calls";
    case FormPart::kDeveloperRole:
      return "developer";
    case FormPart::kReasoning:
      return "reasoning";
    case FormPart::kStates:
      return "states";
  }
  return "";
}

std::string FormParts::ToString() const {
  std::string text;
  for (int i = 0; i < kFormParts; ++i) {
    const FormPart part = static_cast<FormPart>(i);
    if (!Has(part)) continue;
    if (!text.empty()) text += ", ";
    text += NameOf(part);
  }
  return text;
}

Dialect Without(FormParts refused, Dialect dialect) {
  const bool old_name = refused.Has(FormPart::kMaxTokens);
  const bool new_name = refused.Has(FormPart::kMaxCompletionTokens);
  if (old_name && !new_name) dialect.token_limit = Dialect::TokenLimit::kMaxCompletionTokens;
  if (new_name && !old_name) dialect.token_limit = Dialect::TokenLimit::kMaxTokens;
  if (refused.Has(FormPart::kStreamOptions)) dialect.stream_options = false;
  if (refused.Has(FormPart::kStrictTools)) dialect.strict_tools = false;
  if (refused.Has(FormPart::kParallelToolCalls)) dialect.parallel_tool_calls = false;
  if (refused.Has(FormPart::kDeveloperRole)) dialect.developer_role = false;
  if (refused.Has(FormPart::kReasoning)) dialect.takes_reasoning = false;
  if (refused.Has(FormPart::kStates)) dialect.takes_states = false;
  return dialect;
}

}  // namespace sluice
