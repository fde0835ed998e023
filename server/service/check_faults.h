// What the checks of requests are made of. Private to them; pure.
#ifndef SLUICE_SERVER_SERVICE_CHECK_FAULTS_H_
#define SLUICE_SERVER_SERVICE_CHECK_FAULTS_H_

#include <optional>
#include <string>
#include <string_view>

#include "server/engine/call_record.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {

using RequestFault = std::optional<CallError>;

// INVALID_ARGUMENT "field: what".
CallError Refuse(std::string field, std::string_view what);

// A caller's value in an error, shortened.
std::string Quoted(std::string_view value);

// That `text` is one JSON object.
RequestFault CheckJson(std::string field, std::string_view text);

// That `text` is within its bound.
RequestFault CheckLength(std::string field, std::string_view text, size_t max_bytes);

// The conversation (message_check.cc).
RequestFault CheckMessages(const v1::ChatRequest& request);

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_CHECK_FAULTS_H_
