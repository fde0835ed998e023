#include "server/codec/openai_request_fields.h"

#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "server/codec/json_check.h"
#include "server/codec/openai_fields.h"
#include "server/codec/openai_request.h"

namespace sluice {
namespace {

void WriteText(std::string_view key, const std::string& text, JsonWriter& writer) {
  if (!text.empty()) WriteMember(writer, key, text);
}

// Sorted, for the same request is to be the same bytes.
void WriteMetadata(const google::protobuf::Map<std::string, std::string>& metadata, JsonWriter& writer) {
  if (metadata.empty()) return;
  WriteKey(writer, "metadata");
  writer.StartObject();
  for (const auto& [key, value] : std::map<std::string_view, std::string_view>(metadata.begin(), metadata.end())) {
    WriteMember(writer, key, value);
  }
  writer.EndObject();
}

absl::Status WriteAudio(const v1::AudioOptions& audio, JsonWriter& writer) {
  if (audio.voice().empty()) return FieldError("audio.voice", "required");
  if (audio.format().empty()) return FieldError("audio.format", "required");
  WriteKey(writer, "modalities");
  writer.StartArray();
  WriteString(writer, "text");
  WriteString(writer, "audio");
  writer.EndArray();
  WriteKey(writer, "audio");
  writer.StartObject();
  WriteMember(writer, "voice", audio.voice());
  WriteMember(writer, "format", audio.format());
  writer.EndObject();
  return absl::OkStatus();
}

absl::Status WriteLogitBias(const google::protobuf::Map<int32_t, double>& bias, JsonWriter& writer) {
  if (bias.empty()) return absl::OkStatus();
  WriteKey(writer, "logit_bias");
  writer.StartObject();
  for (const auto& [token, value] : std::map<int32_t, double>(bias.begin(), bias.end())) {
    if (!std::isfinite(value)) {
      return FieldError(absl::StrCat("sampling.logit_bias[", token, "]"), "must be a finite number");
    }
    WriteKey(writer, std::to_string(token));
    WriteNumber(writer, value);
  }
  writer.EndObject();
  return absl::OkStatus();
}

// The value of a member that is a text; empty: it is none.
std::string TextMember(std::string_view object, std::string_view key) {
  const auto members = MembersOfJsonObject(object);
  if (!members) return {};
  for (const JsonMember& member : *members) {
    const bool text = member.value.size() >= 2 && member.value.front() == '"';
    if (member.key == key && text) return std::string(member.value.substr(1, member.value.size() - 2));
  }
  return {};
}

}  // namespace

absl::Status WriteOpenAiRequestFields(const v1::ChatRequest& request, JsonWriter& writer) {
  WriteText("user", request.user(), writer);
  WriteMetadata(request.metadata(), writer);
  WriteText("service_tier", request.service_tier(), writer);
  WriteText("verbosity", request.verbosity(), writer);
  if (request.has_audio()) {
    if (absl::Status status = WriteAudio(request.audio(), writer); !status.ok()) return status;
  }
  return WriteLogitBias(request.sampling().logit_bias(), writer);
}

std::string_view OpenAiFieldBeside(const v1::ChatRequest& request, std::string_view key) {
  const std::string_view field = FieldOfOpenAiKey(key);
  const bool set = (field == "user" && !request.user().empty()) || (field == "metadata" && !request.metadata().empty()) ||
                   (field == "service_tier" && !request.service_tier().empty()) ||
                   (field == "verbosity" && !request.verbosity().empty()) || (field == "audio" && request.has_audio()) ||
                   (field == "sampling.logit_bias" && !request.sampling().logit_bias().empty());
  return set ? field : std::string_view();
}

std::string OpenAiAudioFormat(const v1::ChatRequest& request) {
  if (request.has_audio()) return request.audio().format();
  const auto extras = request.extras_json().find("openai");
  if (extras == request.extras_json().end() || extras->second.find("\"audio\"") == std::string::npos) return {};
  const auto members = MembersOfJsonObject(extras->second);
  if (!members) return {};
  for (const JsonMember& member : *members) {
    if (member.key == "audio") return TextMember(member.value, "format");
  }
  return {};
}

}  // namespace sluice
