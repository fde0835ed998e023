// What the servers of one upstream take and tell, where servers of one wire
// format differ: policy.proto, Dialect, compiled once a revision. Plain values,
// any thread.
#ifndef SLUICE_SERVER_CODEC_DIALECT_H_
#define SLUICE_SERVER_CODEC_DIALECT_H_

#include <string>

namespace sluice {

// The defaults are preset GENERIC: what most servers take.
struct Dialect {
  enum class TokenLimit { kMaxTokens, kMaxCompletionTokens };
  // Under which name an assistant's reasoning goes back.
  enum class ReasoningKey { kNone, kReasoningContent, kReasoning };

  TokenLimit token_limit = TokenLimit::kMaxTokens;
  bool stream_options = true;
  bool developer_role = false;
  bool strict_tools = true;
  bool parallel_tool_calls = true;
  ReasoningKey reasoning = ReasoningKey::kReasoningContent;
  bool ends_without_finish = false;
  std::string content_type = "application/json";

  friend bool operator==(const Dialect&, const Dialect&) = default;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_DIALECT_H_
