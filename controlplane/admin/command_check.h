// What is wrong with a query or command before any data plane sees it, and how
// it is told in the log. Pure functions.
#ifndef SLUICE_CONTROLPLANE_ADMIN_COMMAND_CHECK_H_
#define SLUICE_CONTROLPLANE_ADMIN_COMMAND_CHECK_H_

#include <string>

#include "absl/time/time.h"
#include "grpcpp/support/status.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

inline constexpr absl::Duration kDefaultCommandTimeout = absl::Seconds(5);
inline constexpr absl::Duration kMaxCommandTimeout = absl::Seconds(60);

grpc::Status CheckCommand(const v1::CommandRequest& request);

// "trip of openai/primary for 5m by ann (\"incident\")"; "" for a query, which
// changes nothing.
std::string CommandText(const v1::CommandRequest& request);

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_ADMIN_COMMAND_CHECK_H_
