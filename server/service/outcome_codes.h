// Outcomes and classes of errors as the numbers that callers see beside their
// names. Pure.
#ifndef SLUICE_SERVER_SERVICE_OUTCOME_CODES_H_
#define SLUICE_SERVER_SERVICE_OUTCOME_CODES_H_

#include <string_view>

#include "server/engine/call_record.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {

// "cancelled"
std::string_view OutcomeName(AttemptOutcome outcome);
v1::AttemptOutcome OutcomeCode(AttemptOutcome outcome);

// UNSPECIFIED for kNone. Its name is TraitsOf(kind).name.
v1::ErrorClass ErrorCode(FailureKind kind);

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_OUTCOME_CODES_H_
