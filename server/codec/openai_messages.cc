// The conversation in OpenAI's form. One message of ours becomes one of theirs,
// except a tool message: each of its results becomes one.
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/codec/ascii_text.h"
#include "server/codec/openai_request.h"

namespace sluice {
namespace {

using v1::Media;
using v1::Message;
using v1::Part;

constexpr std::string_view kPdf = "application/pdf";

// Empty for a role that is not set or unknown.
std::string_view RoleName(v1::Role role) {
  switch (role) {
    case v1::ROLE_SYSTEM:
      return "system";
    case v1::ROLE_DEVELOPER:
      return "developer";
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

std::string DataUri(const Media& media) {
  return absl::StrCat("data:", media.mime_type(), ";base64,", absl::Base64Escape(media.data()));
}

bool IsImage(const Media& media) { return StartsIgnoringCase(media.mime_type(), "image/"); }

// OpenAI takes sound as wav or mp3 only; empty for anything else.
std::string_view AudioFormat(std::string_view mime_type) {
  for (const std::string_view wav : {"audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"}) {
    if (EqualsIgnoringCase(mime_type, wav)) return "wav";
  }
  for (const std::string_view mp3 : {"audio/mpeg", "audio/mp3"}) {
    if (EqualsIgnoringCase(mime_type, mp3)) return "mp3";
  }
  return {};
}

void WriteTextPart(std::string_view text, JsonWriter& writer) {
  writer.StartObject();
  WriteMember(writer, "type", "text");
  WriteMember(writer, "text", text);
  writer.EndObject();
}

void WriteImage(const Media& media, JsonWriter& writer) {
  writer.StartObject();
  WriteMember(writer, "type", "image_url");
  WriteKey(writer, "image_url");
  writer.StartObject();
  WriteMember(writer, "url", media.has_url() ? media.url() : DataUri(media));
  if (!media.detail().empty()) WriteMember(writer, "detail", media.detail());
  writer.EndObject();
  writer.EndObject();
}

void WriteAudio(const Media& media, std::string_view format, JsonWriter& writer) {
  writer.StartObject();
  WriteMember(writer, "type", "input_audio");
  WriteKey(writer, "input_audio");
  writer.StartObject();
  WriteMember(writer, "data", absl::Base64Escape(media.data()));
  WriteMember(writer, "format", format);
  writer.EndObject();
  writer.EndObject();
}

void WritePdf(const Media& media, JsonWriter& writer) {
  writer.StartObject();
  WriteMember(writer, "type", "file");
  WriteKey(writer, "file");
  writer.StartObject();
  // Required by OpenAI; our callers have no name to give.
  WriteMember(writer, "filename", "document.pdf");
  WriteMember(writer, "file_data", DataUri(media));
  writer.EndObject();
  writer.EndObject();
}

absl::Status WriteMediaUrl(const Media& media, const std::string& field, JsonWriter& writer) {
  const std::string& url = media.url();
  if (!StartsIgnoringCase(url, "https://") && !StartsIgnoringCase(url, "http://") &&
      !StartsIgnoringCase(url, "data:")) {
    return FieldError(field + ".url", "must begin with https://, http:// or data:");
  }
  if (!media.mime_type().empty() && !IsImage(media)) {
    return FieldError(field + ".mime_type", absl::StrCat("\"", media.mime_type(),
                                                         "\" cannot be sent by url in this format, only image/*; use data"));
  }
  WriteImage(media, writer);
  return absl::OkStatus();
}

absl::Status WriteMedia(const Media& media, const std::string& field, JsonWriter& writer) {
  if (media.has_url()) return WriteMediaUrl(media, field, writer);
  if (!media.has_data() || media.data().empty()) return FieldError(field, "neither url nor data is set");
  const std::string& mime_type = media.mime_type();
  if (mime_type.empty()) return FieldError(field + ".mime_type", "required with data, as in \"image/png\"");
  const std::string_view audio = AudioFormat(mime_type);
  if (IsImage(media)) {
    WriteImage(media, writer);
  } else if (!audio.empty()) {
    WriteAudio(media, audio, writer);
  } else if (EqualsIgnoringCase(mime_type, kPdf)) {
    WritePdf(media, writer);
  } else {
    return FieldError(field + ".mime_type",
                      absl::StrCat("\"", mime_type,
                                   "\" cannot be sent in this format; image/*, audio/wav, audio/mpeg and "
                                   "application/pdf can"));
  }
  return absl::OkStatus();
}

std::string PartField(const std::string& message_field, int index) {
  return absl::StrCat(message_field, ".parts[", index, "]");
}

absl::Status WrongPart(const std::string& field, std::string_view what, std::string_view role) {
  return FieldError(field, absl::StrCat(std::string(what), " cannot be part of a ", std::string(role), " message"));
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

class MessageWriter {
 public:
  MessageWriter(const Message& message, int index, JsonWriter& writer)
      : message_(message), field_(absl::StrCat("messages[", index, "]")), writer_(writer) {}

  absl::Status Write() {
    role_ = RoleName(message_.role());
    if (role_.empty()) {
      return FieldError(field_ + ".role", message_.role() == v1::ROLE_UNSPECIFIED
                                              ? "required"
                                              : absl::StrCat(message_.role(), " is no role"));
    }
    if (!message_.text().empty() && message_.parts_size() > 0) {
      return FieldError(field_, "text and parts are both set; text is short for one text part");
    }
    // An answer may have been empty, and then is so in the history.
    if (message_.text().empty() && message_.parts_size() == 0 && message_.role() != v1::ROLE_ASSISTANT) {
      return FieldError(field_, "has neither text nor parts");
    }
    if (message_.role() == v1::ROLE_TOOL) return WriteToolResults();
    return message_.role() == v1::ROLE_ASSISTANT ? WriteAssistant() : WriteInput();
  }

 private:
  void Begin() {
    writer_.StartObject();
    WriteMember(writer_, "role", role_);
    if (!message_.name().empty()) WriteMember(writer_, "name", message_.name());
  }

  absl::Status WriteToolResults() {
    if (!message_.text().empty()) return FieldError(field_ + ".text", "a tool message carries tool_result parts");
    for (int i = 0; i < message_.parts_size(); ++i) {
      const Part& part = message_.parts(i);
      const std::string field = PartField(field_, i);
      if (!part.has_tool_result()) return WrongPart(field, PartName(part), role_);
      if (part.tool_result().tool_call_id().empty()) {
        return FieldError(field + ".tool_result.tool_call_id", "required");
      }
      writer_.StartObject();
      WriteMember(writer_, "role", role_);
      WriteMember(writer_, "tool_call_id", part.tool_result().tool_call_id());
      WriteMember(writer_, "content", part.tool_result().text());
      writer_.EndObject();
    }
    return absl::OkStatus();
  }

  // System, developer and user: text, and media from users.
  absl::Status WriteInput() {
    Begin();
    WriteKey(writer_, "content");
    if (message_.parts_size() == 0) {
      WriteString(writer_, message_.text());
    } else if (message_.parts_size() == 1 && message_.parts(0).has_text()) {
      WriteString(writer_, message_.parts(0).text());
    } else {
      writer_.StartArray();
      for (int i = 0; i < message_.parts_size(); ++i) {
        if (absl::Status status = WriteInputPart(i); !status.ok()) return status;
      }
      writer_.EndArray();
    }
    writer_.EndObject();
    return absl::OkStatus();
  }

  absl::Status WriteInputPart(int index) {
    const Part& part = message_.parts(index);
    const std::string field = PartField(field_, index);
    if (part.has_text()) {
      WriteTextPart(part.text(), writer_);
      return absl::OkStatus();
    }
    if (part.has_media() && message_.role() == v1::ROLE_USER) return WriteMedia(part.media(), field + ".media", writer_);
    if (part.kind_case() == Part::KIND_NOT_SET) return FieldError(field, "is empty");
    return WrongPart(field, PartName(part), role_);
  }

  absl::Status WriteAssistant() {
    if (absl::Status status = SortAssistantParts(); !status.ok()) return status;
    Begin();
    WriteAssistantContent();
    if (!calls_.empty()) {
      WriteKey(writer_, "tool_calls");
      writer_.StartArray();
      for (const int i : calls_) WriteToolCall(message_.parts(i).tool_call());
      writer_.EndArray();
    }
    writer_.EndObject();
    return absl::OkStatus();
  }

  absl::Status SortAssistantParts() {
    for (int i = 0; i < message_.parts_size(); ++i) {
      const Part& part = message_.parts(i);
      const std::string field = PartField(field_, i);
      if (part.has_text() || part.has_refusal()) {
        spoken_.push_back(i);
        refused_ = refused_ || part.has_refusal();
      } else if (part.has_tool_call()) {
        if (part.tool_call().id().empty()) return FieldError(field + ".tool_call.id", "required");
        if (part.tool_call().name().empty()) return FieldError(field + ".tool_call.name", "required");
        calls_.push_back(i);
      } else if (part.kind_case() == Part::KIND_NOT_SET) {
        if (part.states_size() == 0) return FieldError(field, "is empty");
      } else if (!part.has_reasoning()) {
        return WrongPart(field, PartName(part), "assistant");
      }
    }
    return absl::OkStatus();
  }

  void WriteAssistantContent() {
    if (spoken_.size() == 1 && refused_) {
      WriteMember(writer_, "refusal", message_.parts(spoken_[0]).refusal().text());
      return;
    }
    WriteKey(writer_, "content");
    if (spoken_.empty() && !calls_.empty()) {
      writer_.Null();
    } else if (spoken_.empty()) {
      WriteString(writer_, message_.text());
    } else if (spoken_.size() == 1) {
      WriteString(writer_, message_.parts(spoken_[0]).text());
    } else {
      writer_.StartArray();
      for (const int i : spoken_) WriteSpokenPart(message_.parts(i));
      writer_.EndArray();
    }
  }

  void WriteSpokenPart(const Part& part) {
    if (part.has_text()) return WriteTextPart(part.text(), writer_);
    writer_.StartObject();
    WriteMember(writer_, "type", "refusal");
    WriteMember(writer_, "refusal", part.refusal().text());
    writer_.EndObject();
  }

  void WriteToolCall(const v1::ToolCall& call) {
    writer_.StartObject();
    WriteMember(writer_, "id", call.id());
    WriteMember(writer_, "type", "function");
    WriteKey(writer_, "function");
    writer_.StartObject();
    WriteMember(writer_, "name", call.name());
    WriteMember(writer_, "arguments", call.arguments_json());
    writer_.EndObject();
    writer_.EndObject();
  }

  const Message& message_;
  const std::string field_;
  JsonWriter& writer_;
  std::string_view role_;
  // Of an assistant's parts: indices of text and refusal, and of tool calls.
  std::vector<int> spoken_;
  std::vector<int> calls_;
  bool refused_ = false;
};

}  // namespace

absl::Status WriteOpenAiMessages(const v1::ChatRequest& request, JsonWriter& writer) {
  writer.StartArray();
  for (int i = 0; i < request.messages_size(); ++i) {
    if (absl::Status status = MessageWriter(request.messages(i), i, writer).Write(); !status.ok()) return status;
  }
  writer.EndArray();
  return absl::OkStatus();
}

}  // namespace sluice
