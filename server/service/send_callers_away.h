// Closes a gRPC server's ports and tells its connections to go (GOAWAY), while it
// serves on: calls that callers send before they have seen it are answered.
//
// gRPC's Server::Shutdown does both too, but refuses in the same moment whatever
// comes: callers with a connection and no health checks lose some calls by it.
#ifndef SLUICE_SERVER_SERVICE_SEND_CALLERS_AWAY_H_
#define SLUICE_SERVER_SERVICE_SEND_CALLERS_AWAY_H_

#include <grpcpp/server.h>

namespace sluice {

// Not from a loop's thread, once, before Server::Shutdown. False: this gRPC library
// cannot, and nothing was done.
bool SendCallersAway(grpc::Server& server);

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_SEND_CALLERS_AWAY_H_
