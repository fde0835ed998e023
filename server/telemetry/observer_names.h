// The words of metrics and log lines for the enums that observers hear. Pure.
#ifndef SLUICE_SERVER_TELEMETRY_OBSERVER_NAMES_H_
#define SLUICE_SERVER_TELEMETRY_OBSERVER_NAMES_H_

#include <string_view>

#include "server/engine/call_observer.h"

namespace sluice {

std::string_view NameOf(CallOutcome outcome);
std::string_view NameOf(AttemptOutcome outcome);
std::string_view NameOf(RetryRefusal why);
std::string_view NameOf(QueueExit exit);
std::string_view NameOf(BreakerState state);
// As Attempt.error_class; empty for kNone.
std::string_view NameOf(FailureKind kind);

// The gRPC status that the caller saw. A call that a fallback answered ended
// well; its error is the cause.
std::string_view CodeNameOf(const CallRecord& record);
// Failed or cut, and not by the caller's own fault: a caller that is wrong or
// went away says nothing about the gateway.
bool IsError(const CallRecord& record);
// More than one attempt was made, one after the other; hedges are none.
bool WasRetried(const CallRecord& record);

}  // namespace sluice

#endif  // SLUICE_SERVER_TELEMETRY_OBSERVER_NAMES_H_
