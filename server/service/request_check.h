// Refuses a request that no upstream could answer, before anything is spent on
// it. Pure; the loop calls it once per call.
#ifndef SLUICE_SERVER_SERVICE_REQUEST_CHECK_H_
#define SLUICE_SERVER_SERVICE_REQUEST_CHECK_H_

#include <optional>

#include "server/engine/call_record.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {

// The first thing wrong with the request, or nothing. The error names the
// field, the value (cut short) and what would be right. Checks what holds for
// every provider; what one wire format cannot carry is its encoder's to say.
std::optional<CallError> CheckChatRequest(const v1::ChatRequest& request);

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_REQUEST_CHECK_H_
