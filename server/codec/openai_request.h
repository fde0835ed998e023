// ChatRequest → the JSON of an OpenAI chat completion with `stream: true`, in
// the dialect of the upstream's servers. Called once for each form that a call
// needs; any thread. Reading the protobuf message itself, not a copy in types
// of ours, is on purpose.
//
// - The forms are those that most servers take: text as one string, a schema
//   for every tool, "{}" for a call without arguments, no turn that says nothing.
// - An assistant's reasoning and states go back as they came: openai_assistant.cc.
// - top_k is no field of OpenAI's own, but of most who speak the format.
// - The format has no place for ToolResult.is_error, so the text says it; none for
//   media of a tool either, which follow in a user's message.
// - Tools of other formats are left out.
// - JSON texts (schemas, extras, states) are checked and then sent to the letter.
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
absl::Status WriteOpenAiMessages(const v1::ChatRequest& request, const Dialect& dialect, JsonWriter& writer);

// INVALID_ARGUMENT "field: problem".
absl::Status FieldError(std::string_view field, std::string_view problem);

// A finite number, as the shortest text that gives the same double again: 0.7 stays
// 0.7.
void WriteNumber(JsonWriter& writer, double value);

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
