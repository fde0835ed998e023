#include "server/service/outcome_codes.h"

namespace sluice {

std::string_view OutcomeName(AttemptOutcome outcome) {
  switch (outcome) {
    case AttemptOutcome::kRunning: return "running";
    case AttemptOutcome::kOk: return "ok";
    case AttemptOutcome::kFailed: return "failed";
    case AttemptOutcome::kCancelled: return "cancelled";
    case AttemptOutcome::kAbandoned: return "abandoned";
  }
  return "";
}

v1::AttemptOutcome OutcomeCode(AttemptOutcome outcome) {
  switch (outcome) {
    case AttemptOutcome::kRunning: return v1::ATTEMPT_OUTCOME_RUNNING;
    case AttemptOutcome::kOk: return v1::ATTEMPT_OUTCOME_OK;
    case AttemptOutcome::kFailed: return v1::ATTEMPT_OUTCOME_FAILED;
    case AttemptOutcome::kCancelled: return v1::ATTEMPT_OUTCOME_CANCELLED;
    case AttemptOutcome::kAbandoned: return v1::ATTEMPT_OUTCOME_ABANDONED;
  }
  return v1::ATTEMPT_OUTCOME_UNSPECIFIED;
}

v1::ErrorClass ErrorCode(FailureKind kind) {
  switch (kind) {
    case FailureKind::kNone: return v1::ERROR_CLASS_UNSPECIFIED;
    case FailureKind::kConnect: return v1::ERROR_CLASS_CONNECT;
    case FailureKind::kReset: return v1::ERROR_CLASS_RESET;
    case FailureKind::kTimeout: return v1::ERROR_CLASS_TIMEOUT;
    case FailureKind::kOverload: return v1::ERROR_CLASS_OVERLOAD;
    case FailureKind::kServerError: return v1::ERROR_CLASS_SERVER_ERROR;
    case FailureKind::kRateLimited: return v1::ERROR_CLASS_RATE_LIMITED;
    case FailureKind::kQuota: return v1::ERROR_CLASS_QUOTA;
    case FailureKind::kAuth: return v1::ERROR_CLASS_AUTH;
    case FailureKind::kNotFound: return v1::ERROR_CLASS_NOT_FOUND;
    case FailureKind::kCaller: return v1::ERROR_CLASS_CALLER;
    case FailureKind::kRefused: return v1::ERROR_CLASS_REFUSED;
    case FailureKind::kProtocol: return v1::ERROR_CLASS_PROTOCOL;
    case FailureKind::kTruncated: return v1::ERROR_CLASS_TRUNCATED;
    case FailureKind::kCancelled: return v1::ERROR_CLASS_CANCELLED;
    case FailureKind::kShed: return v1::ERROR_CLASS_SHED;
  }
  return v1::ERROR_CLASS_UNSPECIFIED;
}

}  // namespace sluice
