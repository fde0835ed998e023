// One call of the engine that several callers may follow: those who sent the
// same request under the same idempotency key. It is the engine's sink and keeps
// what it hears; each caller reads that at a pace of its own, from the first
// word (SharedReader), while the call runs and after it ended.
//
// What is kept is bounded (IdempotencyStore). Beyond the bound nobody new can
// follow; then only what the slowest reader has still to read is kept, and that
// holds the upstream back as one caller's own pending bytes would.
#ifndef SLUICE_SERVER_SERVICE_SHARED_CALL_H_
#define SLUICE_SERVER_SERVICE_SHARED_CALL_H_

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/engine/call.h"
#include "server/engine/stream_sink.h"
#include "server/runtime/loop.h"
#include "server/service/call_log.h"

namespace sluice {

class IdempotencyStore;

// A caller's place in the log. Guarded by the SharedCall that it reads.
struct LogReader {
  Loop* loop = nullptr;         // the reader's
  std::weak_ptr<void> alive;    // nothing is posted for a reader that went
  std::function<void()> wake;   // on its loop
  uint64_t position = 0;
  bool waits = false;           // saw the end of what is there
};

class SharedCall final : public StreamSink, public std::enable_shared_from_this<SharedCall> {
 public:
  struct Traits {
    std::string key;      // in the store
    std::string call_id;  // told to all who follow
    bool streaming = false;
    size_t max_pending_bytes = 256 << 10;
  };

  // `loop`: where the call will run. The store outlives it.
  SharedCall(Loop& loop, IdempotencyStore& store, Traits traits);

  const Traits& traits() const { return traits_; }

  // --- on its loop ---
  // Once, after a reader attached: makes the engine's call and starts it.
  using Maker = std::function<std::unique_ptr<Call>(CallParams params, StreamSink& sink)>;
  void Run(const Maker& make, CallParams params);

  void Started(std::string_view served_by, std::string_view model) override;
  void Write(const StreamEvent& event) override;
  size_t pending_bytes() const override { return pending_.load(std::memory_order_relaxed); }
  bool shows_content() const override { return traits_.streaming; }
  void Discard() override;
  void Restart() override;
  void Finish(const CallRecord& record) override;

  // --- any thread ---
  // False: it cannot be followed any more, for it failed, was left by all, or
  // is not kept.
  bool Attach(LogReader* reader);
  bool ended() const;
  // The step at the reader's position, which moves on; none: the reader is
  // woken when there is one.
  std::optional<CallStep> Next(LogReader* reader);
  // The last one who leaves before the end cancels the call.
  void Leave(LogReader* reader);

 private:
  void Append(CallStep step);
  void StopKeeping();
  // Forgets what every reader has read, where nothing is kept for others. True
  // if the engine is to be told that there is room again.
  bool Trim() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakeReaders() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // On its loop, in a later turn.
  void TellEngine(void (Call::*what)());

  Loop& loop_;
  IdempotencyStore& store_;
  const Traits traits_;
  std::unique_ptr<Call> call_;  // on its loop only

  std::atomic<size_t> pending_{0};
  mutable std::mutex mutex_;
  CallLog log_ ABSL_GUARDED_BY(mutex_);
  std::vector<LogReader*> readers_ ABSL_GUARDED_BY(mutex_);
  bool joinable_ ABSL_GUARDED_BY(mutex_) = true;
  bool kept_ ABSL_GUARDED_BY(mutex_) = true;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool left_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_SHARED_CALL_H_
