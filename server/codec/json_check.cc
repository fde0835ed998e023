#include "server/codec/json_check.h"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <set>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

// Only looks at the keys of depth 1; refuses what is no object.
class TopKeys : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, TopKeys> {
 public:
  bool Default() { return depth_ > 0; }
  bool StartObject() { return ++depth_ > 0; }
  bool EndObject(rapidjson::SizeType) { return depth_-- > 0; }
  bool StartArray() { return depth_ > 0 && ++depth_ > 0; }
  bool EndArray(rapidjson::SizeType) { return depth_-- > 0; }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    if (depth_ == 1) keys.emplace_back(text, size);
    return true;
  }

  std::vector<std::string> keys;

 private:
  int depth_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> KeysOfJsonObject(std::string_view json, std::string_view field) {
  const std::string name(field);
  rapidjson::MemoryStream stream(json.data(), json.size());
  rapidjson::Reader reader;
  TopKeys handler;
  // Iterative: a caller's nesting must not use up our stack.
  reader.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(stream, handler);
  if (reader.GetParseErrorCode() == rapidjson::kParseErrorTermination) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": must be a JSON object"));
  }
  if (reader.HasParseError()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": is no valid JSON, at byte ", reader.GetErrorOffset(), ": ",
                                                   rapidjson::GetParseError_En(reader.GetParseErrorCode())));
  }
  std::set<std::string> seen;
  for (const std::string& key : handler.keys) {
    if (!seen.insert(key).second) {
      return absl::InvalidArgumentError(absl::StrCat(name, ": has the key \"", key, "\" twice"));
    }
  }
  return std::move(handler.keys);
}

}  // namespace sluice
