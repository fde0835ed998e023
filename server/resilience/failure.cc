#include "server/resilience/failure.h"

#include <array>
#include <cstddef>

#include "absl/status/status.h"

namespace sluice {
namespace {

// absl's codes have the numbers of gRPC's, without gRPC's headers.
constexpr int kUnavailable = static_cast<int>(absl::StatusCode::kUnavailable);
constexpr int kResourceExhausted = static_cast<int>(absl::StatusCode::kResourceExhausted);
constexpr int kNotFoundCode = static_cast<int>(absl::StatusCode::kNotFound);
constexpr int kInvalidArgument = static_cast<int>(absl::StatusCode::kInvalidArgument);
constexpr int kFailedPrecondition = static_cast<int>(absl::StatusCode::kFailedPrecondition);
constexpr int kAborted = static_cast<int>(absl::StatusCode::kAborted);
constexpr int kCancelledCode = static_cast<int>(absl::StatusCode::kCancelled);

using F = FailureKind;
using R = RetryScope;

// Columns: kind, name, fault, retry, counts for the breaker, cools down,
// caller's code, reason. In the order of the enum.
constexpr std::array<FailureTraits, 16> kTable = {{
    {F::kNone, "", Fault::kNone, R::kNever, false, false, 0, ""},
    {F::kConnect, "connect", Fault::kUpstream, R::kAnywhere, true, false, kUnavailable, "ATTEMPTS_EXHAUSTED"},
    {F::kReset, "reset", Fault::kUpstream, R::kAnywhere, true, false, kUnavailable, "ATTEMPTS_EXHAUSTED"},
    // An upstream's slowness is not the caller's deadline: DEADLINE_EXCEEDED is
    // said only when that one has passed.
    {F::kTimeout, "timeout", Fault::kUpstream, R::kAnywhere, true, false, kUnavailable, "ATTEMPTS_EXHAUSTED"},
    // A 503 may carry Retry-After.
    {F::kOverload, "overload", Fault::kUpstream, R::kAnywhere, true, true, kUnavailable, "ATTEMPTS_EXHAUSTED"},
    {F::kServerError, "server_error", Fault::kUpstream, R::kAnywhere, true, false, kUnavailable,
     "ATTEMPTS_EXHAUSTED"},
    {F::kRateLimited, "rate_limited", Fault::kAccount, R::kAfterCooldown, false, true, kResourceExhausted,
     "RATE_LIMITED"},
    {F::kQuota, "quota", Fault::kAccount, R::kOtherUpstream, false, true, kResourceExhausted, "QUOTA_EXHAUSTED"},
    // Never UNAUTHENTICATED: the caller's own credential is not what was refused.
    {F::kAuth, "auth", Fault::kConfiguration, R::kOtherUpstream, false, false, kUnavailable,
     "UPSTREAM_CREDENTIAL_REFUSED"},
    {F::kNotFound, "not_found", Fault::kConfiguration, R::kOtherPlace, false, false, kNotFoundCode,
     "MODEL_NOT_FOUND"},
    {F::kCaller, "caller", Fault::kCaller, R::kNever, false, false, kInvalidArgument, "INVALID_REQUEST"},
    {F::kRefused, "refused", Fault::kCaller, R::kNever, false, false, kFailedPrecondition, "CONTENT_REFUSED"},
    {F::kProtocol, "protocol", Fault::kUpstream, R::kAnywhere, true, false, kUnavailable, "ATTEMPTS_EXHAUSTED"},
    {F::kTruncated, "truncated", Fault::kUpstream, R::kNever, true, false, kAborted, "STREAM_TRUNCATED"},
    {F::kCancelled, "cancelled", Fault::kCaller, R::kNever, false, false, kCancelledCode, "CANCELLED"},
    // A limit of ours at one destination (its pool is full): nothing was sent,
    // so elsewhere is safe, and the upstream is not to blame.
    {F::kShed, "shed", Fault::kGateway, R::kAfterCooldown, false, false, kResourceExhausted, "GATEWAY_LIMIT"},
}};

}  // namespace

const FailureTraits& TraitsOf(FailureKind kind) { return kTable[static_cast<size_t>(kind)]; }

FailureKind KindOfHttpStatus(int status) {
  switch (status) {
    case 401:
    case 403:
      return F::kAuth;
    case 402:
      return F::kQuota;
    case 404:
      return F::kNotFound;
    case 408:
      return F::kServerError;
    case 429:
      return F::kRateLimited;
    case 503:
    case 529:
      return F::kOverload;
    default:
      break;
  }
  if (status >= 200 && status < 300) return F::kNone;
  if (status >= 400 && status < 500) return F::kCaller;
  if (status >= 500 && status < 600) return F::kServerError;
  return F::kProtocol;
}

}  // namespace sluice
