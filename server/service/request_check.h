// Refuses a request that no upstream could answer, before anything is spent on
// it. Pure; the loop calls it once per call.
#ifndef SLUICE_SERVER_SERVICE_REQUEST_CHECK_H_
#define SLUICE_SERVER_SERVICE_REQUEST_CHECK_H_

#include <cstddef>
#include <optional>
#include <string_view>

#include "server/engine/call_record.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {

// The first thing wrong with the request, or nothing. The error names the
// field, the value (cut short) and what would be right. Checks what holds for
// every provider; what one wire format cannot carry is its encoder's to say.
std::optional<CallError> CheckChatRequest(const v1::ChatRequest& request);

std::optional<CallError> CheckEmbedRequest(const v1::EmbedRequest& request);

// Refuses embeddings whose answer cannot be within `max_response_bytes` of the
// route, as far as `dimensions` tells.
std::optional<CallError> CheckEmbedSize(const v1::EmbedRequest& request, size_t max_response_bytes,
                                        std::string_view route);

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_REQUEST_CHECK_H_
