// The pieces that openai_messages.cc puts a conversation together from. Private
// to the encoding of requests.
#ifndef SLUICE_SERVER_CODEC_OPENAI_MESSAGE_PARTS_H_
#define SLUICE_SERVER_CODEC_OPENAI_MESSAGE_PARTS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/codec/dialect.h"
#include "server/codec/json_writer.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {

// "messages[1].parts[0]"
std::string OpenAiPartField(std::string_view message_field, int index);

// INVALID_ARGUMENT: a part of this kind has no place in a message of this role.
absl::Status WrongOpenAiPart(std::string_view field, const v1::Part& part, std::string_view role);

// {"type":"text","text":…}
void WriteOpenAiTextPart(std::string_view text, JsonWriter& writer);

// An image, sound or document of a user's message, as a part of `content`
// (openai_media.cc).
absl::Status WriteOpenAiMedia(const v1::Media& media, const std::string& field, JsonWriter& writer);

// An assistant's turn (openai_assistant.cc). False: it says nothing, and was
// left out.
absl::StatusOr<bool> WriteOpenAiAssistant(const v1::Message& message, const std::string& field, const Dialect& dialect,
                                          JsonWriter& writer);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_MESSAGE_PARTS_H_
