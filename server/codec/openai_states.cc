#include "server/codec/openai_states.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "server/codec/ascii_text.h"
#include "server/codec/json_check.h"
#include "server/codec/utf8_joiner.h"

namespace sluice {
namespace {

constexpr std::string_view kIssuer = "openai";
// Where a state that is no JSON object goes: Gemini's name for what is a
// provider's own.
constexpr std::string_view kExtraContent = "extra_content";

constexpr std::array<std::string_view, 9> kOurs = {"role", "content",  "name", "refusal", "tool_calls",
                                                   "id",   "function", "type", "tool_call_id"};
constexpr std::array<std::string_view, 8> kReasoning = {"reasoning", "reasoning_content", "reasoning_details",
                                                        "reasoning_text", "thinking", "thinking_blocks",
                                                        "thinking_content", "thought"};

template <size_t kSize>
bool Contains(const std::array<std::string_view, kSize>& keys, std::string_view key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

std::string JsonString(std::string_view text) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.Text(text);
  return std::string(buffer.GetString(), buffer.GetSize());
}

bool IsList(std::string_view json) { return !json.empty() && json.front() == '['; }

// What stands between the brackets of a list.
std::string_view Elements(std::string_view list) { return TrimBlanks(list.substr(1, list.size() - 2)); }

std::string Joined(std::string_view list, std::string_view more) {
  const std::string_view first = Elements(list);
  const std::string_view second = Elements(more);
  std::string joined = "[";
  joined.append(first);
  if (!first.empty() && !second.empty()) joined += ',';
  return joined.append(second).append("]");
}

}  // namespace

bool IsOurOpenAiMember(std::string_view key) { return Contains(kOurs, key); }

bool IsOpenAiReasoningMember(std::string_view key) { return Contains(kReasoning, key); }

void OpenAiStates::Add(const v1::Part& part) {
  for (const v1::ProviderState& state : part.states()) {
    if (state.issuer() == kIssuer && !state.value().empty()) AddBytes(state.value());
  }
}

void OpenAiStates::AddBytes(const std::string& value) {
  const auto members = MembersOfJsonObject(value);
  if (!members) {
    // What is no UTF-8 could stand in no JSON.
    const bool text = WholeUtf8(value) == value;
    std::string json = IsJson(value) ? value : JsonString(text ? value : absl::Base64Escape(value));
    return AddMember(std::string(kExtraContent), std::move(json));
  }
  for (const JsonMember& member : *members) {
    if (member.key == kReasoningKeyState) {
      const bool quoted = member.value.size() >= 2 && member.value.front() == '"';
      reasoning_key_ = quoted ? member.value.substr(1, member.value.size() - 2) : std::string_view();
    } else {
      AddMember(member.key, std::string(member.value));
    }
  }
}

void OpenAiStates::AddMember(std::string key, std::string json) {
  const bool taken = IsOpenAiReasoningMember(key) ? dialect_.takes_reasoning : dialect_.takes_states;
  if (!taken || IsOurOpenAiMember(key)) return;
  const auto same = std::find_if(members_.begin(), members_.end(), [&](const Member& m) { return m.key == key; });
  if (same == members_.end()) {
    members_.push_back({std::move(key), std::move(json)});
  } else {
    same->json = IsList(same->json) && IsList(json) ? Joined(same->json, json) : std::move(json);
  }
}

bool OpenAiStates::Has(std::string_view key) const {
  return std::any_of(members_.begin(), members_.end(), [&](const Member& member) { return member.key == key; });
}

void OpenAiStates::Write(JsonWriter& writer) const {
  for (const Member& member : members_) {
    writer.Text(member.key);
    writer.RawValue(member.json.data(), member.json.size(), rapidjson::kObjectType);
  }
}

}  // namespace sluice
