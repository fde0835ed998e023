#include "server/codec/json_check.h"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <set>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/codec/ascii_text.h"

namespace sluice {
namespace {

// Iterative: a caller's nesting must not use up our stack.
constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;

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

// Notes where the members of depth 1 begin and end; refuses what is no object.
class TopMembers : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, TopMembers> {
 public:
  TopMembers(std::string_view json, const rapidjson::MemoryStream& stream) : json_(json), stream_(stream) {}

  bool Default() { return depth_ > 0 && End(stream_.Tell()); }
  bool StartObject() { return ++depth_ > 0; }
  // The reader has not taken the bracket yet.
  bool EndObject(rapidjson::SizeType) { return --depth_ == 0 || End(stream_.Tell() + 1); }
  bool StartArray() { return depth_ > 0 && ++depth_ > 0; }
  bool EndArray(rapidjson::SizeType) {
    --depth_;
    return End(stream_.Tell() + 1);
  }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    if (depth_ == 1) members.push_back({std::string(text, size), {}});
    if (depth_ == 1) begin_ = stream_.Tell();
    return true;
  }

  std::vector<JsonMember> members;

 private:
  // A value is over; what stands between it and its key is a colon.
  bool End(size_t end) {
    if (depth_ != 1) return true;
    const std::string_view text = TrimBlanks(json_.substr(begin_, end - begin_));
    members.back().value = TrimBlanks(text.substr(1));
    return true;
  }

  const std::string_view json_;
  const rapidjson::MemoryStream& stream_;
  int depth_ = 0;
  size_t begin_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> KeysOfJsonObject(std::string_view json, std::string_view field) {
  const std::string name(field);
  rapidjson::MemoryStream stream(json.data(), json.size());
  rapidjson::Reader reader;
  TopKeys handler;
  reader.Parse<kFlags>(stream, handler);
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

std::optional<std::vector<JsonMember>> MembersOfJsonObject(std::string_view json) {
  rapidjson::MemoryStream stream(json.data(), json.size());
  rapidjson::Reader reader;
  TopMembers handler(json, stream);
  if (!reader.Parse<kFlags>(stream, handler)) return std::nullopt;
  return std::move(handler.members);
}

bool IsJson(std::string_view json) {
  rapidjson::MemoryStream stream(json.data(), json.size());
  rapidjson::Reader reader;
  rapidjson::BaseReaderHandler<> ignored;
  return !reader.Parse<kFlags>(stream, ignored).IsError();
}

}  // namespace sluice
