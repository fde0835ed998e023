// Images, sounds and documents in OpenAI's form.
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/codec/ascii_text.h"
#include "server/codec/openai_message_parts.h"
#include "server/codec/openai_request.h"

namespace sluice {
namespace {

using v1::Media;

constexpr std::string_view kPdf = "application/pdf";

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

}  // namespace

absl::Status WriteOpenAiMedia(const v1::Media& media, const std::string& field, JsonWriter& writer) {
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

}  // namespace sluice
