// Checks JSON text that callers hand through to a provider to the letter, and
// takes it apart where its pieces go to different places.
#ifndef SLUICE_SERVER_CODEC_JSON_CHECK_H_
#define SLUICE_SERVER_CODEC_JSON_CHECK_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sluice {

// The keys at the top of a JSON object, in order. INVALID_ARGUMENT, beginning
// with `field`, if `json` is no JSON object or has a key twice.
absl::StatusOr<std::vector<std::string>> KeysOfJsonObject(std::string_view json, std::string_view field);

struct JsonMember {
  std::string key;
  std::string_view value;  // its text, to the letter; lies in what was read
};

// The members at the top of a JSON object, in order; nullopt if `json` is none.
std::optional<std::vector<JsonMember>> MembersOfJsonObject(std::string_view json);

// One whole JSON value of any type.
bool IsJson(std::string_view json);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_JSON_CHECK_H_
