// Why a server did not do what it was asked, where gRPC's own words do not
// help: it is of the other kind, or speaks TLS and we do not, or the other way
// round. Called after a failed call; blocks for a few seconds at most.
#ifndef SLUICE_PROTO_CONNECTION_SERVER_TROUBLE_H_
#define SLUICE_PROTO_CONNECTION_SERVER_TROUBLE_H_

#include <string>

#include "grpcpp/support/status.h"
#include "proto/connection/connection_settings.h"

namespace sluice {

// One line that says what to do; "" where the status says all there is.
std::string ServerTrouble(const ConnectionSettings& settings, const grpc::Status& status);

}  // namespace sluice

#endif  // SLUICE_PROTO_CONNECTION_SERVER_TROUBLE_H_
