// The connection to the control plane.
#ifndef SLUICE_SERVER_CONFIG_PUSH_CHANNEL_H_
#define SLUICE_SERVER_CONFIG_PUSH_CHANNEL_H_

#include <grpcpp/grpcpp.h>

#include <memory>

#include "absl/status/statusor.h"
#include "server/config/config_options.h"

namespace sluice {

// A channel for one stream. Fails when a file of its TLS cannot be read.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakePushChannel(const SubscriptionOptions& options);

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_PUSH_CHANNEL_H_
