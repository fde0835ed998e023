#include "server/codec/openai_request.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/codec/json_check.h"
#include "server/codec/openai_extras.h"
#include "server/codec/openai_fields.h"
#include "server/codec/openai_request_fields.h"

namespace sluice {
namespace {

constexpr std::string_view kFormat = "openai";
constexpr int kMaxChoices = 128;
constexpr int kMaxTopLogprobs = 20;

constexpr std::string_view kNoParameters = R"({"type":"object","properties":{}})";

void WriteRaw(JsonWriter& writer, std::string_view json, rapidjson::Type type) {
  writer.RawValue(json.data(), json.size(), type);
}

class RequestWriter {
 public:
  RequestWriter(const v1::ChatRequest& request, std::string_view model, const Dialect& dialect)
      : request_(request), model_(model), dialect_(dialect) {}

  absl::StatusOr<EncodedRequest> Write() {
    if (request_.messages().empty()) return FieldError("messages", "at least one is required");
    writer_.StartObject();
    WriteMember(writer_, "model", model_);
    WriteKey(writer_, "messages");
    if (absl::Status status = WriteOpenAiMessages(request_, dialect_, writer_); !status.ok()) return status;
    WriteStreaming();
    using Step = absl::Status (RequestWriter::*)();
    for (const Step step : {&RequestWriter::WriteTools, &RequestWriter::WriteToolChoice,
                            &RequestWriter::WriteResponseFormat, &RequestWriter::WriteSampling,
                            &RequestWriter::WriteReasoning, &RequestWriter::WriteChoices}) {
      if (absl::Status status = (this->*step)(); !status.ok()) return status;
    }
    if (absl::Status status = WriteOpenAiRequestFields(request_, writer_); !status.ok()) return status;
    writer_.EndObject();
    EncodedRequest encoded;
    encoded.path = "/chat/completions";
    encoded.headers.reserve(2);
    encoded.headers.emplace_back("Content-Type", dialect_.content_type);
    encoded.headers.emplace_back("Accept", "text/event-stream");
    encoded.body.assign(buffer_.GetString(), buffer_.GetSize());
    if (absl::Status status = MergeExtras(encoded.body); !status.ok()) return status;
    return encoded;
  }

 private:
  void WriteStreaming() {
    WriteKey(writer_, "stream");
    writer_.Bool(true);
    if (!dialect_.stream_options) return;
    WriteKey(writer_, "stream_options");
    writer_.StartObject();
    WriteKey(writer_, "include_usage");
    writer_.Bool(true);
    writer_.EndObject();
  }

  absl::Status WriteSchema(std::string_view key, std::string_view json, const std::string& field) {
    if (json.empty()) return absl::OkStatus();
    if (auto keys = KeysOfJsonObject(json, field); !keys.ok()) return keys.status();
    WriteKey(writer_, key);
    WriteRaw(writer_, json, rapidjson::kObjectType);
    return absl::OkStatus();
  }

  // A provider's own tool of another format's only.
  static bool IsOfOtherFormat(const v1::Tool& tool) {
    return !tool.provider_json().empty() && tool.provider_json().count(std::string(kFormat)) == 0;
  }

  bool HasTools() const {
    return !std::all_of(request_.tools().begin(), request_.tools().end(), &RequestWriter::IsOfOtherFormat);
  }

  absl::Status WriteTools() {
    if (!HasTools()) return absl::OkStatus();
    WriteKey(writer_, "tools");
    writer_.StartArray();
    for (int i = 0; i < request_.tools_size(); ++i) {
      if (IsOfOtherFormat(request_.tools(i))) continue;
      if (absl::Status status = WriteTool(request_.tools(i), absl::StrCat("tools[", i, "]")); !status.ok()) {
        return status;
      }
    }
    writer_.EndArray();
    return absl::OkStatus();
  }

  // A tool of the provider's own, to the letter.
  absl::Status WriteOwnTool(const v1::Tool& tool, const std::string& field) {
    const std::string& json = tool.provider_json().at(std::string(kFormat));
    if (auto keys = KeysOfJsonObject(json, absl::StrCat(field, ".provider_json[\"", std::string(kFormat), "\"]"));
        !keys.ok()) {
      return keys.status();
    }
    WriteRaw(writer_, json, rapidjson::kObjectType);
    return absl::OkStatus();
  }

  absl::Status WriteTool(const v1::Tool& tool, const std::string& field) {
    if (!tool.provider_json().empty()) return WriteOwnTool(tool, field);
    if (tool.name().empty()) return FieldError(field + ".name", "required");
    writer_.StartObject();
    WriteMember(writer_, "type", "function");
    WriteKey(writer_, "function");
    writer_.StartObject();
    WriteMember(writer_, "name", tool.name());
    if (!tool.description().empty()) WriteMember(writer_, "description", tool.description());
    // DeepSeek, Azure and others refuse a tool without a schema.
    const std::string_view schema = tool.parameters_json().empty() ? kNoParameters : tool.parameters_json();
    if (absl::Status status = WriteSchema("parameters", schema, field + ".parameters_json"); !status.ok()) return status;
    if (tool.has_strict() && dialect_.strict_tools) WriteBool("strict", tool.strict());
    writer_.EndObject();
    writer_.EndObject();
    return absl::OkStatus();
  }

  bool HasTool(const std::string& name) const {
    for (const v1::Tool& tool : request_.tools()) {
      if (tool.provider_json().empty() && tool.name() == name) return true;
    }
    return false;
  }

  absl::Status WriteToolChoice() {
    const v1::ToolChoice& choice = request_.tool_choice();
    // Servers refuse a choice without tools.
    if (!request_.tools().empty() && !HasTools()) return absl::OkStatus();
    if (choice.has_parallel_tool_calls() && dialect_.parallel_tool_calls) {
      WriteBool("parallel_tool_calls", choice.parallel_tool_calls());
    }
    if (choice.has_auto_()) WriteMember(writer_, "tool_choice", "auto");
    if (choice.has_none()) WriteMember(writer_, "tool_choice", "none");
    if (choice.has_required()) WriteMember(writer_, "tool_choice", "required");
    if (choice.kind_case() != v1::ToolChoice::kTool) return absl::OkStatus();
    if (!HasTool(choice.tool())) {
      return FieldError("tool_choice.tool", absl::StrCat("\"", choice.tool(), "\" is not among the tools"));
    }
    WriteKey(writer_, "tool_choice");
    writer_.StartObject();
    WriteMember(writer_, "type", "function");
    WriteKey(writer_, "function");
    writer_.StartObject();
    WriteMember(writer_, "name", choice.tool());
    writer_.EndObject();
    writer_.EndObject();
    return absl::OkStatus();
  }

  absl::Status WriteResponseFormat() {
    const v1::ResponseFormat& format = request_.response_format();
    if (format.kind_case() == v1::ResponseFormat::KIND_NOT_SET) return absl::OkStatus();
    WriteKey(writer_, "response_format");
    writer_.StartObject();
    if (format.has_text()) WriteMember(writer_, "type", "text");
    if (format.has_json_object()) WriteMember(writer_, "type", "json_object");
    absl::Status status = format.has_json_schema() ? WriteJsonSchema(format.json_schema()) : absl::OkStatus();
    writer_.EndObject();
    return status;
  }

  absl::Status WriteJsonSchema(const v1::JsonSchemaFormat& format) {
    const std::string field = "response_format.json_schema";
    if (format.name().empty()) return FieldError(field + ".name", "required");
    WriteMember(writer_, "type", "json_schema");
    WriteKey(writer_, "json_schema");
    writer_.StartObject();
    WriteMember(writer_, "name", format.name());
    if (!format.description().empty()) WriteMember(writer_, "description", format.description());
    absl::Status status = WriteSchema("schema", format.schema_json(), field + ".schema_json");
    if (!status.ok()) return status;
    if (format.has_strict()) WriteBool("strict", format.strict());
    writer_.EndObject();
    return absl::OkStatus();
  }

  absl::Status WriteSampling() {
    const v1::Sampling& sampling = request_.sampling();
    absl::Status status = absl::OkStatus();
    const auto number = [&](bool is_set, std::string_view key, double value) {
      if (is_set && status.ok()) status = WriteDouble(key, value);
    };
    number(sampling.has_temperature(), "temperature", sampling.temperature());
    number(sampling.has_top_p(), "top_p", sampling.top_p());
    number(sampling.has_presence_penalty(), "presence_penalty", sampling.presence_penalty());
    number(sampling.has_frequency_penalty(), "frequency_penalty", sampling.frequency_penalty());
    if (!status.ok()) return status;
    if (sampling.has_top_k()) WriteInt("top_k", sampling.top_k());
    if (sampling.has_seed()) WriteInt("seed", sampling.seed());
    if (sampling.has_max_output_tokens()) {
      if (sampling.max_output_tokens() < 1) {
        return FieldError("sampling.max_output_tokens",
                          absl::StrCat(sampling.max_output_tokens(), " is below 1"));
      }
      WriteInt(TokenLimitKey(), sampling.max_output_tokens());
    }
    if (sampling.stop().empty()) return absl::OkStatus();
    WriteKey(writer_, "stop");
    writer_.StartArray();
    for (const std::string& stop : sampling.stop()) WriteString(writer_, stop);
    writer_.EndArray();
    return absl::OkStatus();
  }

  absl::Status WriteReasoning() {
    if (request_.reasoning().has_max_tokens()) {
      return FieldError("reasoning.max_tokens", "this format has no such bound; use reasoning.effort");
    }
    const std::string& effort = request_.reasoning().effort();
    if (!effort.empty()) WriteMember(writer_, "reasoning_effort", effort);
    return absl::OkStatus();
  }

  absl::Status WriteChoices() {
    if (request_.has_n()) {
      if (request_.n() < 1 || request_.n() > kMaxChoices) {
        return FieldError("n", absl::StrCat(request_.n(), " is outside 1 to ", kMaxChoices));
      }
      WriteInt("n", request_.n());
    }
    if (request_.logprobs()) WriteBool("logprobs", true);
    if (!request_.has_top_logprobs()) return absl::OkStatus();
    if (!request_.logprobs()) return FieldError("top_logprobs", "only together with logprobs");
    if (request_.top_logprobs() < 0 || request_.top_logprobs() > kMaxTopLogprobs) {
      return FieldError("top_logprobs", absl::StrCat(request_.top_logprobs(), " is outside 0 to ", kMaxTopLogprobs));
    }
    WriteInt("top_logprobs", request_.top_logprobs());
    return absl::OkStatus();
  }

  std::string_view TokenLimitKey() const {
    return dialect_.token_limit == Dialect::TokenLimit::kMaxTokens ? "max_tokens" : "max_completion_tokens";
  }

  absl::Status MergeExtras(std::string& body) {
    return MergeOpenAiExtras(request_.extras_json(), [this](const std::string& key) { return CheckExtra(key); }, body);
  }

  absl::Status CheckExtra(const std::string& key) {
    if (IsOpenAiTokenLimit(key)) return CheckExtraLimit(key);
    const std::string_view field = FieldOfOpenAiKey(key);
    if (MayBeOpenAiExtra(key)) return CheckExtraBeside(key);
    if (!field.empty()) {
      const std::string instead = field == "stream" || field == "stream_options"
                                      ? std::string()
                                      : absl::StrCat("; use ", std::string(field));
      return FieldError(kOpenAiExtrasField, absl::StrCat("\"", key, "\" is set by Sluice itself", instead));
    }
    return absl::OkStatus();
  }

  // A caller who knows the server may name the limit by itself, but once: no
  // server takes two.
  absl::Status CheckExtraLimit(const std::string& key) {
    const std::string both = request_.sampling().has_max_output_tokens() ? "sampling.max_output_tokens" : extra_limit_;
    if (!both.empty()) return FieldError(kOpenAiExtrasField, absl::StrCat("\"", key, "\" and ", both, " are both set"));
    extra_limit_ = absl::StrCat("\"", key, "\"");
    return absl::OkStatus();
  }

  absl::Status CheckExtraBeside(const std::string& key) const {
    const std::string field(OpenAiFieldBeside(request_, key));
    if (field.empty()) return absl::OkStatus();
    return FieldError(kOpenAiExtrasField, absl::StrCat("\"", key, "\" and ", field, " are both set"));
  }

  absl::Status WriteDouble(std::string_view key, double value) {
    if (!std::isfinite(value)) return FieldError(FieldOfOpenAiKey(key), "must be a finite number");
    WriteKey(writer_, key);
    WriteNumber(writer_, value);
    return absl::OkStatus();
  }

  void WriteInt(std::string_view key, int64_t value) {
    WriteKey(writer_, key);
    writer_.Int64(value);
  }

  void WriteBool(std::string_view key, bool value) {
    WriteKey(writer_, key);
    writer_.Bool(value);
  }

  const v1::ChatRequest& request_;
  const std::string_view model_;
  const Dialect& dialect_;
  std::string extra_limit_;  // a limit of tokens among the extras
  rapidjson::StringBuffer buffer_;
  JsonWriter writer_{buffer_};
};

}  // namespace

void WriteNumber(JsonWriter& writer, double value) {
  char text[32];
  const char* end = std::to_chars(text, text + sizeof(text), value).ptr;
  WriteRaw(writer, std::string_view(text, end - text), rapidjson::kNumberType);
}

absl::Status FieldError(std::string_view field, std::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(std::string(field), ": ", std::string(problem)));
}

absl::StatusOr<EncodedRequest> EncodeOpenAiChat(const v1::ChatRequest& request, std::string_view model,
                                                const Dialect& dialect) {
  return RequestWriter(request, model, dialect).Write();
}

}  // namespace sluice
