// What a caller is told when a call fails: code, reason, one line of text, and
// when to come back. Pure.
#ifndef SLUICE_SERVER_ENGINE_CALL_ERROR_H_
#define SLUICE_SERVER_ENGINE_CALL_ERROR_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "server/engine/call_observer.h"
#include "server/engine/call_record.h"
#include "server/resilience/retry_decision.h"

namespace sluice {

// The attempts failed before anything was shown; `why` says why no other one
// follows. The code is that of the failures where they agree, that of the last
// one where it is the caller's fault, else UNAVAILABLE. `field`: of the
// caller's request, as the last attempt named it.
CallError AttemptsFailed(std::string_view route, const std::vector<AttemptRecord>& attempts,
                         const RetryDecision& why, std::string field);

// The last attempt's answer is over the bound of what is collected.
CallError ResponseTooLarge(std::string_view route, const AttemptRecord& attempt);

// No attempt was made, for all endpoints are cooling, or there is none.
CallError NowhereToGo(std::string_view route, const EndpointsLeft& left, TimePoint now);

// No attempt was made: the breaker, throttle or limit of every upstream that is
// left refused it for now.
CallError NoRoom(std::string_view route, const std::optional<LimitRefusal>& refused);

// A rate limit of the policy's asks the caller to wait.
CallError OverLimit(std::string_view route, const LimitRefusal& refusal);

// The route's queue: why a call is in it that only waits behind others; no
// place left (`bound`: by which setting); waited in vain. `cause`: what made the call wait.
CallError OthersWait(std::string_view route);
CallError QueueFull(std::string_view route, std::string_view bound, const CallError& cause);
CallError QueueTimedOut(std::string_view route, Duration waited, const CallError& cause);

// The time that `cause` tells of does not fit: into the call's deadline, or into
// what it may wait altogether.
CallError NotWaited(CallError cause, Duration may_wait, bool deadline);

// The request cannot be put into any target's wire format.
CallError CannotEncode(std::string_view route, const absl::Status& why);

// `limit` as the caller or the operator knows it. DEADLINE_EXCEEDED is for a
// deadline of the caller's own; the route's bound is UNAVAILABLE.
// `waited_for`: of a call that was in the queue then, what made it wait.
CallError DeadlinePassed(std::string_view route, const std::vector<AttemptRecord>& attempts, Duration limit,
                         bool callers_own, const CallError* waited_for);

// The caller's own deadline passed after content was shown.
CallError CutAtDeadline(std::string_view route, Duration limit);

// The last attempt was cut after content was shown.
CallError Truncated(std::string_view route, const AttemptRecord& attempt);

CallError Cancelled(std::string_view route);

// Nothing was shown, and the data plane goes: another one will do.
CallError ShuttingDown(std::string_view route);

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_CALL_ERROR_H_
