// What tools gave, in OpenAI's form: a message for each result, whose content is
// text, and what is no text in a user's message behind all of them.
#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/codec/ascii_text.h"
#include "server/codec/openai_message_parts.h"
#include "server/codec/openai_request.h"

namespace sluice {
namespace {

using v1::Part;
using v1::ToolResult;

constexpr std::string_view kError = "Error: ";
constexpr std::string_view kErrorWithoutText = "the tool failed without saying why.";
// Many servers refuse, or hide, what has no content.
constexpr std::string_view kMediaFollow = "The result follows as media.";

bool HasMedia(const ToolResult& result) {
  return std::any_of(result.parts().begin(), result.parts().end(), [](const Part& part) { return part.has_media(); });
}

// What a tool's message says. Empty: nothing.
std::string TextOf(const ToolResult& result, bool media_follow) {
  std::string text = result.parts().empty() ? result.text() : JoinedOpenAiText(result.parts());
  if (text.empty() && media_follow) text = kMediaFollow;
  if (!result.is_error()) return text;
  if (StartsIgnoringCase(TrimBlanks(text), "error:")) return text;
  return absl::StrCat(std::string(kError), text.empty() ? std::string(kErrorWithoutText) : text);
}

}  // namespace

absl::Status OpenAiToolResults::Add(const v1::Message& message, const std::string& field) {
  if (!message.text().empty()) return FieldError(field + ".text", "a tool message carries tool_result parts");
  for (int i = 0; i < message.parts_size(); ++i) {
    const Part& part = message.parts(i);
    const std::string place = OpenAiPartField(field, i);
    if (!part.has_tool_result()) return WrongOpenAiPart(place, part, "a tool message");
    if (absl::Status status = Check(part.tool_result(), place + ".tool_result"); !status.ok()) return status;
    if (absl::Status status = WriteResult(part.tool_result(), place + ".tool_result"); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status OpenAiToolResults::Check(const ToolResult& result, const std::string& field) {
  if (result.tool_call_id().empty()) return FieldError(field + ".tool_call_id", "required");
  if (!result.text().empty() && !result.parts().empty()) {
    return FieldError(field, "text and parts are both set; text is short for one text part");
  }
  for (int i = 0; i < result.parts_size(); ++i) {
    const std::string place = OpenAiPartField(field, i);
    if (result.parts(i).kind_case() == Part::KIND_NOT_SET) return FieldError(place, "is empty");
    if (!result.parts(i).has_text() && !result.parts(i).has_media()) {
      return WrongOpenAiPart(place, result.parts(i), "a tool result");
    }
  }
  return absl::OkStatus();
}

absl::Status OpenAiToolResults::WriteResult(const ToolResult& result, const std::string& field) {
  const bool media = HasMedia(result);
  writer_.StartObject();
  WriteMember(writer_, "role", "tool");
  WriteMember(writer_, "tool_call_id", result.tool_call_id());
  WriteKey(writer_, "content");
  absl::Status status = absl::OkStatus();
  if (media && dialect_.media_in_tool_results) {
    writer_.StartArray();
    const std::string text = TextOf(result, /*media_follow=*/false);
    if (!text.empty()) WriteOpenAiTextPart(text, writer_);
    status = WriteMedia(result, field);
    writer_.EndArray();
  } else {
    WriteString(writer_, TextOf(result, media));
    if (media) waiting_.push_back({&result, field});
  }
  writer_.EndObject();
  return status;
}

absl::Status OpenAiToolResults::WriteMedia(const ToolResult& result, const std::string& field) {
  for (int i = 0; i < result.parts_size(); ++i) {
    if (!result.parts(i).has_media()) continue;
    const std::string place = OpenAiPartField(field, i) + ".media";
    if (absl::Status status = WriteOpenAiMedia(result.parts(i).media(), place, dialect_, writer_); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status OpenAiToolResults::End() {
  if (waiting_.empty()) return absl::OkStatus();
  writer_.StartObject();
  WriteMember(writer_, "role", "user");
  WriteKey(writer_, "content");
  writer_.StartArray();
  for (const Waiting& each : waiting_) {
    WriteOpenAiTextPart(absl::StrCat("Media of the result of tool call ", each.result->tool_call_id(), ":"), writer_);
    if (absl::Status status = WriteMedia(*each.result, each.field); !status.ok()) return status;
  }
  writer_.EndArray();
  writer_.EndObject();
  waiting_.clear();
  return absl::OkStatus();
}

}  // namespace sluice
