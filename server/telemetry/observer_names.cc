#include "server/telemetry/observer_names.h"

#include <algorithm>

namespace sluice {
namespace {

// As gRPC spells them.
constexpr std::string_view kCodes[] = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED", "NOT_FOUND",
    "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
    "UNIMPLEMENTED",  "INTERNAL",       "UNAVAILABLE",       "DATA_LOSS",          "UNAUTHENTICATED"};

bool EndedWell(const CallRecord& record) {
  return record.outcome == CallOutcome::kComplete || record.outcome == CallOutcome::kFallback;
}

}  // namespace

std::string_view NameOf(CallOutcome outcome) {
  switch (outcome) {
    case CallOutcome::kComplete: return "complete";
    case CallOutcome::kTruncated: return "truncated";
    case CallOutcome::kFallback: return "fallback";
    case CallOutcome::kFailed: return "failed";
    case CallOutcome::kUnspecified: break;
  }
  return "unspecified";
}

std::string_view NameOf(AttemptOutcome outcome) {
  switch (outcome) {
    case AttemptOutcome::kOk: return "ok";
    case AttemptOutcome::kFailed: return "failed";
    case AttemptOutcome::kCancelled: return "cancelled";
    case AttemptOutcome::kAbandoned: return "abandoned";
    case AttemptOutcome::kRunning: break;
  }
  return "running";
}

std::string_view NameOf(RetryRefusal why) {
  switch (why) {
    case RetryRefusal::kBudgetTokens: return "budget_tokens";
    case RetryRefusal::kBudgetConcurrency: return "budget_concurrency";
    case RetryRefusal::kAdaptive: return "adaptive";
    case RetryRefusal::kHedgeShare: return "hedge_share";
  }
  return "unknown";
}

std::string_view NameOf(QueueExit exit) {
  switch (exit) {
    case QueueExit::kAdmitted: return "admitted";
    case QueueExit::kTimedOut: return "timed_out";
    case QueueExit::kCancelled: return "cancelled";
    case QueueExit::kFull: return "full";
  }
  return "unknown";
}

std::string_view NameOf(BreakerState state) {
  switch (state) {
    case BreakerState::kClosed: return "closed";
    case BreakerState::kOpen: return "open";
    case BreakerState::kHalfOpen: return "half_open";
    case BreakerState::kDisabled: return "disabled";
    case BreakerState::kForcedOpen: return "forced_open";
    case BreakerState::kObserveOnly: return "observe_only";
  }
  return "unknown";
}

std::string_view NameOf(FailureKind kind) {
  return kind == FailureKind::kNone ? std::string_view() : TraitsOf(kind).name;
}

std::string_view CodeNameOf(const CallRecord& record) {
  const int code = EndedWell(record) ? 0 : record.error.grpc_code;
  return code >= 0 && code < static_cast<int>(std::size(kCodes)) ? kCodes[code] : "UNKNOWN";
}

bool IsError(const CallRecord& record) {
  if (record.outcome != CallOutcome::kFailed && record.outcome != CallOutcome::kTruncated) return false;
  return TraitsOf(record.error.kind).fault != Fault::kCaller;
}

bool WasRetried(const CallRecord& record) {
  return std::count_if(record.attempts.begin(), record.attempts.end(),
                       [](const AttemptRecord& attempt) { return !attempt.hedge; }) > 1;
}

}  // namespace sluice
