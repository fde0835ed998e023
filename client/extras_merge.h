// The Extras of a stream as the one JSON object that a unary Chat would have
// given (ChatResponse.extras_json). Pure; one per wire format and answer.
#ifndef SLUICE_CLIENT_EXTRAS_MERGE_H_
#define SLUICE_CLIENT_EXTRAS_MERGE_H_

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice {

class ExtrasMerge {
 public:
  // `json`: Extras.json, an object of one field. What is none is left out.
  void Add(int choice, std::string_view json);
  std::string Json() const;

 private:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  static void Put(std::string_view key, std::string_view value, bool join_lists, Fields& fields);

  Fields answer_;
  std::map<int, Fields> choices_;
};

}  // namespace sluice

#endif  // SLUICE_CLIENT_EXTRAS_MERGE_H_
