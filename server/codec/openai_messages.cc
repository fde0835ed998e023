// The conversation in OpenAI's form. One message of ours becomes one of theirs,
// except a tool message: each of its results becomes one (openai_tool_results.cc),
// and an assistant's turn that says nothing, which is left out. `content` is one string wherever
// there is only text: every server takes that, and many refuse a list.
#include <string>

#include "absl/strings/str_cat.h"
#include "server/codec/openai_message_parts.h"
#include "server/codec/openai_request.h"

namespace sluice {
namespace {

using v1::Message;
using v1::Part;

// Empty for a role that is not set or unknown.
std::string_view RoleName(v1::Role role, const Dialect& dialect) {
  switch (role) {
    case v1::ROLE_SYSTEM:
      return "system";
    case v1::ROLE_DEVELOPER:
      return dialect.developer_role ? "developer" : "system";
    case v1::ROLE_USER:
      return "user";
    case v1::ROLE_ASSISTANT:
      return "assistant";
    case v1::ROLE_TOOL:
      return "tool";
    default:
      return {};
  }
}

// What a part is called in errors: the name of its field.
std::string_view PartName(const Part& part) {
  switch (part.kind_case()) {
    case Part::kText:
      return "text";
    case Part::kMedia:
      return "media";
    case Part::kReasoning:
      return "reasoning";
    case Part::kToolCall:
      return "tool_call";
    case Part::kToolResult:
      return "tool_result";
    case Part::kRefusal:
      return "refusal";
    default:
      return "";
  }
}

// An answer says its one text both ways, and goes back as it is.
bool MaySayBoth(const Message& message) {
  if (message.text().empty()) return true;
  const Part* only = nullptr;
  for (const Part& part : message.parts()) {
    if (!part.has_text()) continue;
    if (only != nullptr) return false;
    only = &part;
  }
  return only != nullptr && only->text() == message.text();
}

class MessageWriter {
 public:
  MessageWriter(const Message& message, int index, const Dialect& dialect, JsonWriter& writer)
      : message_(message), field_(absl::StrCat("messages[", index, "]")), dialect_(dialect), writer_(writer) {}

  // How many were written. `results`: of the turn that is open.
  absl::StatusOr<int> Write(OpenAiToolResults& results) {
    role_ = RoleName(message_.role(), dialect_);
    if (absl::Status status = Check(); !status.ok()) return status;
    const bool result = message_.role() == v1::ROLE_TOOL;
    if (absl::Status status = result ? results.Add(message_, field_) : results.End(); !status.ok()) return status;
    if (message_.role() == v1::ROLE_ASSISTANT) return WriteOpenAiAssistant(message_, field_, dialect_, writer_);
    if (absl::Status status = result ? absl::OkStatus() : WriteInput(); !status.ok()) return status;
    return 1;
  }

 private:
  absl::Status Check() const {
    if (role_.empty()) {
      return FieldError(field_ + ".role", message_.role() == v1::ROLE_UNSPECIFIED
                                              ? "required"
                                              : absl::StrCat(message_.role(), " is no role"));
    }
    if (message_.parts_size() > 0 && !MaySayBoth(message_)) {
      return FieldError(field_, "text and parts are both set and say different things; text is short for one text part");
    }
    // An answer may have been empty, and then is so in the history.
    if (message_.text().empty() && message_.parts_size() == 0 && message_.role() != v1::ROLE_ASSISTANT) {
      return FieldError(field_, "has neither text nor parts");
    }
    return absl::OkStatus();
  }

  // System, developer and user: text and media.
  absl::Status WriteInput() {
    if (absl::Status status = CheckInputParts(); !status.ok()) return status;
    writer_.StartObject();
    WriteMember(writer_, "role", role_);
    if (!message_.name().empty()) WriteMember(writer_, "name", message_.name());
    WriteKey(writer_, "content");
    if (HasMedia()) {
      if (absl::Status status = WriteInputParts(); !status.ok()) return status;
    } else if (message_.parts_size() > 1) {
      WriteString(writer_, JoinedOpenAiText(message_.parts()));
    } else {
      WriteString(writer_, message_.parts_size() == 1 ? message_.parts(0).text() : message_.text());
    }
    writer_.EndObject();
    return absl::OkStatus();
  }

  absl::Status CheckInputParts() const {
    for (int i = 0; i < message_.parts_size(); ++i) {
      const Part& part = message_.parts(i);
      if (part.has_text() || part.has_media()) continue;
      const std::string field = OpenAiPartField(field_, i);
      if (part.kind_case() == Part::KIND_NOT_SET) return FieldError(field, "is empty");
      return WrongOpenAiPart(field, part, absl::StrCat("a ", std::string(role_), " message"));
    }
    return absl::OkStatus();
  }

  bool HasMedia() const {
    for (const Part& part : message_.parts()) {
      if (part.has_media()) return true;
    }
    return false;
  }

  absl::Status WriteInputParts() {
    writer_.StartArray();
    for (int i = 0; i < message_.parts_size(); ++i) {
      const Part& part = message_.parts(i);
      if (part.has_text()) {
        WriteOpenAiTextPart(part.text(), writer_);
        continue;
      }
      absl::Status status = WriteOpenAiMedia(part.media(), OpenAiPartField(field_, i) + ".media", dialect_, writer_);
      if (!status.ok()) return status;
    }
    writer_.EndArray();
    return absl::OkStatus();
  }

  const Message& message_;
  const std::string field_;
  const Dialect& dialect_;
  JsonWriter& writer_;
  std::string_view role_;
};

}  // namespace

std::string OpenAiPartField(std::string_view message_field, int index) {
  return absl::StrCat(std::string(message_field), ".parts[", index, "]");
}

absl::Status WrongOpenAiPart(std::string_view field, const Part& part, std::string_view whole) {
  return FieldError(field, absl::StrCat(std::string(PartName(part)), " cannot be part of ", std::string(whole)));
}

std::string JoinedOpenAiText(const google::protobuf::RepeatedPtrField<Part>& parts) {
  std::string text;
  for (const Part& part : parts) {
    if (!text.empty() && !part.text().empty()) text += '\n';
    text += part.text();
  }
  return text;
}

void WriteOpenAiTextPart(std::string_view text, JsonWriter& writer) {
  writer.StartObject();
  WriteMember(writer, "type", "text");
  WriteMember(writer, "text", text);
  writer.EndObject();
}

absl::Status WriteOpenAiMessages(const v1::ChatRequest& request, const Dialect& dialect, JsonWriter& writer) {
  int written = 0;
  OpenAiToolResults results(dialect, writer);
  writer.StartArray();
  for (int i = 0; i < request.messages_size(); ++i) {
    const absl::StatusOr<int> more = MessageWriter(request.messages(i), i, dialect, writer).Write(results);
    if (!more.ok()) return more.status();
    written += *more;
  }
  if (absl::Status status = results.End(); !status.ok()) return status;
  writer.EndArray();
  if (written == 0) return FieldError("messages", "none says anything: an assistant's empty turns are not sent");
  return absl::OkStatus();
}

}  // namespace sluice
