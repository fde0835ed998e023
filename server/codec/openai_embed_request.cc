#include "absl/strings/str_cat.h"
#include "server/codec/openai_embeddings.h"
#include "server/codec/openai_extras.h"
#include "server/codec/openai_request.h"

namespace sluice {
namespace {

// Ours, with the caller's field that sets it.
struct Row {
  std::string_view key;
  std::string_view field;
};

constexpr Row kRows[] = {
    {"model", "model"},
    {"input", "inputs"},
    {"dimensions", "dimensions"},
    {"encoding_format", ""},
};

absl::Status CheckExtra(const std::string& key) {
  for (const Row& row : kRows) {
    if (row.key != key) continue;
    return FieldError(kOpenAiExtrasField,
                      absl::StrCat("\"", key, "\" is set by Sluice itself",
                                   row.field.empty() ? "" : absl::StrCat("; use ", std::string(row.field))));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<EncodedRequest> EncodeOpenAiEmbed(const v1::EmbedRequest& request, std::string_view model,
                                                 const Dialect& dialect) {
  if (request.inputs().empty()) return FieldError("inputs", "at least one is required");
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  WriteMember(writer, "model", model);
  WriteKey(writer, "input");
  writer.StartArray();
  for (const std::string& input : request.inputs()) WriteString(writer, input);
  writer.EndArray();
  WriteMember(writer, "encoding_format", "float");
  if (request.has_dimensions()) {
    if (request.dimensions() < 1) return FieldError("dimensions", absl::StrCat(request.dimensions(), " is below 1"));
    WriteKey(writer, "dimensions");
    writer.Int(request.dimensions());
  }
  writer.EndObject();
  EncodedRequest encoded;
  encoded.path = "/embeddings";
  encoded.headers = {{"Content-Type", dialect.content_type}, {"Accept", "application/json"}};
  encoded.body.assign(buffer.GetString(), buffer.GetSize());
  absl::Status merged = MergeOpenAiExtras(request.extras_json(), CheckExtra, encoded.body);
  if (!merged.ok()) return merged;
  return encoded;
}

}  // namespace sluice
