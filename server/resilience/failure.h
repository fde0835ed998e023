// The one table that decides everything about a failure: whose fault it is,
// whether it may be tried again and where, and what the caller sees.
#ifndef SLUICE_SERVER_RESILIENCE_FAILURE_H_
#define SLUICE_SERVER_RESILIENCE_FAILURE_H_

#include <string_view>

namespace sluice {

enum class FailureKind {
  kNone,         // no failure
  kConnect,      // refused, unreachable, DNS, TLS handshake
  kReset,        // reset or end of connection before content
  kTimeout,      // connect, first content, idle or total
  kOverload,     // 503, 529, error event that says so
  kServerError,  // 408, 500, 502, 504, error event
  kRateLimited,  // 429 with a rate limit
  kQuota,        // quota used up (429/402/403 insufficient_quota)
  kAuth,         // our credential was refused (401, 403)
  kNotFound,     // model or deployment unknown there
  kCaller,       // the caller's request is wrong (400, 413, 422, context length)
  kRefused,      // content policy
  kProtocol,     // malformed SSE/JSON, wrong content type, oversized line
  kTruncated,    // cut after content
  kCancelled,    // the caller went away
  kShed,         // our own limits
};

// Whose fault a failure is: who is to mend it.
enum class Fault { kNone, kUpstream, kAccount, kConfiguration, kCaller, kGateway };

// Where the next attempt may go.
enum class RetryScope {
  kNever,           // the error goes to the caller
  kOtherUpstream,   // another credential or upstream only (quota, credential)
  kOtherPlace,      // another endpoint, or another model there (model unknown)
  kAnywhere,        // the same endpoint too
  kAfterCooldown,   // anywhere else now; here after its time
};

struct FailureTraits {
  FailureKind kind;
  std::string_view name;     // as Attempt.error_class, "rate_limited"
  Fault fault;
  RetryScope retry;
  bool counts_for_breaker;
  bool cools_down;           // the (endpoint, credential) rests for Retry-After
  int grpc_code;             // what the caller sees when this was the last failure
  std::string_view reason;   // ErrorInfo.reason of that status
};

// Every kind has exactly one row.
const FailureTraits& TraitsOf(FailureKind kind);

// The kind of an HTTP status outside 2xx, before the body was looked at.
// Statuses without a row of their own: other 4xx are kCaller, other 5xx are
// kServerError, 1xx and 3xx are kProtocol.
FailureKind KindOfHttpStatus(int status);

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_FAILURE_H_
