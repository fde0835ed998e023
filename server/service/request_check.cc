#include "server/service/request_check.h"

#include <rapidjson/reader.h>
#include <rapidjson/memorystream.h>

#include <cmath>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "server/resilience/failure.h"
#include "proto/status/bounded_text.h"
#include "server/service/coalescing_window.h"
#include "server/service/embed_collector.h"

namespace sluice {
namespace {

using Fault = std::optional<CallError>;

// Choices of one call; as the documentation of ChatRequest.n says.
constexpr int kMaxChoices = 128;
constexpr int kMaxTopLogprobs = 20;
// As OpenAI's bound; also what keeps the work of one call in sight.
constexpr int kMaxEmbedInputs = 2048;
constexpr int kMaxDimensions = 65536;
// Longest quotation of a caller's value in an error.
constexpr size_t kQuotedBytes = 64;

CallError Refuse(std::string field, std::string_view what) {
  CallError error;
  error.kind = FailureKind::kCaller;
  error.grpc_code = TraitsOf(FailureKind::kCaller).grpc_code;
  error.reason = std::string(TraitsOf(FailureKind::kCaller).reason);
  error.message = absl::StrCat(field, ": ", std::string(what));
  error.field = std::move(field);
  return error;
}

std::string Quoted(std::string_view value) { return absl::StrCat("\"", BoundedText(value, kQuotedBytes), "\""); }

// True if `text` is one JSON value, and an object. Iterative: a caller's
// nesting must not use up our stack.
bool IsJsonObject(std::string_view text) {
  rapidjson::MemoryStream stream(text.data(), text.size());
  rapidjson::BaseReaderHandler<> ignore;
  rapidjson::Reader reader;
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;
  if (reader.Parse<kFlags>(stream, ignore).IsError()) return false;
  size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

Fault CheckJson(std::string field, std::string_view text) {
  if (IsJsonObject(text)) return std::nullopt;
  return Refuse(std::move(field), absl::StrCat(Quoted(text), " is not a JSON object"));
}

Fault CheckRange(std::string_view field, bool set, double value, double low, double high) {
  if (!set || (value >= low && value <= high)) return std::nullopt;  // NaN is in no range
  return Refuse(std::string(field), absl::StrCat(value, " is out of range; must be from ", low, " to ", high));
}

Fault CheckAtLeast(std::string_view field, bool set, int64_t value, int64_t low) {
  if (!set || value >= low) return std::nullopt;
  return Refuse(std::string(field), absl::StrCat(value, " is out of range; must be at least ", low));
}

Fault CheckMedia(const std::string& field, const v1::Media& media) {
  if (media.source_case() == v1::Media::SOURCE_NOT_SET) {
    return Refuse(field, "is empty; must hold a url or data");
  }
  if (media.has_data() && media.mime_type().empty()) {
    return Refuse(absl::StrCat(field, ".mime_type"), "is missing; required with data (\"image/png\")");
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
      if (part.tool_result().tool_call_id().empty()) {
        return Refuse(absl::StrCat(field, ".tool_result.tool_call_id"), "is missing");
      }
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

Fault CheckMessage(const std::string& field, const v1::Message& message) {
  if (!v1::Role_IsValid(message.role()) || message.role() == v1::ROLE_UNSPECIFIED) {
    return Refuse(absl::StrCat(field, ".role"),
                  absl::StrCat(static_cast<int>(message.role()),
                               " is no role; must be ROLE_SYSTEM, ROLE_DEVELOPER, ROLE_USER, ROLE_ASSISTANT or "
                               "ROLE_TOOL"));
  }
  if (!message.text().empty() && message.parts_size() > 0) {
    return Refuse(absl::StrCat(field, ".text"), "is set together with parts; must be only one of them");
  }
  for (int i = 0; i < message.parts_size(); ++i) {
    if (auto fault = CheckPart(absl::StrCat(field, ".parts[", i, "]"), message.parts(i))) return fault;
  }
  return std::nullopt;
}

Fault CheckMessages(const v1::ChatRequest& request) {
  if (request.messages_size() == 0) return Refuse("messages", "is empty; must hold at least one message");
  for (int i = 0; i < request.messages_size(); ++i) {
    if (auto fault = CheckMessage(absl::StrCat("messages[", i, "]"), request.messages(i))) return fault;
  }
  return std::nullopt;
}

Fault CheckTools(const v1::ChatRequest& request) {
  for (int i = 0; i < request.tools_size(); ++i) {
    const v1::Tool& tool = request.tools(i);
    std::string field = absl::StrCat("tools[", i, "]");
    if (tool.name().empty()) return Refuse(absl::StrCat(field, ".name"), "is missing");
    if (tool.parameters_json().empty()) continue;
    if (auto fault = CheckJson(absl::StrCat(field, ".parameters_json"), tool.parameters_json())) return fault;
  }
  if (request.tool_choice().kind_case() == v1::ToolChoice::kTool) {
    for (const v1::Tool& tool : request.tools()) {
      if (tool.name() == request.tool_choice().tool()) return std::nullopt;
    }
    return Refuse("tool_choice.tool", absl::StrCat(Quoted(request.tool_choice().tool()), " is not among tools"));
  }
  return std::nullopt;
}

Fault CheckResponseFormat(const v1::ResponseFormat& format) {
  if (!format.has_json_schema()) return std::nullopt;
  if (format.json_schema().name().empty()) return Refuse("response_format.json_schema.name", "is missing");
  return CheckJson("response_format.json_schema.schema_json", format.json_schema().schema_json());
}

// Only what is wrong for every provider; their own ranges differ and change.
Fault CheckSampling(const v1::Sampling& s) {
  if (auto f = CheckRange("sampling.temperature", s.has_temperature(), s.temperature(), 0, 100)) return f;
  if (auto f = CheckRange("sampling.top_p", s.has_top_p(), s.top_p(), 0, 1)) return f;
  if (auto f = CheckAtLeast("sampling.top_k", s.has_top_k(), s.top_k(), 0)) return f;
  if (auto f = CheckAtLeast("sampling.max_output_tokens", s.has_max_output_tokens(), s.max_output_tokens(), 1)) {
    return f;
  }
  if (auto f = CheckRange("sampling.presence_penalty", s.has_presence_penalty(), s.presence_penalty(), -100, 100)) {
    return f;
  }
  return CheckRange("sampling.frequency_penalty", s.has_frequency_penalty(), s.frequency_penalty(), -100, 100);
}

Fault CheckCounts(const v1::ChatRequest& request) {
  if (auto f = CheckRange("n", request.has_n(), request.n(), 1, kMaxChoices)) return f;
  if (!request.has_top_logprobs()) return std::nullopt;
  if (auto f = CheckRange("top_logprobs", true, request.top_logprobs(), 0, kMaxTopLogprobs)) return f;
  if (!request.logprobs()) return Refuse("top_logprobs", "is set without logprobs; must come with logprobs: true");
  return std::nullopt;
}

Fault CheckExtras(const google::protobuf::Map<std::string, std::string>& extras) {
  for (const auto& [format, json] : extras) {
    if (auto f = CheckJson(absl::StrCat("extras_json[", Quoted(format), "]"), json)) return f;
  }
  return std::nullopt;
}

Fault CheckCoalesce(const v1::StreamOptions& options) {
  if (!options.has_coalesce()) return std::nullopt;
  const Duration given = CoalesceOf(options, absl::ZeroDuration());
  const int32_t nanos = options.coalesce().nanos();
  if (given < absl::ZeroDuration() || given > kMaxCoalesce) {
    return Refuse("stream_options.coalesce", absl::StrCat(absl::FormatDuration(given),
                                                          " is out of range; must be from 0s to ",
                                                          absl::FormatDuration(kMaxCoalesce)));
  }
  if (nanos >= 0 && nanos < 1'000'000'000) return std::nullopt;
  return Refuse("stream_options.coalesce",
                absl::StrCat("is no duration: nanos is ", nanos, "; must be from 0 to 999999999"));
}

}  // namespace

std::optional<CallError> CheckChatRequest(const v1::ChatRequest& request) {
  if (request.model().empty()) {
    return Refuse("model", "is missing; must be a model that a route matches (ListModels tells them)");
  }
  if (auto fault = CheckMessages(request)) return fault;
  if (auto fault = CheckTools(request)) return fault;
  if (auto fault = CheckResponseFormat(request.response_format())) return fault;
  if (auto fault = CheckSampling(request.sampling())) return fault;
  if (auto fault = CheckAtLeast("reasoning.max_tokens", request.reasoning().has_max_tokens(),
                                request.reasoning().max_tokens(), 0)) {
    return fault;
  }
  if (auto fault = CheckCounts(request)) return fault;
  if (auto fault = CheckCoalesce(request.stream_options())) return fault;
  return CheckExtras(request.extras_json());
}

std::optional<CallError> CheckEmbedRequest(const v1::EmbedRequest& request) {
  if (request.model().empty()) {
    return Refuse("model", "is missing; must be a model that a route matches (ListModels tells them)");
  }
  if (request.inputs().empty()) return Refuse("inputs", "is empty; must hold at least one text");
  if (auto f = CheckRange("inputs", true, request.inputs_size(), 1, kMaxEmbedInputs)) return f;
  for (int i = 0; i < request.inputs_size(); ++i) {
    if (request.inputs(i).empty()) return Refuse(absl::StrCat("inputs[", i, "]"), "is empty");
  }
  if (auto f = CheckRange("dimensions", request.has_dimensions(), request.dimensions(), 1, kMaxDimensions)) return f;
  return CheckExtras(request.extras_json());
}

std::optional<CallError> CheckEmbedSize(const v1::EmbedRequest& request, size_t max_response_bytes,
                                        std::string_view route) {
  if (!request.has_dimensions()) return std::nullopt;
  const size_t bytes = EmbedAnswerBytes(static_cast<size_t>(request.inputs_size()),
                                        static_cast<size_t>(request.dimensions()));
  if (bytes <= max_response_bytes) return std::nullopt;
  CallError error = EmbedTooLarge(max_response_bytes, route);
  error.message = absl::StrCat(request.inputs_size(), " inputs of ", request.dimensions(), " dimensions make ", bytes,
                               " bytes: ", error.message);
  return error;
}

}  // namespace sluice
