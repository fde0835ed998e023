// What is wrong with a conversation whatever the provider.
#include <string>

#include "absl/strings/str_cat.h"
#include "server/service/check_faults.h"
#include "server/service/message_text.h"

namespace sluice {
namespace {

using Fault = RequestFault;

// A part's kind by the name of its field.
std::string NameOf(const v1::Part& part) {
  if (part.kind_case() == v1::Part::KIND_NOT_SET) return "what is empty";
  return std::string(v1::Part::descriptor()->FindFieldByNumber(part.kind_case())->name());
}

Fault CheckMedia(const std::string& field, const v1::Media& media) {
  if (media.source_case() == v1::Media::SOURCE_NOT_SET) {
    return Refuse(field, "is empty; must hold a url, data or a file_id");
  }
  if (media.has_data() && media.mime_type().empty()) {
    return Refuse(absl::StrCat(field, ".mime_type"), "is missing; required with data (\"image/png\")");
  }
  return std::nullopt;
}

// What a tool gave: text and media.
Fault CheckResult(const std::string& field, const v1::ToolResult& result) {
  if (result.tool_call_id().empty()) return Refuse(absl::StrCat(field, ".tool_call_id"), "is missing");
  if (!result.text().empty() && result.parts_size() > 0) {
    return Refuse(absl::StrCat(field, ".text"), "is set together with parts; must be only one of them");
  }
  for (int i = 0; i < result.parts_size(); ++i) {
    const v1::Part& part = result.parts(i);
    const std::string place = absl::StrCat(field, ".parts[", i, "]");
    if (part.has_text()) continue;
    if (!part.has_media()) {
      return Refuse(place, absl::StrCat(NameOf(part), " cannot be part of a tool's result; must be text or media"));
    }
    if (auto fault = CheckMedia(absl::StrCat(place, ".media"), part.media())) return fault;
  }
  return std::nullopt;
}

Fault CheckPart(const std::string& field, const v1::Part& part) {
  switch (part.kind_case()) {
    case v1::Part::KIND_NOT_SET:
      return Refuse(field, "is empty; must be one of text, media, reasoning, tool_call, tool_result, refusal");
    case v1::Part::kMedia:
      return CheckMedia(absl::StrCat(field, ".media"), part.media());
    case v1::Part::kToolCall:
      if (part.tool_call().name().empty()) return Refuse(absl::StrCat(field, ".tool_call.name"), "is missing");
      return std::nullopt;
    case v1::Part::kToolResult:
      return CheckResult(absl::StrCat(field, ".tool_result"), part.tool_result());
    default:
      return std::nullopt;
  }
}

// As answers come: their text is there twice.
bool SaysWhatItsPartSays(const v1::Message& message) {
  return message.text().empty() || message.text() == OnlyTextOf(message);
}

Fault CheckMessage(const std::string& field, const v1::Message& message) {
  if (!v1::Role_IsValid(message.role()) || message.role() == v1::ROLE_UNSPECIFIED) {
    return Refuse(absl::StrCat(field, ".role"),
                  absl::StrCat(static_cast<int>(message.role()),
                               " is no role; must be ROLE_SYSTEM, ROLE_DEVELOPER, ROLE_USER, ROLE_ASSISTANT or "
                               "ROLE_TOOL"));
  }
  if (message.parts_size() > 0 && !SaysWhatItsPartSays(message)) {
    return Refuse(absl::StrCat(field, ".text"),
                  "is set together with parts; must be only one of them, or what the one text part says");
  }
  for (int i = 0; i < message.parts_size(); ++i) {
    if (auto fault = CheckPart(absl::StrCat(field, ".parts[", i, "]"), message.parts(i))) return fault;
  }
  return std::nullopt;
}

}  // namespace

RequestFault CheckMessages(const v1::ChatRequest& request) {
  if (request.messages_size() == 0) return Refuse("messages", "is empty; must hold at least one message");
  for (int i = 0; i < request.messages_size(); ++i) {
    if (auto fault = CheckMessage(absl::StrCat("messages[", i, "]"), request.messages(i))) return fault;
  }
  return std::nullopt;
}

}  // namespace sluice
