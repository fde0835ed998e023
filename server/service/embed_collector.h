// An embeddings answer, put in the order of the inputs. Pure, bounded; one per
// call, on its loop thread.
#ifndef SLUICE_SERVER_SERVICE_EMBED_COLLECTOR_H_
#define SLUICE_SERVER_SERVICE_EMBED_COLLECTOR_H_

#include <cstddef>
#include <string_view>
#include <vector>

#include "server/codec/stream_event.h"
#include "server/engine/call_record.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {

// The bytes of an answer: floats, framing, and the end record.
size_t EmbedAnswerBytes(size_t inputs, size_t dimensions);

// What a caller is told whose answer is or would be over the bound.
CallError EmbedTooLarge(size_t max_bytes, std::string_view route);

class EmbedCollector {
 public:
  EmbedCollector(size_t inputs, size_t max_bytes);

  void Add(const StreamEvent& event);
  // Forgets everything: another attempt begins anew.
  void Discard();

  // More came than max_bytes; what is over the bound was not kept.
  bool overflowed() const { return overflowed_; }
  // There is a vector for each input.
  bool whole() const { return count_ == vectors_.size(); }

  // Leaves the collector empty.
  v1::EmbedResponse Take(const CallRecord& record);

 private:
  const size_t max_bytes_;
  size_t bytes_;
  bool overflowed_ = false;
  size_t count_ = 0;
  std::vector<v1::Embedding> vectors_;
  v1::Usage usage_;
  bool has_usage_ = false;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_EMBED_COLLECTOR_H_
