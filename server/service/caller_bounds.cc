#include "server/service/caller_bounds.h"

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/status/rich_status.h"

namespace sluice {
namespace {

CallError TooLarge(std::string_view reason, std::string_view what, size_t bytes, size_t bound, std::string_view option) {
  CallError error;
  error.kind = FailureKind::kCaller;
  error.grpc_code = static_cast<int>(absl::StatusCode::kResourceExhausted);
  error.reason = std::string(reason);
  error.message = absl::StrCat(std::string(what), " ", bytes, " bytes, more than ", bound, " (", std::string(option), ")");
  error.facts = {{"size", absl::StrCat(bytes)}, {"bound", absl::StrCat(bound)}, {"option", std::string(option)}};
  return error;
}

}  // namespace

std::optional<CallError> CheckRequestBytes(size_t bytes, size_t max_request_bytes) {
  if (bytes <= max_request_bytes) return std::nullopt;
  return TooLarge("REQUEST_TOO_LARGE", "the request has", bytes, max_request_bytes, "--max-request-bytes");
}

std::optional<CallError> CheckMetadata(const grpc::ServerContextBase& context, size_t max_metadata_bytes) {
  const size_t bytes = MetadataBytes(context);
  if (bytes <= max_metadata_bytes) return std::nullopt;
  return TooLarge("METADATA_TOO_LARGE", "the call's metadata has", bytes, max_metadata_bytes, "--max-metadata-bytes");
}

size_t MetadataBytes(const grpc::ServerContextBase& context) {
  size_t bytes = 0;
  for (const auto& [key, value] : context.client_metadata()) {
    const std::string_view name(key.data(), key.size());
    bytes += HeaderBytes(name, absl::EndsWith(absl::string_view(name.data(), name.size()), "-bin")
                                   ? Base64Bytes(value.size())
                                   : value.size());
  }
  return bytes;
}

}  // namespace sluice
