// A caller's extras for the OpenAI format, put into a request that was written
// without them. Any thread.
#ifndef SLUICE_SERVER_CODEC_OPENAI_EXTRAS_H_
#define SLUICE_SERVER_CODEC_OPENAI_EXTRAS_H_

#include <google/protobuf/map.h>

#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace sluice {

inline constexpr std::string_view kOpenAiExtrasField = "extras_json[\"openai\"]";

// Adds the members of extras["openai"], to the letter, to the JSON object
// `body`, which has members already. INVALID_ARGUMENT where it is no object or
// `check` refuses one of its keys.
absl::Status MergeOpenAiExtras(const google::protobuf::Map<std::string, std::string>& extras,
                               absl::FunctionRef<absl::Status(const std::string& key)> check, std::string& body);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_EXTRAS_H_
