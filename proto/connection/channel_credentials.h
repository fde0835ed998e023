// Settings → what gRPC needs. Any thread.
#ifndef SLUICE_PROTO_CONNECTION_CHANNEL_CREDENTIALS_H_
#define SLUICE_PROTO_CONNECTION_CHANNEL_CREDENTIALS_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "grpcpp/security/credentials.h"
#include "proto/connection/connection_settings.h"

namespace sluice {

// Plain text without `ca` and `tls`. INVALID_ARGUMENT names the setting and the
// file that will not do.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeCredentials(const ConnectionSettings& settings);

// The token as metadata of every call; nothing without one.
std::vector<std::pair<std::string, std::string>> CallMetadata(const ConnectionSettings& settings);

}  // namespace sluice

#endif  // SLUICE_PROTO_CONNECTION_CHANNEL_CREDENTIALS_H_
