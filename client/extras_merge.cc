#include "client/extras_merge.h"

#include <algorithm>
#include <optional>

namespace sluice {
namespace {

struct Field {
  std::string_view key;
  std::string_view value;
};

// {"key":value} → key and value.
std::optional<Field> OnlyField(std::string_view object) {
  constexpr std::string_view kOpen = "{\"";
  constexpr std::string_view kColon = "\":";
  const size_t key_end = object.find(kColon, kOpen.size());
  if (!object.starts_with(kOpen) || !object.ends_with('}') || key_end == std::string_view::npos) return std::nullopt;
  const size_t value = key_end + kColon.size();
  return Field{object.substr(kOpen.size(), key_end - kOpen.size()), object.substr(value, object.size() - 1 - value)};
}

bool IsFullList(std::string_view json) { return json.size() > 2 && json.front() == '['; }

std::string Members(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string members;
  for (const auto& [key, value] : fields) {
    members.append(members.empty() ? "\"" : ",\"").append(key).append("\":").append(value);
  }
  return members;
}

}  // namespace

void ExtrasMerge::Put(std::string_view key, std::string_view value, bool join_lists, Fields& fields) {
  const auto known = std::find_if(fields.begin(), fields.end(), [&](const auto& each) { return each.first == key; });
  if (known == fields.end()) {
    fields.emplace_back(key, value);
  } else if (join_lists && IsFullList(known->second) && IsFullList(value)) {
    known->second.back() = ',';
    known->second.append(value.substr(1));
  } else {
    known->second.assign(value);
  }
}

void ExtrasMerge::Add(int choice, std::string_view json) {
  const auto field = OnlyField(json);
  if (!field) return;
  if (field->key != "choice") return Put(field->key, field->value, /*join_lists=*/false, answer_);
  const auto inner = OnlyField(field->value);
  if (inner) Put(inner->key, inner->value, /*join_lists=*/true, choices_[choice]);
}

std::string ExtrasMerge::Json() const {
  std::string members = Members(answer_);
  std::string choices;
  for (const auto& [index, fields] : choices_) {
    choices.append(choices.empty() ? "[" : ",").append("{\"index\":").append(std::to_string(index)).append(",");
    choices.append(Members(fields)).append("}");
  }
  if (!choices.empty()) members.append(members.empty() ? "\"choices\":" : ",\"choices\":").append(choices).append("]");
  return "{" + members + "}";
}

}  // namespace sluice
