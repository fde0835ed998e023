// A chat as the engine sees it: server/engine/call_request.h.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "server/engine/call_request.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {
namespace {

// What providers charge for an image of usual size, whatever its bytes.
constexpr uint64_t kTokensPerMedia = 1000;

uint64_t BytesOf(const v1::Part& part) {
  uint64_t bytes = part.text().size() + part.reasoning().text().size() + part.refusal().text().size() +
                   part.tool_call().name().size() + part.tool_call().arguments_json().size() +
                   part.tool_result().text().size();
  for (const v1::Part& inner : part.tool_result().parts()) bytes += inner.text().size();
  return bytes;
}

uint64_t MediaOf(const v1::Part& part) {
  uint64_t media = part.has_media() ? 1 : 0;
  for (const v1::Part& inner : part.tool_result().parts()) media += inner.has_media() ? 1 : 0;
  return media;
}

uint64_t TokensOfPrompt(const v1::ChatRequest& request) {
  uint64_t bytes = request.response_format().json_schema().schema_json().size();
  uint64_t media = 0;
  for (const v1::Message& message : request.messages()) {
    // Beside parts it says what one of them says.
    if (message.parts().empty()) bytes += message.text().size();
    for (const v1::Part& part : message.parts()) {
      bytes += BytesOf(part);
      media += MediaOf(part);
    }
  }
  for (const v1::Tool& tool : request.tools()) {
    bytes += tool.name().size() + tool.description().size() + tool.parameters_json().size();
    for (const auto& [format, json] : tool.provider_json()) bytes += json.size();
  }
  return bytes / kBytesPerToken + media * kTokensPerMedia;
}

class ChatCallRequest final : public CallRequest {
 public:
  explicit ChatCallRequest(const v1::ChatRequest& request) : request_(request) {}

  std::string_view model() const override { return request_.model(); }

  absl::StatusOr<EncodedRequest> Encode(const WireFormat& format, std::string_view model,
                                        const Dialect& dialect) const override {
    return format.EncodeChat(request_, model, dialect);
  }

  std::unique_ptr<ResponseDecoder> NewDecoder(const WireFormat& format, AnswerOptions options) const override {
    options.choices = choices();
    options.include_extras = request_.stream_options().include_extras();
    options.audio_format = format.AudioFormat(request_);
    return format.NewDecoder(options);
  }

  uint64_t EstimatedTokens() const override {
    const uint64_t output = static_cast<uint64_t>(std::max(request_.sampling().max_output_tokens(), 0));
    return PromptTokens() + static_cast<uint64_t>(choices()) * output;
  }

  uint64_t PromptTokens() const override { return TokensOfPrompt(request_); }

  uint64_t Bytes() const override { return request_.ByteSizeLong(); }

  std::string PromptPrefix(size_t bytes) const override {
    std::string prefix;
    const auto add = [&](std::string_view text) { prefix.append(text.substr(0, bytes - prefix.size())); };
    for (const v1::Message& message : request_.messages()) {
      if (prefix.size() >= bytes) break;
      // Who speaks is a part of the prompt too.
      add(std::string_view("\0SDUAT", 6).substr(std::clamp<int>(message.role(), 0, 5), 1));
      if (message.parts().empty()) add(message.text());
      for (const v1::Part& part : message.parts()) add(part.text());
    }
    return prefix;
  }

  int choices() const override { return std::max(request_.has_n() ? request_.n() : 1, 1); }

  bool allows_restart() const override { return request_.stream_options().allow_restart(); }

 private:
  const v1::ChatRequest& request_;
};

}  // namespace

std::unique_ptr<const CallRequest> NewChatCallRequest(const v1::ChatRequest& request) {
  return std::make_unique<ChatCallRequest>(request);
}

}  // namespace sluice
