// One caller of a SharedCall: tells its RPC what the call said, from the first
// word, at the RPC's own pace. To the RPC it is the call itself. On the RPC's
// loop, which need not be the call's.
#ifndef SLUICE_SERVER_SERVICE_SHARED_READER_H_
#define SLUICE_SERVER_SERVICE_SHARED_READER_H_

#include <functional>
#include <memory>
#include <string>

#include "server/engine/call.h"
#include "server/service/shared_call.h"

namespace sluice {

class SharedReader final : public Call {
 public:
  struct Traits {
    std::string route;
    size_t max_pending_bytes = 256 << 10;
    // The caller's own. The call itself has none but its route's: another
    // caller may have more time.
    TimePoint deadline = absl::InfiniteFuture();
  };

  SharedReader(Loop& loop, StreamSink& sink, Traits traits);
  // Leaves.
  ~SharedReader() override;

  // For the store, which attaches it.
  LogReader* place() { return &place_; }
  // Before Start. `run`: starts the call; empty where that was done by another.
  void Follow(std::shared_ptr<SharedCall> call, std::function<void()> run);

  void Start() override;
  // All three end the caller's part at once, and leave the call to others.
  void Cancel() override;
  void Stop() override;
  void SinkDrained() override { Wake(); }

 private:
  void Wake();
  void Read();
  void Note(const CallStep& step);
  void DeadlineReached();
  void End(FailureKind kind, int grpc_code, std::string reason, std::string message);
  // The caller has seen content, which cannot be taken back.
  bool shown() const { return !served_by_.empty() && sink_.shows_content(); }

  Loop& loop_;
  StreamSink& sink_;
  const Traits traits_;
  const TimePoint started_;
  LogReader place_;
  std::shared_ptr<SharedCall> call_;
  std::function<void()> run_;
  std::string served_by_;  // as last told
  bool over_ = false;
  Timer deadline_timer_;
  // Last: what was posted for this reader finds it gone first.
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_SHARED_READER_H_
