// Puts a JSON object together of members whose values are JSON already, to the
// letter. Pure.
#ifndef SLUICE_SERVER_CODEC_JSON_MEMBERS_H_
#define SLUICE_SERVER_CODEC_JSON_MEMBERS_H_

#include <string>
#include <string_view>

namespace sluice {

class JsonMembers {
 public:
  // `key` as it stands between its quotes.
  void Add(std::string_view key, std::string_view json) {
    members_.append(members_.empty() ? "\"" : ",\"").append(key).append("\":").append(json);
  }
  void AddText(std::string_view key, std::string_view raw) {
    Add(key, "\"");
    members_.append(raw).push_back('"');
  }
  bool empty() const { return members_.empty(); }
  std::string Object() const { return "{" + members_ + "}"; }

 private:
  std::string members_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_JSON_MEMBERS_H_
