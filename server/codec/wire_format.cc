#include "server/codec/wire_format.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sluice {

absl::StatusOr<EncodedRequest> WireFormat::EncodeEmbed(const v1::EmbedRequest& request, std::string_view model,
                                                       const Dialect& dialect) const {
  return absl::InvalidArgumentError(
      absl::StrCat("model: wire format \"", std::string(name()), "\" has no embeddings"));
}

}  // namespace sluice
