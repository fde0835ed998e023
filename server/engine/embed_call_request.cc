#include "server/engine/embed_call_request.h"

#include <string>
#include <utility>

#include "sluice/v1/gateway.pb.h"

namespace sluice {
namespace {

class EmbedCallRequest final : public CallRequest {
 public:
  explicit EmbedCallRequest(const v1::EmbedRequest& request) : request_(request) {}

  std::string_view model() const override { return request_.model(); }

  absl::StatusOr<EncodedRequest> Encode(const WireFormat& format, std::string_view model,
                                        const Dialect& dialect) const override {
    return format.EncodeEmbed(request_, model, dialect);
  }

  std::unique_ptr<ResponseDecoder> NewDecoder(const WireFormat& format, AnswerOptions options) const override {
    EmbedShape shape;
    shape.count = static_cast<size_t>(request_.inputs_size());
    shape.dimensions = static_cast<size_t>(request_.dimensions());
    return format.NewEmbedDecoder(options, shape);
  }

  uint64_t EstimatedTokens() const override {
    uint64_t bytes = 0;
    for (const std::string& input : request_.inputs()) bytes += input.size();
    return bytes / kBytesPerToken;
  }

  uint64_t Bytes() const override { return request_.ByteSizeLong(); }

  std::string PromptPrefix(size_t bytes) const override {
    std::string prefix;
    for (const std::string& input : request_.inputs()) {
      if (prefix.size() >= bytes) break;
      prefix.append(input, 0, bytes - prefix.size());
    }
    return prefix;
  }

  // There is no text that is a vector.
  bool takes_static_answer() const override { return false; }

 private:
  const v1::EmbedRequest& request_;
};

}  // namespace

std::unique_ptr<const CallRequest> NewEmbedCallRequest(const v1::EmbedRequest& request) {
  return std::make_unique<EmbedCallRequest>(request);
}

}  // namespace sluice
