#include "tests/cost/message_sink.h"

#include <utility>
#include <vector>

#include "server/service/status_mapping.h"

namespace sluice::cost {

void MessageSink::Started(std::string_view served_by, std::string_view model) {
  pending_.AddStarted(call_id_, served_by, model);
}

void MessageSink::Finish(const CallRecord& record) {
  const grpc::Status status = StatusOf(record, call_id_, route_);
  pending_.AddEnd(record);
  complete_ = status.ok() && record.outcome == CallOutcome::kComplete;
  attempts_ = record.attempts.size();
}

void MessageSink::Flush() {
  // Larger than any message, made once: gRPC's own buffers are not counted here.
  static std::vector<char> buffer(256 << 10);
  while (!pending_.empty()) {
    auto scratch = pending_.TakeFirst();
    const v1::StreamChatResponse& message = scratch->message();
    written_bytes_ += message.ByteSizeLong();
    message.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(buffer.data()));
    pool_.GiveBack(std::move(scratch));
  }
}

}  // namespace sluice::cost
