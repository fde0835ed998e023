#include "server/service/answer_collector.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/service/event_mapping.h"
#include "server/service/message_text.h"
#include "server/service/status_mapping.h"

namespace sluice {

using Kind = StreamEvent::Kind;

namespace {

// A choice or part in memory, beside its text.
constexpr size_t kPartOverhead = 64;

void AddMedia(const StreamEvent& event, v1::Media* media) {
  if (!event.name.empty()) media->mutable_mime_type()->assign(event.name);
  media->mutable_data()->append(event.data);
  media->mutable_transcript()->append(event.text);
}

}  // namespace

void AnswerCollector::Started(std::string_view call_id, std::string_view served_by, std::string_view model) {
  v1::Started* started = response_.mutable_started();
  started->mutable_call_id()->assign(call_id);
  started->mutable_served_by()->assign(served_by);
  started->mutable_model()->assign(model);
}

void AnswerCollector::Add(const StreamEvent& event) {
  bytes_ += ContentBytes(event);
  if (event.kind == Kind::kChoiceEnd || event.is_content()) {
    // What an upstream may send without text must count too.
    bytes_ += answers_.count(event.choice) > 0 && answers_[event.choice].parts.count(event.part) > 0 ? 0 : kPartOverhead;
  }
  if (bytes_ > max_bytes_) overflowed_ = true;
  if (overflowed_) return;
  switch (event.kind) {
    case Kind::kModel:
    case Kind::kEmbedding:
      return;
    case Kind::kPartEnd:
      if (!event.text.empty()) FillState(event, answers_[event.choice].parts[event.part].add_states());
      return;
    case Kind::kUsage:
      if (event.usage) *response_.mutable_usage() = ToProto(*event.usage);
      return;
    case Kind::kCitation:
      if (event.citation) FillCitation(*event.citation, answers_[event.choice].parts[event.part].add_citations());
      return;
    case Kind::kExtras:
      extras_[std::string(event.name)].Add(event);
      return;
    case Kind::kChoiceEnd:
      answers_[event.choice].choice.set_finish_reason(ToProto(event.finish_reason));
      answers_[event.choice].choice.set_provider_reason(std::string(event.text));
      return;
    default:
      AddDelta(event);
  }
}

void AnswerCollector::AddDelta(const StreamEvent& event) {
  Answer& answer = answers_[event.choice];
  v1::Part& part = answer.parts[event.part];
  switch (event.kind) {
    case Kind::kContent:
      part.mutable_text()->append(event.text);
      if (event.logprobs) AppendLogprobs(*event.logprobs, answer.choice.mutable_logprobs());
      return;
    case Kind::kReasoning:
      part.mutable_reasoning()->mutable_text()->append(event.text);
      return;
    case Kind::kRefusal:
      part.mutable_refusal()->mutable_text()->append(event.text);
      return;
    case Kind::kMedia:
      AddMedia(event, part.mutable_media());
      return;
    case Kind::kToolCallStart:
      part.mutable_tool_call()->mutable_id()->assign(event.id);
      part.mutable_tool_call()->mutable_name()->assign(event.name);
      return;
    case Kind::kToolCallDelta:
      part.mutable_tool_call()->mutable_arguments_json()->append(event.text);
      return;
    default:
      return;
  }
}

void AnswerCollector::Discard() {
  bytes_ = 0;
  overflowed_ = false;
  answers_.clear();
  extras_.clear();
  response_.Clear();
}

// Once more, for callers who want no more than the text; but never over the bound
// that keeps an answer small enough for its caller.
void AnswerCollector::SayText(v1::Message* message) {
  const std::string& text = OnlyTextOf(*message);
  if (bytes_ + text.size() > max_bytes_) return;
  bytes_ += text.size();
  message->set_text(text);
}

v1::ChatResponse AnswerCollector::Take(const CallRecord& record) {
  for (auto& [index, answer] : answers_) {
    v1::Choice* choice = response_.add_choices();
    *choice = std::move(answer.choice);
    choice->set_index(index);
    choice->mutable_message()->set_role(v1::ROLE_ASSISTANT);
    for (auto& [number, part] : answer.parts) *choice->mutable_message()->add_parts() = std::move(part);
    SayText(choice->mutable_message());
  }
  for (const auto& [format, extras] : extras_) (*response_.mutable_extras_json())[format] = extras.Json();
  *response_.mutable_end() = EndMessage(record);
  v1::ChatResponse response = std::move(response_);
  Discard();
  return response;
}

CallError ResponseTooLarge(size_t max_bytes, std::string_view route) {
  CallError error;
  error.kind = FailureKind::kShed;
  error.grpc_code = static_cast<int>(absl::StatusCode::kResourceExhausted);
  error.reason = "RESPONSE_TOO_LARGE";
  error.message = absl::StrCat("the answer is larger than ", max_bytes, " bytes (stream.max_response_bytes of route \"",
                               std::string(route), "\"); StreamChat has no such bound");
  return error;
}

}  // namespace sluice
