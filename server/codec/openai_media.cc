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

// OpenAI requires a name; most callers have none to give.
std::string FileName(const Media& media) {
  if (!media.file_name().empty()) return media.file_name();
  return EqualsIgnoringCase(media.mime_type(), kPdf) ? "document.pdf" : "document";
}

void WriteFile(const Media& media, std::string_view file_data, JsonWriter& writer) {
  writer.StartObject();
  WriteMember(writer, "type", "file");
  WriteKey(writer, "file");
  writer.StartObject();
  WriteMember(writer, "filename", FileName(media));
  WriteMember(writer, "file_data", file_data);
  writer.EndObject();
  writer.EndObject();
}

// Mistral's.
void WriteDocumentUrl(const Media& media, std::string_view url, JsonWriter& writer) {
  writer.StartObject();
  WriteMember(writer, "type", "document_url");
  WriteMember(writer, "document_url", url);
  if (!media.file_name().empty()) WriteMember(writer, "document_name", media.file_name());
  writer.EndObject();
}

void WriteDocument(const Media& media, std::string_view url, const Dialect& dialect, JsonWriter& writer) {
  if (dialect.documents == Dialect::Documents::kDocumentUrl) return WriteDocumentUrl(media, url, writer);
  WriteFile(media, url, writer);
}

// The provider knows what is in the file.
absl::Status WriteFileId(const Media& media, const std::string& field, const Dialect& dialect, JsonWriter& writer) {
  if (media.file_id().empty()) return FieldError(field + ".file_id", "is empty");
  writer.StartObject();
  WriteMember(writer, "type", "file");
  const bool flat = dialect.documents == Dialect::Documents::kDocumentUrl;
  if (!flat) {
    WriteKey(writer, "file");
    writer.StartObject();
  }
  WriteMember(writer, "file_id", media.file_id());
  if (!flat) writer.EndObject();
  writer.EndObject();
  return absl::OkStatus();
}

absl::Status WriteDocumentOfUrl(const Media& media, const std::string& field, const Dialect& dialect,
                                JsonWriter& writer) {
  const std::string& type = media.mime_type();
  if (StartsIgnoringCase(type, "audio/") || StartsIgnoringCase(type, "video/")) {
    return FieldError(field + ".mime_type",
                      absl::StrCat("\"", type, "\" cannot be sent by url in this format; use data"));
  }
  // What holds its bytes is no place to fetch from.
  const bool inside = StartsIgnoringCase(media.url(), "data:");
  if (!inside && dialect.documents == Dialect::Documents::kById) {
    return FieldError(field + ".url", absl::StrCat("the servers of this upstream fetch only images, not \"", type,
                                                   "\"; use data or file_id"));
  }
  WriteDocument(media, media.url(), dialect, writer);
  return absl::OkStatus();
}

absl::Status WriteMediaUrl(const Media& media, const std::string& field, const Dialect& dialect, JsonWriter& writer) {
  const std::string& url = media.url();
  if (!StartsIgnoringCase(url, "https://") && !StartsIgnoringCase(url, "http://") &&
      !StartsIgnoringCase(url, "data:")) {
    return FieldError(field + ".url", "must begin with https://, http:// or data:");
  }
  if (!media.mime_type().empty() && !IsImage(media)) return WriteDocumentOfUrl(media, field, dialect, writer);
  WriteImage(media, writer);
  return absl::OkStatus();
}

absl::Status WriteMediaData(const Media& media, const std::string& field, const Dialect& dialect, JsonWriter& writer) {
  const std::string& mime_type = media.mime_type();
  if (mime_type.empty()) return FieldError(field + ".mime_type", "required with data, as in \"image/png\"");
  const std::string_view audio = AudioFormat(mime_type);
  if (IsImage(media)) {
    WriteImage(media, writer);
  } else if (!audio.empty()) {
    WriteAudio(media, audio, writer);
  } else if (EqualsIgnoringCase(mime_type, kPdf)) {
    WriteDocument(media, DataUri(media), dialect, writer);
  } else {
    return FieldError(field + ".mime_type",
                      absl::StrCat("\"", mime_type,
                                   "\" cannot be sent in this format; image/*, audio/wav, audio/mpeg and "
                                   "application/pdf can"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteOpenAiMedia(const v1::Media& media, const std::string& field, const Dialect& dialect,
                              JsonWriter& writer) {
  switch (media.source_case()) {
    case Media::kUrl:
      return WriteMediaUrl(media, field, dialect, writer);
    case Media::kFileId:
      return WriteFileId(media, field, dialect, writer);
    case Media::kData:
      if (!media.data().empty()) return WriteMediaData(media, field, dialect, writer);
      break;
    default:
      break;
  }
  return FieldError(field, "neither url, data nor file_id is set");
}

}  // namespace sluice
