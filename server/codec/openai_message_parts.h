// The pieces that openai_messages.cc puts a conversation together from. Private
// to the encoding of requests.
#ifndef SLUICE_SERVER_CODEC_OPENAI_MESSAGE_PARTS_H_
#define SLUICE_SERVER_CODEC_OPENAI_MESSAGE_PARTS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/codec/dialect.h"
#include "server/codec/json_writer.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {

// "messages[1].parts[0]"
std::string OpenAiPartField(std::string_view message_field, int index);

// INVALID_ARGUMENT: a part of this kind has no place in `whole` ("a user message").
absl::Status WrongOpenAiPart(std::string_view field, const v1::Part& part, std::string_view whole);

// The texts of parts as one, a line each: without something between them two words
// would become one. vLLM and llama.cpp join the parts of a list in the same way.
std::string JoinedOpenAiText(const google::protobuf::RepeatedPtrField<v1::Part>& parts);

// {"type":"text","text":…}
void WriteOpenAiTextPart(std::string_view text, JsonWriter& writer);

// An image, sound or document, as a part of `content` (openai_media.cc).
absl::Status WriteOpenAiMedia(const v1::Media& media, const std::string& field, const Dialect& dialect,
                              JsonWriter& writer);

// The results of a turn's tool calls (openai_tool_results.cc). Tool messages of one
// turn stay side by side, or servers refuse them: media wait until the last.
class OpenAiToolResults {
 public:
  OpenAiToolResults(const Dialect& dialect, JsonWriter& writer) : dialect_(dialect), writer_(writer) {}

  // A message of role tool; further ones may follow.
  absl::Status Add(const v1::Message& message, const std::string& field);
  // None follows.
  absl::Status End();

 private:
  struct Waiting {
    const v1::ToolResult* result;
    std::string field;
  };

  static absl::Status Check(const v1::ToolResult& result, const std::string& field);
  absl::Status WriteResult(const v1::ToolResult& result, const std::string& field);
  absl::Status WriteMedia(const v1::ToolResult& result, const std::string& field);

  const Dialect& dialect_;
  JsonWriter& writer_;
  std::vector<Waiting> waiting_;
};

// An assistant's turn (openai_assistant.cc). False: it says nothing, and was
// left out.
absl::StatusOr<bool> WriteOpenAiAssistant(const v1::Message& message, const std::string& field, const Dialect& dialect,
                                          JsonWriter& writer);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_MESSAGE_PARTS_H_
