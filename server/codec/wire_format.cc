#include "server/codec/wire_format.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {

absl::StatusOr<EncodedRequest> WireFormat::EncodeEmbed(const v1::EmbedRequest& request, std::string_view model,
                                                       const Dialect& dialect) const {
  return absl::InvalidArgumentError(
      absl::StrCat("model: wire format \"", std::string(name()), "\" has no embeddings"));
}

std::string WireFormat::AudioFormat(const v1::ChatRequest& request) const { return request.audio().format(); }

}  // namespace sluice
