// What a caller asked for, whatever the operation: the engine only needs to
// put it into a target's wire format and to read the answer. Implemented for
// chat here and for embeddings beside it; const, one per call.
#ifndef SLUICE_SERVER_ENGINE_CALL_REQUEST_H_
#define SLUICE_SERVER_ENGINE_CALL_REQUEST_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/codec/wire_format.h"

namespace sluice::v1 {
class ChatRequest;
}

namespace sluice {

// A token of most languages and tokenizers is about four bytes.
inline constexpr uint64_t kBytesPerToken = 4;

class CallRequest {
 public:
  virtual ~CallRequest() = default;

  // The model as the caller names it.
  virtual std::string_view model() const = 0;
  // INVALID_ARGUMENT names the field that the format cannot carry.
  virtual absl::StatusOr<EncodedRequest> Encode(const WireFormat& format, std::string_view model,
                                                const Dialect& dialect) const = 0;
  // Adds what the request tells to `options` (choices, extras).
  virtual std::unique_ptr<ResponseDecoder> NewDecoder(const WireFormat& format, AnswerOptions options) const = 0;
  // What it may cost, for token limits: bytes of the prompt ÷ 4 and the most
  // output tokens that it asks for.
  virtual uint64_t EstimatedTokens() const = 0;
  // The prompt's share of it.
  virtual uint64_t PromptTokens() const { return EstimatedTokens(); }
  // What it takes in memory, as far as its own bytes go.
  virtual uint64_t Bytes() const = 0;
  // The beginning of the prompt, for affinity; at most `bytes` of it.
  virtual std::string PromptPrefix(size_t bytes) const = 0;
  // The caller agreed to a stream that begins anew after a cut.
  virtual bool allows_restart() const { return false; }
  // How many answers were asked for.
  virtual int choices() const { return 1; }
  // Whether a declared text can stand in for the answer.
  virtual bool takes_static_answer() const { return true; }
};

// The request must outlive it.
std::unique_ptr<const CallRequest> NewChatCallRequest(const v1::ChatRequest& request);

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_CALL_REQUEST_H_
