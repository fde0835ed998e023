#include "server/service/extras_collector.h"

#include <algorithm>

#include "server/codec/json_members.h"

namespace sluice {
namespace {

bool IsFullList(std::string_view json) { return json.size() > 2 && json.front() == '['; }

}  // namespace

void ExtrasCollector::Add(const StreamEvent& extras) {
  const bool whole_answer = extras.part == StreamEvent::kWholeAnswer;
  Fields& fields = whole_answer ? answer_ : choices_[extras.choice];
  const auto known = std::find_if(fields.begin(), fields.end(), [&](const auto& each) { return each.first == extras.id; });
  if (known == fields.end()) {
    fields.emplace_back(extras.id, extras.text);
  } else if (!whole_answer && IsFullList(known->second) && IsFullList(extras.text)) {
    known->second.back() = ',';
    known->second.append(extras.text.substr(1));
  } else {
    known->second.assign(extras.text);
  }
}

std::string ExtrasCollector::Json() const {
  JsonMembers object;
  for (const auto& [key, json] : answer_) object.Add(key, json);
  std::string choices;
  for (const auto& [index, fields] : choices_) {
    JsonMembers choice;
    choice.Add("index", std::to_string(index));
    for (const auto& [key, json] : fields) choice.Add(key, json);
    choices.append(choices.empty() ? "[" : ",").append(choice.Object());
  }
  if (!choices.empty()) object.Add("choices", choices + "]");
  return object.Object();
}

}  // namespace sluice
