// Why a call failed, decoded from the gRPC status and the typed details that
// the gateway puts in it. Callers of the client library read it; any thread.
#ifndef SLUICE_CLIENT_CALL_FAILURE_H_
#define SLUICE_CLIENT_CALL_FAILURE_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "grpcpp/support/status.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {

struct CallFailure {
  grpc::StatusCode code = grpc::StatusCode::OK;
  // The gateway's line for people.
  std::string message;
  // ErrorInfo: stable and UPPER_SNAKE ("ATTEMPTS_EXHAUSTED"); empty where the
  // status did not come from a gateway (nobody listens, a proxy answered).
  std::string reason;
  std::map<std::string, std::string> metadata;
  // RetryInfo: when it is worth trying again.
  std::optional<absl::Duration> retry_after;
  // What was tried, oldest first.
  std::vector<v1::Attempt> attempts;
  // Attempts that did not fit in the status.
  int omitted_attempts = 0;

  bool ok() const { return code == grpc::StatusCode::OK; }
  // The gateway said this, and not the transport on the way to it.
  bool from_gateway() const { return !reason.empty(); }
  // One line: "UNAVAILABLE: route …; retry after 8s".
  std::string ToString() const;
};

// Details that cannot be read are left out; code and message always stand.
CallFailure DecodeStatus(const grpc::Status& status);

// "UNAVAILABLE".
const char* CodeName(grpc::StatusCode code);

// "openai/primary: overload, HTTP 503, after 212ms".
std::string DescribeAttempt(const v1::Attempt& attempt);

// "312 ms", "2.4 s": as people say it.
std::string SayDuration(absl::Duration duration);

// 0 for a message that is not set.
absl::Duration DurationOf(const google::protobuf::Duration& duration);

}  // namespace sluice

#endif  // SLUICE_CLIENT_CALL_FAILURE_H_
