#include "client/collector.h"

namespace sluice {

using v1::ChatEvent;

namespace {

void AppendMedia(const v1::MediaDelta& delta, v1::Media* media) {
  if (!delta.mime_type().empty()) media->set_mime_type(delta.mime_type());
  media->mutable_data()->append(delta.data());
  media->mutable_transcript()->append(delta.transcript());
}

// As Message.text says: where there is one text part.
void SayText(v1::Message* message) {
  const v1::Part* only = nullptr;
  for (const v1::Part& part : message->parts()) {
    if (!part.has_text()) continue;
    if (only != nullptr) return;
    only = &part;
  }
  if (only != nullptr) message->set_text(only->text());
}

}  // namespace

bool Collector::Add(const ChatEvent& event) {
  bytes_ += event.ByteSizeLong();
  if (bytes_ > max_bytes_ || rest_.has_end()) return false;
  switch (event.kind_case()) {
    case ChatEvent::kStarted:
      *rest_.mutable_started() = event.started();
      return true;
    case ChatEvent::kUsage:
      // Cumulative: the newest replaces, nothing is added up.
      *rest_.mutable_usage() = event.usage();
      return true;
    case ChatEvent::kExtras:
      extras_[event.extras().wire_format()].Add(event.choice(), event.extras().json());
      return true;
    case ChatEvent::kContinuation:
      if (event.continuation().mode() == v1::CONTINUATION_MODE_RESTART) Restart();
      return true;
    case ChatEvent::kEnd:
      *rest_.mutable_end() = event.end();
      return true;
    case ChatEvent::KIND_NOT_SET:
      return true;
    default:
      return Append(event);
  }
}

// All of the void answer goes, what it cost too: the new one tells its own.
void Collector::Restart() {
  choices_.clear();
  extras_.clear();
  rest_.Clear();
}

bool Collector::Append(const ChatEvent& event) {
  if (event.choice() < 0 || event.choice() >= kMaxChoices) return false;
  v1::Choice& choice = choices_[event.choice()];
  choice.set_index(event.choice());
  choice.mutable_message()->set_role(v1::ROLE_ASSISTANT);
  v1::Part* part = nullptr;
  switch (event.kind_case()) {
    case ChatEvent::kContent:
      if ((part = PartAt(event, v1::Part::kText)) == nullptr) return false;
      part->mutable_text()->append(event.content().text());
      choice.mutable_logprobs()->MergeFrom(event.content().logprobs());
      return true;
    case ChatEvent::kReasoning:
      if ((part = PartAt(event, v1::Part::kReasoning)) == nullptr) return false;
      part->mutable_reasoning()->mutable_text()->append(event.reasoning().text());
      return true;
    case ChatEvent::kRefusal:
      if ((part = PartAt(event, v1::Part::kRefusal)) == nullptr) return false;
      part->mutable_refusal()->mutable_text()->append(event.refusal().text());
      return true;
    case ChatEvent::kMedia:
      if ((part = PartAt(event, v1::Part::kMedia)) == nullptr) return false;
      AppendMedia(event.media(), part->mutable_media());
      return true;
    case ChatEvent::kCitation:
      if ((part = PartAt(event, v1::Part::KIND_NOT_SET)) == nullptr) return false;
      *part->add_citations() = event.citation();
      return true;
    case ChatEvent::kToolCallStart:
      if ((part = PartAt(event, v1::Part::kToolCall)) == nullptr) return false;
      part->mutable_tool_call()->set_id(event.tool_call_start().id());
      part->mutable_tool_call()->set_name(event.tool_call_start().name());
      return true;
    case ChatEvent::kToolCallDelta:
      if ((part = PartAt(event, v1::Part::kToolCall)) == nullptr) return false;
      part->mutable_tool_call()->mutable_arguments_json()->append(event.tool_call_delta().arguments_json());
      return true;
    case ChatEvent::kPartEnd:
      if ((part = PartAt(event, v1::Part::KIND_NOT_SET)) == nullptr) return false;
      part->mutable_states()->MergeFrom(event.part_end().states());
      return true;
    case ChatEvent::kChoiceEnd:
      choice.set_finish_reason(event.choice_end().finish_reason());
      choice.set_provider_reason(event.choice_end().provider_reason());
      return true;
    default:
      return true;
  }
}

// The event's part, made if it is the next one. KIND_NOT_SET: it must be there,
// of whatever kind. Null where the event does not fit what came before.
v1::Part* Collector::PartAt(const ChatEvent& event, v1::Part::KindCase kind) {
  auto& parts = *choices_[event.choice()].mutable_message()->mutable_parts();
  const int index = event.part();
  if (index < 0 || index >= kMaxParts || index > parts.size()) return nullptr;
  if (index == parts.size()) {
    if (kind == v1::Part::KIND_NOT_SET) return nullptr;
    return parts.Add();
  }
  v1::Part* part = parts.Mutable(index);
  if (kind != v1::Part::KIND_NOT_SET && part->kind_case() != kind) return nullptr;
  return part;
}

bool Collector::complete() const {
  return rest_.has_end() && (rest_.end().outcome() == v1::OUTCOME_COMPLETE ||
                             rest_.end().outcome() == v1::OUTCOME_FALLBACK);
}

v1::ChatResponse Collector::response() const {
  v1::ChatResponse response = rest_;
  for (const auto& [index, choice] : choices_) {
    *response.add_choices() = choice;
    SayText(response.mutable_choices(response.choices_size() - 1)->mutable_message());
  }
  for (const auto& [format, extras] : extras_) (*response.mutable_extras_json())[format] = extras.Json();
  return response;
}

std::string Collector::text(int choice) const {
  std::string text;
  const auto found = choices_.find(choice);
  if (found == choices_.end()) return text;
  for (const v1::Part& part : found->second.message().parts()) text += part.text();
  return text;
}

}  // namespace sluice
