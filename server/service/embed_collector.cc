#include "server/service/embed_collector.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/service/status_mapping.h"

namespace sluice {
namespace {

// Tags and lengths around a vector.
constexpr size_t kVectorOverhead = 12;
// Usage and an end record of a few attempts.
constexpr size_t kAnswerOverhead = 512;

}  // namespace

size_t EmbedAnswerBytes(size_t inputs, size_t dimensions) {
  return kAnswerOverhead + inputs * (kVectorOverhead + dimensions * sizeof(float));
}

CallError EmbedTooLarge(size_t max_bytes, std::string_view route) {
  CallError error;
  error.kind = FailureKind::kShed;
  error.grpc_code = static_cast<int>(absl::StatusCode::kResourceExhausted);
  error.reason = "RESPONSE_TOO_LARGE";
  error.message = absl::StrCat(
      "the answer is larger than ", max_bytes, " bytes (stream.max_response_bytes of route \"", std::string(route),
      "\"); send fewer inputs at a time, or raise that bound and the client's channel option "
      "grpc.max_receive_message_length (4 MiB unless set)");
  return error;
}

EmbedCollector::EmbedCollector(size_t inputs, size_t max_bytes)
    : max_bytes_(max_bytes), bytes_(kAnswerOverhead), vectors_(inputs) {}

void EmbedCollector::Add(const StreamEvent& event) {
  if (event.kind == StreamEvent::Kind::kUsage && event.usage) {
    usage_ = ToProto(*event.usage);
    has_usage_ = true;
  }
  const size_t index = static_cast<size_t>(event.choice);
  if (event.kind != StreamEvent::Kind::kEmbedding || index >= vectors_.size()) return;
  bytes_ += kVectorOverhead + event.embedding.size_bytes();
  overflowed_ = overflowed_ || bytes_ > max_bytes_;
  if (overflowed_) return;
  if (vectors_[index].values().empty()) ++count_;
  vectors_[index].mutable_values()->Assign(event.embedding.begin(), event.embedding.end());
}

void EmbedCollector::Discard() {
  bytes_ = kAnswerOverhead;
  overflowed_ = false;
  count_ = 0;
  for (v1::Embedding& vector : vectors_) vector.Clear();
  has_usage_ = false;
}

v1::EmbedResponse EmbedCollector::Take(const CallRecord& record) {
  v1::EmbedResponse response;
  for (v1::Embedding& vector : vectors_) *response.add_embeddings() = std::move(vector);
  if (has_usage_) *response.mutable_usage() = std::move(usage_);
  *response.mutable_end() = EndMessage(record);
  Discard();
  return response;
}

}  // namespace sluice
