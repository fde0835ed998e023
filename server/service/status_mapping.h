// What callers see of a call's end: the end record and the gRPC status with
// its google.rpc details. Pure; the loop calls it once per call.
#ifndef SLUICE_SERVER_SERVICE_STATUS_MAPPING_H_
#define SLUICE_SERVER_SERVICE_STATUS_MAPPING_H_

#include <grpcpp/support/status.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "server/engine/call_record.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {

// Metadata that callers get.
inline constexpr std::string_view kCallIdKey = "sluice-call-id";
inline constexpr std::string_view kPushbackKey = "grpc-retry-pushback-ms";
// An end record travels in a message: its bound only keeps it readable.
inline constexpr size_t kMaxEndAttempts = 32;

v1::Usage ToProto(const UsageCounts& usage);
v1::Attempt ToProto(const AttemptRecord& attempt);
v1::End EndMessage(const CallRecord& record);
// The same into an empty one, which may be on an arena.
void FillEnd(const CallRecord& record, v1::End* end);
// Roughly what it weighs, and not less.
size_t WeightOfEnd(const CallRecord& record);

// The status of a call that ended with record.error; OK if that has code 0, and
// where a fallback answered.
// Details: ErrorInfo{reason, "sluice", {call_id, route}}, BadRequest where a
// field is to blame, RetryInfo where a time is known, and the attempts, of
// which the first and the last are kept when all would not fit. With it, and all
// other trailers of the call, all trailers are within kMaxTrailerBytes.
grpc::Status StatusOf(const CallRecord& record, std::string_view call_id, std::string_view route);
// Of what was refused and is no call of the engine's.
grpc::Status StatusOf(const CallError& error);

// Value of the trailer `grpc-retry-pushback-ms`: the time, where one is known; -1
// where the request itself is at fault, which tells clients not to try again,
// whatever their retryPolicy says of the code (gRFC A6).
std::optional<std::string> RetryPushback(const CallRecord& record);

// A record of a call that the gateway refused before any attempt.
CallRecord RefusedRecord(CallError error, TimePoint now);

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_STATUS_MAPPING_H_
