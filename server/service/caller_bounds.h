// Our bounds of what a caller may send, and gRPC's above them.
//
// Ours are checked once all is there, and refused as any call is: with a status
// that says size, bound and option. gRPC's own hold against what nobody should
// send: over them it says less (a message), or nothing before the connection is
// gone (metadata), which would cost the calls of a shared connection too.
#ifndef SLUICE_SERVER_SERVICE_CALLER_BOUNDS_H_
#define SLUICE_SERVER_SERVICE_CALLER_BOUNDS_H_

#include <grpcpp/server_context.h>

#include <cstddef>
#include <optional>

#include "server/engine/call_record.h"

namespace sluice {

// A quarter more: who is a little over the bound is told so, and no message that
// is refused takes much more memory than one that is served.
constexpr size_t HardRequestBytes(size_t max_request_bytes) { return max_request_bytes + max_request_bytes / 4; }
// Four times: a proxy that adds a token too many costs nobody a connection.
constexpr size_t HardMetadataBytes(size_t max_metadata_bytes) { return 4 * max_metadata_bytes; }

// RESOURCE_EXHAUSTED, reason REQUEST_TOO_LARGE or METADATA_TOO_LARGE.
std::optional<CallError> CheckRequestBytes(size_t bytes, size_t max_request_bytes);
std::optional<CallError> CheckMetadata(const grpc::ServerContextBase& context, size_t max_metadata_bytes);

// Of a caller, as HTTP/2 counts them; without what gRPC keeps to itself.
size_t MetadataBytes(const grpc::ServerContextBase& context);

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_CALLER_BOUNDS_H_
