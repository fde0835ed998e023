// Checks JSON text that callers hand through to a provider to the letter.
#ifndef SLUICE_SERVER_CODEC_JSON_CHECK_H_
#define SLUICE_SERVER_CODEC_JSON_CHECK_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sluice {

// The keys at the top of a JSON object, in order. INVALID_ARGUMENT, beginning
// with `field`, if `json` is no JSON object or has a key twice.
absl::StatusOr<std::vector<std::string>> KeysOfJsonObject(std::string_view json, std::string_view field);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_JSON_CHECK_H_
