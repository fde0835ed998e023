#include "server/codec/openai_answer_extras.h"

#include <algorithm>
#include <functional>

#include "server/codec/utf8_joiner.h"

namespace sluice {
namespace {

// Every answer of some servers has them: not worth being shown where nobody asked.
bool IsUsual(std::string_view key) {
  return key == "system_fingerprint" || key == "service_tier" || key == "provider" || key == "usage" || key == "x_groq";
}

// Fields before the first content, of an answer that may turn out to have none.
constexpr size_t kMaxHeldBytes = 32 << 10;
// Fields that are told once; beyond, they come as often as they are sent.
constexpr size_t kMaxTold = 64;

void Tell(int choice, int part, std::string_view key, std::string_view json, StreamEventHandler& handler) {
  const std::string text = WholeUtf8(json);
  StreamEvent event;
  event.kind = StreamEvent::Kind::kExtras;
  event.choice = choice;
  event.part = part;
  event.name = "openai";
  event.id = key;
  event.text = text;
  event.shows_content = IsOpenAiMedia(key);
  handler.OnEvent(event);
}

}  // namespace

void OpenAiAnswerExtras::AddOfAnswer(const std::vector<OpenAiMember>& members, bool has_content,
                                     StreamEventHandler& handler) {
  for (const OpenAiMember& member : members) Add(0, StreamEvent::kWholeAnswer, member, has_content, handler);
}

void OpenAiAnswerExtras::AddOfChoice(int choice, const std::vector<OpenAiMember>& members, bool has_content,
                                     StreamEventHandler& handler) {
  for (const OpenAiMember& member : members) Add(choice, 0, member, has_content, handler);
}

void OpenAiAnswerExtras::Add(int choice, int part, const OpenAiMember& member, bool has_content,
                             StreamEventHandler& handler) {
  // One image after another may well be the same.
  const bool media = IsOpenAiMedia(member.key);
  const bool told = wanted_ || media;
  if (!told && (has_content || IsUsual(member.key))) return;
  if (!media && !IsNews(choice, part, member)) return;
  if (told) return Tell(choice, part, member.key, member.json, handler);
  if (held_bytes_ + member.json.size() > kMaxHeldBytes) return;
  held_bytes_ += member.json.size();
  held_.push_back({choice, part, std::string(member.key), std::string(member.json)});
}

bool OpenAiAnswerExtras::IsNews(int choice, int part, const OpenAiMember& member) {
  const std::hash<std::string_view> hash;
  const uint64_t field = hash(member.key) * 31 + static_cast<uint64_t>(choice) * 2 + (part < 0 ? 1 : 0);
  const uint64_t said = hash(member.json);
  const auto known = std::find_if(told_.begin(), told_.end(), [&](const auto& each) { return each.first == field; });
  if (known == told_.end()) {
    if (told_.size() < kMaxTold) told_.emplace_back(field, said);
    return true;
  }
  return std::exchange(known->second, said) != said;
}

void OpenAiAnswerExtras::End(bool has_content, StreamEventHandler& handler) {
  if (has_content) return;
  for (const Held& held : held_) Tell(held.choice, held.part, held.key, held.json, handler);
}

}  // namespace sluice
