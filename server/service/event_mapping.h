// A codec's event as the message that callers see. Pure.
#ifndef SLUICE_SERVER_SERVICE_EVENT_MAPPING_H_
#define SLUICE_SERVER_SERVICE_EVENT_MAPPING_H_

#include <cstddef>
#include <string_view>

#include "server/codec/stream_event.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {

v1::FinishReason ToProto(FinishReason reason);

// Appends logprobs to those already there, so that merged deltas stay aligned.
void AppendLogprobs(const std::vector<TokenLogprobValue>& from,
                    google::protobuf::RepeatedPtrField<v1::TokenLogprob>* to);

// The state of a part that ended with one.
void FillState(const StreamEvent& part_end, v1::ProviderState* out);

void FillCitation(const CitationValue& source, v1::Citation* out);

// Fills `out` (choice, part and kind). False for an event that callers never
// see as such (kModel: it is in `started`; kEmbedding: no chat has one).
bool FillEvent(const StreamEvent& event, v1::ChatEvent* out);

// Appends `event` to `last` where both are deltas of one (choice, part, kind).
bool MergeInto(const StreamEvent& event, v1::ChatEvent* last);

// The bytes of an event's strings and logprobs.
size_t ContentBytes(const StreamEvent& event);
// The same with framing: what an event weighs on the wire, roughly.
size_t WeightOf(const StreamEvent& event);

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_EVENT_MAPPING_H_
