#include "server/codec/openai_extras.h"

#include "server/codec/ascii_text.h"
#include "server/codec/json_check.h"

namespace sluice {

absl::Status MergeOpenAiExtras(const google::protobuf::Map<std::string, std::string>& extras,
                               absl::FunctionRef<absl::Status(const std::string& key)> check, std::string& body) {
  const auto it = extras.find("openai");
  if (it == extras.end()) return absl::OkStatus();
  const auto keys = KeysOfJsonObject(it->second, kOpenAiExtrasField);
  if (!keys.ok()) return keys.status();
  for (const std::string& key : *keys) {
    if (absl::Status status = check(key); !status.ok()) return status;
  }
  if (keys->empty()) return absl::OkStatus();
  // The extras' own text goes in front of our closing brace, to the letter.
  std::string_view members = TrimBlanks(it->second);
  members = members.substr(1, members.size() - 2);
  body.back() = ',';
  body.append(members).push_back('}');
  return absl::OkStatus();
}

}  // namespace sluice
