#include "server/service/request_check.h"

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "server/service/check_faults.h"
#include "server/service/coalescing_window.h"
#include "server/service/embed_collector.h"

namespace sluice {
namespace {

using Fault = RequestFault;

// Choices of one call; as the documentation of ChatRequest.n says.
constexpr int kMaxChoices = 128;
constexpr int kMaxTopLogprobs = 20;
// As OpenAI's bound; also what keeps the work of one call in sight.
constexpr int kMaxEmbedInputs = 2048;
constexpr int kMaxDimensions = 65536;
// As the documentation of these fields says; the first three are OpenAI's bounds.
constexpr int kMaxMetadata = 16;
constexpr size_t kMaxMetadataKey = 64;
constexpr size_t kMaxText = 512;
constexpr int kMaxBiases = 1024;

Fault CheckRange(std::string_view field, bool set, double value, double low, double high) {
  if (!set || (value >= low && value <= high)) return std::nullopt;  // NaN is in no range
  return Refuse(std::string(field), absl::StrCat(value, " is out of range; must be from ", low, " to ", high));
}

Fault CheckAtLeast(std::string_view field, bool set, int64_t value, int64_t low) {
  if (!set || value >= low) return std::nullopt;
  return Refuse(std::string(field), absl::StrCat(value, " is out of range; must be at least ", low));
}

// A provider's own tool stands alone.
Fault CheckOwnTool(const std::string& field, const v1::Tool& tool) {
  const auto beside = [&](std::string_view name) {
    return Refuse(absl::StrCat(field, ".", std::string(name)), "is set together with provider_json; must be only one of them");
  };
  if (!tool.name().empty()) return beside("name");
  if (!tool.description().empty()) return beside("description");
  if (!tool.parameters_json().empty()) return beside("parameters_json");
  if (tool.has_strict()) return beside("strict");
  for (const auto& [format, json] : tool.provider_json()) {
    if (auto f = CheckJson(absl::StrCat(field, ".provider_json[", Quoted(format), "]"), json)) return f;
  }
  return std::nullopt;
}

Fault CheckTools(const v1::ChatRequest& request) {
  for (int i = 0; i < request.tools_size(); ++i) {
    const v1::Tool& tool = request.tools(i);
    std::string field = absl::StrCat("tools[", i, "]");
    if (!tool.provider_json().empty()) {
      if (auto fault = CheckOwnTool(field, tool)) return fault;
      continue;
    }
    if (tool.name().empty()) return Refuse(absl::StrCat(field, ".name"), "is missing");
    if (tool.parameters_json().empty()) continue;
    if (auto fault = CheckJson(absl::StrCat(field, ".parameters_json"), tool.parameters_json())) return fault;
  }
  if (request.tool_choice().kind_case() == v1::ToolChoice::kTool) {
    for (const v1::Tool& tool : request.tools()) {
      if (tool.provider_json().empty() && tool.name() == request.tool_choice().tool()) return std::nullopt;
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

Fault CheckCount(std::string_view field, size_t count, int most) {
  if (count <= static_cast<size_t>(most)) return std::nullopt;
  return Refuse(std::string(field), absl::StrCat("has ", count, " entries; must have at most ", most));
}

Fault CheckLogitBias(const google::protobuf::Map<int32_t, double>& biases) {
  if (auto f = CheckCount("sampling.logit_bias", biases.size(), kMaxBiases)) return f;
  for (const auto& [token, bias] : biases) {
    const std::string field = absl::StrCat("sampling.logit_bias[", token, "]");
    if (token < 0) return Refuse(field, "is no token; its number must be at least 0");
    if (auto f = CheckRange(field, true, bias, -100, 100)) return f;
  }
  return std::nullopt;
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
  if (auto f = CheckRange("sampling.frequency_penalty", s.has_frequency_penalty(), s.frequency_penalty(), -100, 100)) {
    return f;
  }
  return CheckLogitBias(s.logit_bias());
}

Fault CheckMetadata(const google::protobuf::Map<std::string, std::string>& metadata) {
  if (auto f = CheckCount("metadata", metadata.size(), kMaxMetadata)) return f;
  for (const auto& [key, value] : metadata) {
    const std::string field = absl::StrCat("metadata[", Quoted(key), "]");
    if (key.empty()) return Refuse(field, "has no name; its key must have 1 to 64 bytes");
    if (auto f = CheckLength(field, key, kMaxMetadataKey)) return f;
    if (auto f = CheckLength(field, value, kMaxText)) return f;
  }
  return std::nullopt;
}

Fault CheckAudio(const v1::ChatRequest& request) {
  if (!request.has_audio()) return std::nullopt;
  if (request.audio().voice().empty()) return Refuse("audio.voice", "is missing; must be the provider's name of a voice");
  if (!request.audio().format().empty()) return std::nullopt;
  return Refuse("audio.format", "is missing; must be a format of sound (\"pcm16\", \"wav\", \"mp3\")");
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
  if (auto fault = CheckLength("user", request.user(), kMaxText)) return fault;
  if (auto fault = CheckMetadata(request.metadata())) return fault;
  if (auto fault = CheckAudio(request)) return fault;
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
