// Where an answer goes: into the pending messages that the gRPC face uses, and
// from there into bytes, as gRPC would make of them. One call after the other;
// one thread.
#ifndef SLUICE_TESTS_COST_MESSAGE_SINK_H_
#define SLUICE_TESTS_COST_MESSAGE_SINK_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "server/engine/stream_sink.h"
#include "server/service/pending_messages.h"

namespace sluice::cost {

class MessageSink : public StreamSink {
 public:
  MessageSink(MessagePool& pool, std::string call_id, std::string_view route)
      : pool_(pool), pending_(pool), call_id_(std::move(call_id)), route_(route) {}

  void Started(std::string_view served_by, std::string_view model) override;
  void Write(const StreamEvent& event) override { pending_.Add(event); }
  size_t pending_bytes() const override { return pending_.bytes(); }
  bool shows_content() const override { return true; }
  void Discard() override {}
  void Restart() override { pending_.Clear(); }
  void Finish(const CallRecord& record) override;

  // The end of a turn: every message that is there is written.
  void Flush();

  bool complete() const { return complete_; }
  size_t attempts() const { return attempts_; }
  size_t written_bytes() const { return written_bytes_; }

 private:
  MessagePool& pool_;
  PendingMessages pending_;
  const std::string call_id_;
  const std::string_view route_;
  bool complete_ = false;
  size_t attempts_ = 0;
  size_t written_bytes_ = 0;
};

}  // namespace sluice::cost

#endif  // SLUICE_TESTS_COST_MESSAGE_SINK_H_
