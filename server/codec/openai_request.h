// ChatRequest → the JSON of an OpenAI chat completion with `stream: true` and
// `stream_options.include_usage`. Called once a call; any thread. Reading the
// protobuf message itself, not a copy in types of ours, is on purpose.
//
// - The bound on the answer is sent as max_completion_tokens: OpenAI's
//   reasoning models refuse max_tokens and refuse both together, and vLLM,
//   llama.cpp, Groq and OpenRouter know the new name. A server that only knows
//   the old one gets it by extras_json["openai"] = {"max_tokens": …}.
// - top_k is no field of OpenAI's own, but of most who speak the format.
// - Reasoning parts and the provider states of any issuer are left out: the
//   format has no place for them. ToolResult.is_error likewise.
// - JSON texts (schemas, extras) are checked and then sent to the letter.
#ifndef SLUICE_SERVER_CODEC_OPENAI_REQUEST_H_
#define SLUICE_SERVER_CODEC_OPENAI_REQUEST_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/codec/json_writer.h"
#include "server/codec/wire_format.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {

absl::StatusOr<EncodedRequest> EncodeOpenAiChat(const v1::ChatRequest& request, std::string_view model,
                                                const Dialect& dialect);

// The value of "messages" (openai_messages.cc).
absl::Status WriteOpenAiMessages(const v1::ChatRequest& request, JsonWriter& writer);

// INVALID_ARGUMENT "field: problem".
absl::Status FieldError(std::string_view field, std::string_view problem);

inline void WriteKey(JsonWriter& writer, std::string_view key) {
  writer.Text(key);
}
inline void WriteString(JsonWriter& writer, std::string_view text) {
  writer.Text(text);
}
inline void WriteMember(JsonWriter& writer, std::string_view key, std::string_view text) {
  WriteKey(writer, key);
  WriteString(writer, text);
}

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_REQUEST_H_
