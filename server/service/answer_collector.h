// A stream's events as one whole answer, for the unary Chat. Pure, bounded;
// one per call, on its loop thread.
#ifndef SLUICE_SERVER_SERVICE_ANSWER_COLLECTOR_H_
#define SLUICE_SERVER_SERVICE_ANSWER_COLLECTOR_H_

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "server/codec/stream_event.h"
#include "server/engine/call_record.h"
#include "server/service/extras_collector.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {

class AnswerCollector {
 public:
  explicit AnswerCollector(size_t max_bytes) : max_bytes_(max_bytes) {}

  void Started(std::string_view call_id, std::string_view served_by, std::string_view model);
  void Add(const StreamEvent& event);
  // Forgets everything: another attempt begins anew.
  void Discard();

  // More came than max_bytes; what is over the bound was not kept.
  bool overflowed() const { return overflowed_; }
  size_t bytes() const { return bytes_; }

  // The answer, choices and parts in order. Leaves the collector empty.
  v1::ChatResponse Take(const CallRecord& record);

 private:
  struct Answer {
    v1::Choice choice;
    std::map<int, v1::Part> parts;
  };

  void AddDelta(const StreamEvent& event);
  void SayText(v1::Message* message);

  const size_t max_bytes_;
  size_t bytes_ = 0;
  bool overflowed_ = false;
  std::map<int, Answer> answers_;
  std::map<std::string, ExtrasCollector> extras_;  // by wire format
  v1::ChatResponse response_;
};

// What a caller is told whose answer is over the bound.
CallError ResponseTooLarge(size_t max_bytes, std::string_view route);

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_ANSWER_COLLECTOR_H_
