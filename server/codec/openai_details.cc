#include "server/codec/openai_details.h"

#include <algorithm>
#include <string_view>

#include "server/codec/json_members.h"

namespace sluice {
namespace {

constexpr std::string_view kSummary = "reasoning.summary";

}  // namespace

bool OpenAiDetails::Continues(const OpenAiDetail& detail, const Element& element) {
  if (detail.type != element.type || (detail.type != "reasoning.text" && detail.type != kSummary)) return false;
  return std::all_of(detail.members.begin(), detail.members.end(), [&](const OpenAiMember& member) {
    const auto same_key = [&](const auto& own) { return own.first == member.key; };
    const auto own = std::find_if(element.members.begin(), element.members.end(), same_key);
    return own == element.members.end() || own->second == member.json;
  });
}

void OpenAiDetails::Add(const OpenAiDetail& detail) {
  if (elements_.empty() || !Continues(detail, elements_.back())) {
    elements_.emplace_back().type = detail.type;
    bytes_ += detail.type.size() + 64;
  }
  Element& element = elements_.back();
  element.text.append(detail.text);
  bytes_ += detail.text.size();
  for (const OpenAiMember& member : detail.members) {
    const auto same_key = [&](const auto& own) { return own.first == member.key; };
    if (std::any_of(element.members.begin(), element.members.end(), same_key)) continue;
    element.members.emplace_back(member.key, member.json);
    bytes_ += member.key.size() + member.json.size();
  }
  // Nothing of it is needed any more.
  if (bytes_ > max_bytes_) elements_ = std::vector<Element>(1);
}

std::string OpenAiDetails::Json() const {
  if (elements_.empty() || bytes_ > max_bytes_) return {};
  std::string json = "[";
  for (const Element& element : elements_) {
    JsonMembers members;
    members.AddText("type", element.type);
    if (!element.text.empty()) members.AddText(element.type == kSummary ? "summary" : "text", element.text);
    for (const auto& [key, value] : element.members) members.Add(key, value);
    json.append(json.size() == 1 ? "" : ",").append(members.Object());
  }
  return json + "]";
}

}  // namespace sluice
