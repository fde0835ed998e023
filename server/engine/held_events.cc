#include "server/engine/held_events.h"

namespace sluice {

bool HeldEvents::Hold(const StreamEvent& event) {
  if (event.kind == StreamEvent::Kind::kUsage) {
    usage_ = *event.usage;  // replaces
    return true;
  }
  bytes_ += event.bytes();
  if (events_.size() == kMaxEvents || bytes_ > kMaxBytes) return false;
  if (event.kind == StreamEvent::Kind::kModel) {
    model_ = event.text;
    return true;
  }
  events_.push_back({event, std::string(event.text), std::string(event.id), std::string(event.name), {}});
  if (event.citation != nullptr) events_.back().citation = *event.citation;
  return true;
}

void HeldEvents::Release(StreamEventHandler& handler) {
  for (Held& held : events_) {
    held.event.text = held.text;
    held.event.id = held.id;
    held.event.name = held.name;
    if (held.event.citation != nullptr) held.event.citation = &held.citation;
    handler.OnEvent(held.event);
  }
  if (usage_) {
    StreamEvent event;
    event.kind = StreamEvent::Kind::kUsage;
    event.usage = &*usage_;
    handler.OnEvent(event);
  }
  Clear();
}

void HeldEvents::Clear() { *this = HeldEvents(); }

}  // namespace sluice
