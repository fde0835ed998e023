#include "collector.h"

#include "common.h"

namespace {

void AddToPart(const v1::ChatEvent& event, v1::Part& part) {
  switch (event.kind_case()) {
    case v1::ChatEvent::kContent:
      part.mutable_text()->append(event.content().text());
      break;
    case v1::ChatEvent::kReasoning:
      part.mutable_reasoning()->mutable_text()->append(event.reasoning().text());
      break;
    case v1::ChatEvent::kRefusal:
      part.mutable_refusal()->mutable_text()->append(event.refusal().text());
      break;
    case v1::ChatEvent::kToolCallStart:
      part.mutable_tool_call()->set_id(event.tool_call_start().id());
      part.mutable_tool_call()->set_name(event.tool_call_start().name());
      break;
    case v1::ChatEvent::kToolCallDelta:
      part.mutable_tool_call()->mutable_arguments_json()->append(event.tool_call_delta().arguments_json());
      break;
    case v1::ChatEvent::kMedia:
      if (!event.media().mime_type().empty()) part.mutable_media()->set_mime_type(event.media().mime_type());
      part.mutable_media()->mutable_data()->append(event.media().data());
      part.mutable_media()->mutable_transcript()->append(event.media().transcript());
      break;
    case v1::ChatEvent::kCitation:
      *part.add_citations() = event.citation();
      break;
    case v1::ChatEvent::kPartEnd:
      part.mutable_states()->MergeFrom(event.part_end().states());
      break;
    default:
      break;
  }
}

}  // namespace

void Collector::Add(const v1::ChatEvent& event) {
  switch (event.kind_case()) {
    case v1::ChatEvent::kStarted:
      started = event.started();
      break;
    case v1::ChatEvent::kChoiceEnd:
      finish[event.choice()] = event.choice_end();
      break;
    case v1::ChatEvent::kUsage:
      usage = event.usage();  // Replaces; it is never added up.
      break;
    case v1::ChatEvent::kEnd:
      end = event.end();
      break;
    case v1::ChatEvent::kContinuation:
      // What was shown is void.
      if (event.continuation().mode() == v1::CONTINUATION_MODE_RESTART) *this = Collector();
      break;
    case v1::ChatEvent::kContent:
    case v1::ChatEvent::kReasoning:
    case v1::ChatEvent::kRefusal:
    case v1::ChatEvent::kToolCallStart:
    case v1::ChatEvent::kToolCallDelta:
    case v1::ChatEvent::kMedia:
    case v1::ChatEvent::kCitation:
    case v1::ChatEvent::kPartEnd:
      // Parts may be open side by side: each delta goes to its own.
      AddToPart(event, parts[event.choice()][event.part()]);
      break;
    default:
      break;  // Kinds that this program does not know are ignored.
  }
}

v1::Message Collector::Message(int choice) const {
  v1::Message message;
  message.set_role(v1::ROLE_ASSISTANT);
  const auto found = parts.find(choice);
  if (found == parts.end()) return message;
  for (const auto& [number, part] : found->second) {
    // A citation alone makes no part.
    if (part.kind_case() != v1::Part::KIND_NOT_SET || part.states_size() > 0) *message.add_parts() = part;
  }
  return message;
}

std::string Collector::Text(int choice) const { return TextOf(Message(choice)); }

std::string TextOf(const v1::Message& message) {
  std::string text;
  for (const v1::Part& part : message.parts()) text += part.text();
  return text;
}

Collector Collect(grpc::ClientReader<v1::StreamChatResponse>& call,
                  const std::function<void(const std::string&)>& on_text) {
  Collector collector;
  v1::StreamChatResponse response;
  while (call.Read(&response)) {
    for (const v1::ChatEvent& event : response.events()) {
      collector.Add(event);
      if (!on_text) continue;
      if (event.has_content() && event.choice() == 0) on_text(event.content().text());
      if (event.continuation().mode() == v1::CONTINUATION_MODE_RESTART) {
        on_text("\n--- cut; the answer begins anew ---\n");
      }
    }
  }
  const grpc::Status status = call.Finish();
  if (!status.ok()) throw CallFailed(status);
  if (!collector.end.has_value()) throw std::runtime_error("no end record: the answer is incomplete");
  return collector;
}
