#include "server/codec/openai_embeddings.h"
#include "server/codec/openai_error.h"
#include "server/codec/openai_request_fields.h"
#include "server/codec/openai_request.h"
#include "server/codec/openai_stream.h"
#include "server/codec/wire_format.h"

namespace sluice {
namespace {

class OpenAi final : public WireFormat {
 public:
  std::string_view name() const override { return "openai"; }

  absl::StatusOr<EncodedRequest> EncodeChat(const v1::ChatRequest& request, std::string_view model,
                                            const Dialect& dialect) const override {
    return EncodeOpenAiChat(request, model, dialect);
  }

  std::string AudioFormat(const v1::ChatRequest& request) const override { return OpenAiAudioFormat(request); }

  std::vector<std::pair<std::string, std::string>> AuthHeaders(std::string_view secret) const override {
    return {{"Authorization", std::string("Bearer ").append(secret)}};
  }

  std::unique_ptr<ResponseDecoder> NewDecoder(const AnswerOptions& options) const override {
    return NewOpenAiDecoder(options);
  }

  absl::StatusOr<EncodedRequest> EncodeEmbed(const v1::EmbedRequest& request, std::string_view model,
                                             const Dialect& dialect) const override {
    return EncodeOpenAiEmbed(request, model, dialect);
  }

  std::unique_ptr<ResponseDecoder> NewEmbedDecoder(const AnswerOptions& options,
                                                   const EmbedShape& shape) const override {
    return NewOpenAiEmbedDecoder(options, shape);
  }

  UpstreamError ReadError(int http_status, std::string_view body) const override {
    return ReadOpenAiError(http_status, body);
  }
};

}  // namespace

const WireFormat& OpenAiFormat() {
  static const OpenAi format;
  return format;
}

}  // namespace sluice
