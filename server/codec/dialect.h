// What the servers of one upstream take and tell, where servers of one wire
// format differ: policy.proto, Dialect, compiled once a revision. And what a
// server was seen to refuse of it. Plain values, any thread.
#ifndef SLUICE_SERVER_CODEC_DIALECT_H_
#define SLUICE_SERVER_CODEC_DIALECT_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice {

// The defaults are preset GENERIC: what most servers take.
struct Dialect {
  enum class TokenLimit { kMaxTokens, kMaxCompletionTokens };
  // Under which name an assistant's reasoning goes back.
  enum class ReasoningKey { kNone, kReasoningContent, kReasoning };

  // How a document goes that is not given by its bytes.
  enum class Documents {
    kById,         // {"file": {"file_id": …}}; no URL, as OpenAI
    kByUrlToo,     // {"file": {"file_data": URL}} beside, as OpenRouter
    kDocumentUrl,  // {"document_url": URL or bytes}, {"file_id": …}, as Mistral
  };

  TokenLimit token_limit = TokenLimit::kMaxTokens;
  bool stream_options = true;
  bool developer_role = false;
  bool strict_tools = true;
  bool parallel_tool_calls = true;
  ReasoningKey reasoning = ReasoningKey::kReasoningContent;
  Documents documents = Documents::kById;
  // A tool's message takes images and documents, and no user's message may follow.
  bool media_in_tool_results = false;
  bool ends_without_finish = false;
  std::string content_type = "application/json";
  // Off where a server was seen to refuse them, never by a policy: reasoning in
  // any form, and whatever else states say is to go back.
  bool takes_reasoning = true;
  bool takes_states = true;

  friend bool operator==(const Dialect&, const Dialect&) = default;
};

// What Sluice puts into a request by itself, or by its own choice of a name,
// and can leave out or write otherwise.
enum class FormPart : uint8_t {
  kStreamOptions,
  kMaxTokens,
  kMaxCompletionTokens,
  kStrictTools,
  kParallelToolCalls,
  kDeveloperRole,
  kReasoning,  // in an assistant's turn
  kStates,     // other members that states put there
};
inline constexpr int kFormParts = 8;

// "max_tokens": the key as it is sent, or what stands for it.
std::string_view NameOf(FormPart part);

// What a server refuses.
class FormParts {
 public:
  FormParts() = default;
  FormParts(FormPart part) { Add(part); }  // NOLINT: a part is a set of one

  void Add(FormPart part) { bits_ |= Bit(part); }
  void Add(FormParts parts) { bits_ |= parts.bits_; }
  bool Has(FormPart part) const { return (bits_ & Bit(part)) != 0; }
  bool Has(FormParts parts) const { return (bits_ & parts.bits_) == parts.bits_; }
  bool empty() const { return bits_ == 0; }
  // "max_tokens, strict"
  std::string ToString() const;

  friend bool operator==(FormParts, FormParts) = default;

 private:
  static uint8_t Bit(FormPart part) { return static_cast<uint8_t>(1u << static_cast<unsigned>(part)); }

  uint8_t bits_ = 0;
};

// The dialect of a server that refuses these. A limit of tokens is never left
// out: where both of its names are refused it keeps the dialect's own.
Dialect Without(FormParts refused, Dialect dialect);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_DIALECT_H_
