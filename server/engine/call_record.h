// The record of a call and of its attempts: what the end record, the status
// details, the log and the metrics are made of. Holds no content, no secret.
#ifndef SLUICE_SERVER_ENGINE_CALL_RECORD_H_
#define SLUICE_SERVER_ENGINE_CALL_RECORD_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/codec/stream_event.h"
#include "server/resilience/failure.h"
#include "server/resilience/time.h"

namespace sluice {

// Same values as sluice.v1.Outcome.
enum class CallOutcome { kUnspecified = 0, kComplete, kTruncated, kFallback, kFailed };

enum class AttemptOutcome { kRunning, kOk, kFailed, kCancelled, kAbandoned };

struct AttemptRecord {
  int number = 0;  // 1: the call's first
  std::string upstream;
  std::string endpoint;
  std::string provider;  // the wire format's name
  AttemptOutcome outcome = AttemptOutcome::kRunning;
  FailureKind failure = FailureKind::kNone;
  // "connect timeout after 2s"; one line, bounded to 512 bytes.
  std::string message;
  int http_status = 0;
  Duration backoff;  // waited before this attempt
  TimePoint started;
  std::optional<Duration> time_to_first_token;
  Duration duration;
  std::optional<Duration> retry_after;
  // The rest that a refusal without a time gave its endpoint and credential.
  std::optional<Duration> rest;
  UsageCounts usage;
  // By its name in the policy ("env:KEY_A"); empty: none. Never the secret.
  std::string credential;
  std::string span_id;  // in the call's trace; empty: it has none
  bool hedge = false;  // ran beside another attempt
  // As the policy names it at the upstream; empty: the caller's, unchanged.
  std::string model;
};

struct CallError {
  FailureKind kind = FailureKind::kNone;
  int grpc_code = 0;
  std::string reason;   // ErrorInfo.reason
  std::string message;  // the status message, one line
  std::string field;    // of the caller's request, where it is to blame
  std::optional<Duration> retry_after;  // RetryInfo and pushback
  // ErrorInfo.metadata beside what every error has: {"bound", "65536"}.
  std::vector<std::pair<std::string, std::string>> facts = {};
};

struct CallRecord {
  CallOutcome outcome = CallOutcome::kUnspecified;
  std::vector<AttemptRecord> attempts;
  std::string served_by;  // "upstream/endpoint"
  UsageCounts delivered;
  UsageCounts abandoned;
  // With kFallback: what made it necessary.
  CallError error;
  std::string fallback;  // the name of the fallback that answered or failed
  int restarts = 0;      // how often the stream began anew after a cut
  Duration queued;       // waited in queues of routes, over all waits
  TimePoint started;
  std::optional<Duration> time_to_first_token;
  Duration total;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_CALL_RECORD_H_
