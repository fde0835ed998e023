#include "server/service/event_mapping.h"

#include <algorithm>
#include <string>

#include "server/codec/json_members.h"
#include "server/service/status_mapping.h"

namespace sluice {
namespace {

using Kind = StreamEvent::Kind;

// Fields and framing of an event beside its strings.
constexpr size_t kEventOverhead = 16;
constexpr size_t kLogprobOverhead = 24;

static_assert(static_cast<int>(FinishReason::kStop) == v1::FINISH_REASON_STOP);
static_assert(static_cast<int>(FinishReason::kLength) == v1::FINISH_REASON_LENGTH);
static_assert(static_cast<int>(FinishReason::kToolCalls) == v1::FINISH_REASON_TOOL_CALLS);
static_assert(static_cast<int>(FinishReason::kContentFilter) == v1::FINISH_REASON_CONTENT_FILTER);
static_assert(static_cast<int>(FinishReason::kRefusal) == v1::FINISH_REASON_REFUSAL);
static_assert(static_cast<int>(FinishReason::kOther) == v1::FINISH_REASON_OTHER);

// The text that deltas of this kind append to; null for kinds that never merge.
std::string* MergeableText(Kind kind, v1::ChatEvent* event) {
  switch (kind) {
    case Kind::kContent:
      return event->has_content() ? event->mutable_content()->mutable_text() : nullptr;
    case Kind::kReasoning:
      return event->has_reasoning() ? event->mutable_reasoning()->mutable_text() : nullptr;
    case Kind::kRefusal:
      return event->has_refusal() ? event->mutable_refusal()->mutable_text() : nullptr;
    case Kind::kToolCallDelta:
      return event->has_tool_call_delta() ? event->mutable_tool_call_delta()->mutable_arguments_json() : nullptr;
    default:
      return nullptr;
  }
}

void FillToolCallStart(const StreamEvent& event, v1::ToolCallStart* out) {
  out->mutable_id()->assign(event.id);
  out->mutable_name()->assign(event.name);
}

void FillChoiceEnd(const StreamEvent& event, v1::ChoiceEnd* out) {
  out->set_finish_reason(ToProto(event.finish_reason));
  out->mutable_provider_reason()->assign(event.text);
}

void FillPartEnd(const StreamEvent& event, v1::PartEnd* out) {
  if (!event.text.empty()) FillState(event, out->add_states());
}

void FillMedia(const StreamEvent& event, v1::MediaDelta* out) {
  out->mutable_mime_type()->assign(event.name);
  out->mutable_data()->assign(event.data);
  out->mutable_transcript()->assign(event.text);
}

void MergeMedia(const StreamEvent& event, v1::MediaDelta* out) {
  if (!event.name.empty()) out->mutable_mime_type()->assign(event.name);
  out->mutable_data()->append(event.data);
  out->mutable_transcript()->append(event.text);
}

void FillExtras(const StreamEvent& event, v1::Extras* out) {
  JsonMembers object;
  object.Add(event.id, event.text);
  if (event.part != StreamEvent::kWholeAnswer) {
    const std::string field = object.Object();
    object = JsonMembers();
    object.Add("choice", field);
  }
  out->mutable_wire_format()->assign(event.name);
  out->set_json(object.Object());
}

}  // namespace

v1::FinishReason ToProto(FinishReason reason) { return static_cast<v1::FinishReason>(reason); }

void AppendLogprobs(const std::vector<TokenLogprobValue>& from,
                    google::protobuf::RepeatedPtrField<v1::TokenLogprob>* to) {
  for (const TokenLogprobValue& value : from) {
    v1::TokenLogprob* out = to->Add();
    out->set_token(value.token);
    out->set_raw(value.raw);
    out->set_logprob(value.logprob);
    for (const TopLogprobValue& top : value.top) {
      v1::TopLogprob* alternative = out->add_top();
      alternative->set_token(top.token);
      alternative->set_raw(top.raw);
      alternative->set_logprob(top.logprob);
    }
  }
}

void FillState(const StreamEvent& part_end, v1::ProviderState* out) {
  out->mutable_issuer()->assign(part_end.name);
  out->mutable_value()->assign(part_end.text);
}

void FillCitation(const CitationValue& source, v1::Citation* out) {
  out->set_url(source.url);
  out->set_title(source.title);
  out->set_cited_text(source.cited_text);
  if (source.start) out->set_start(*source.start);
  if (source.end) out->set_end(*source.end);
  out->set_file_id(source.file_id);
}

bool FillEvent(const StreamEvent& event, v1::ChatEvent* out) {
  out->set_choice(event.choice);
  out->set_part(std::max(event.part, 0));
  switch (event.kind) {
    case Kind::kModel:
    case Kind::kEmbedding:
      return false;
    case Kind::kContent:
      out->mutable_content()->mutable_text()->assign(event.text);
      if (event.logprobs) AppendLogprobs(*event.logprobs, out->mutable_content()->mutable_logprobs());
      return true;
    case Kind::kReasoning:
      out->mutable_reasoning()->mutable_text()->assign(event.text);
      return true;
    case Kind::kRefusal:
      out->mutable_refusal()->mutable_text()->assign(event.text);
      return true;
    case Kind::kToolCallStart:
      FillToolCallStart(event, out->mutable_tool_call_start());
      return true;
    case Kind::kToolCallDelta:
      out->mutable_tool_call_delta()->mutable_arguments_json()->assign(event.text);
      return true;
    case Kind::kPartEnd:
      FillPartEnd(event, out->mutable_part_end());
      return true;
    case Kind::kChoiceEnd:
      FillChoiceEnd(event, out->mutable_choice_end());
      return true;
    case Kind::kUsage:
      if (event.usage) *out->mutable_usage() = ToProto(*event.usage);
      return event.usage != nullptr;
    case Kind::kExtras:
      FillExtras(event, out->mutable_extras());
      return true;
    case Kind::kMedia:
      FillMedia(event, out->mutable_media());
      return true;
    case Kind::kCitation:
      if (event.citation) FillCitation(*event.citation, out->mutable_citation());
      return event.citation != nullptr;
  }
  return false;
}

bool MergeInto(const StreamEvent& event, v1::ChatEvent* last) {
  if (last->choice() != event.choice || last->part() != event.part) return false;
  if (event.kind == Kind::kMedia && last->has_media()) {
    MergeMedia(event, last->mutable_media());
    return true;
  }
  std::string* text = MergeableText(event.kind, last);
  if (text == nullptr) return false;
  text->append(event.text);
  if (event.logprobs) AppendLogprobs(*event.logprobs, last->mutable_content()->mutable_logprobs());
  return true;
}

size_t ContentBytes(const StreamEvent& event) {
  size_t weight = event.text.size() + event.id.size() + event.name.size() + event.data.size() +
                  (event.citation != nullptr ? event.citation->bytes() : 0);
  if (event.logprobs == nullptr) return weight;
  for (const TokenLogprobValue& value : *event.logprobs) {
    weight += kLogprobOverhead + value.token.size() + value.raw.size();
    for (const TopLogprobValue& top : value.top) weight += kLogprobOverhead + top.token.size() + top.raw.size();
  }
  return weight;
}

size_t WeightOf(const StreamEvent& event) { return kEventOverhead + ContentBytes(event); }

}  // namespace sluice
