// Statuses that an operator can act on, within the bounds of proto/status. Pure
// functions.
#ifndef SLUICE_CONTROLPLANE_ADMIN_RPC_STATUS_H_
#define SLUICE_CONTROLPLANE_ADMIN_RPC_STATUS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "grpcpp/support/status.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

// Same code, message made one line and cut.
grpc::Status ToGrpcStatus(const absl::Status& status);
grpc::Status MakeStatus(grpc::StatusCode code, const std::string& message);

// INVALID_ARGUMENT that names the count and the first one, with
// google.rpc.BadRequest of the first few.
grpc::Status RefusedStatus(const std::vector<v1::Violation>& violations);

// INVALID_ARGUMENT about a field of the request itself.
grpc::Status BadField(const std::string& field, const std::string& message);

// FAILED_PRECONDITION: `resource` is referred to, with
// google.rpc.PreconditionFailure naming who refers.
struct ReferredResource {
  std::string resource;
  std::vector<std::string> referrers;
};
// `outcome` begins the message: "nothing was deleted".
grpc::Status ReferredStatus(const std::vector<ReferredResource>& referred, const char* outcome);

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_ADMIN_RPC_STATUS_H_
