// The messages of one stream that wait for gRPC to take them, and the scratch
// messages that a loop's streams share. Loop thread only.
#ifndef SLUICE_SERVER_SERVICE_PENDING_MESSAGES_H_
#define SLUICE_SERVER_SERVICE_PENDING_MESSAGES_H_

#include <google/protobuf/arena.h>

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "server/codec/stream_event.h"
#include "server/engine/call_record.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {

// One message on an arena of its own: a usual chunk fits in the first block,
// so that filling it allocates nothing.
class ScratchMessage {
 public:
  ScratchMessage();
  ScratchMessage(const ScratchMessage&) = delete;
  ScratchMessage& operator=(const ScratchMessage&) = delete;

  v1::StreamChatResponse& message() { return *message_; }
  // Empty again.
  void Reset();

  // Roughly what the message weighs.
  size_t bytes = 0;
  // For who keeps several in a row.
  std::unique_ptr<ScratchMessage> next;

 private:
  // An end record of one attempt fits too.
  static constexpr size_t kFirstBlock = 2048;
  // What a cleared message held stays on its arena, which takes longer to reset
  // than a token's message to fill: so many small ones are cleared in between.
  static constexpr int kMaxCleared = 8;
  static constexpr size_t kSmall = 128;

  alignas(8) char block_[kFirstBlock];
  google::protobuf::Arena arena_;
  v1::StreamChatResponse* message_;
  int cleared_ = 0;
};

// A write serialises at once, so a message is free again right after it: few
// serve all streams of a loop.
class MessagePool {
 public:
  std::unique_ptr<ScratchMessage> Take();
  void GiveBack(std::unique_ptr<ScratchMessage> message);

 private:
  // More than a turn of a busy loop uses; the rest goes back to the heap.
  static constexpr size_t kMaxFree = 256;
  std::vector<std::unique_ptr<ScratchMessage>> free_;
};

// Events become messages of at most about `max_message_bytes`; neighbouring
// deltas of one (choice, part, kind) become one event, unless they are kept
// apart. Order is kept.
class PendingMessages {
 public:
  // A message of 64 KiB is far below what clients accept (4 MiB) and far above
  // what keeps the cost of a message out of sight.
  explicit PendingMessages(MessagePool& pool, size_t max_message_bytes = 64 << 10)
      : pool_(pool), max_message_bytes_(max_message_bytes) {}
  ~PendingMessages() { Clear(); }
  PendingMessages(const PendingMessages&) = delete;
  PendingMessages& operator=(const PendingMessages&) = delete;

  // From now on deltas stay apart: an answer that may be replayed is given event
  // for event, however late its caller takes it.
  void KeepApart() { apart_ = true; }
  void AddStarted(std::string_view call_id, std::string_view served_by, std::string_view model);
  // What was shown is void; comes before the `started` of the new answer.
  void AddRestart(std::string_view served_by);
  void Add(const StreamEvent& event);
  void AddEnd(const CallRecord& record);

  // The oldest message; the caller gives it back to the pool. Not when empty.
  std::unique_ptr<ScratchMessage> TakeFirst();
  void Clear();

  bool empty() const { return first_ == nullptr; }
  size_t size() const { return size_; }
  size_t bytes() const { return bytes_; }

 private:
  void AddWhole(const StreamEvent& event);
  // The message that takes `weight` more bytes: the last one or a new one.
  ScratchMessage& Room(size_t weight);

  MessagePool& pool_;
  const size_t max_message_bytes_;
  bool apart_ = false;
  // A row of its own, for an empty std::deque takes 640 bytes of an open stream.
  std::unique_ptr<ScratchMessage> first_;
  ScratchMessage* last_ = nullptr;  // unless empty
  size_t size_ = 0;
  size_t bytes_ = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_PENDING_MESSAGES_H_
