// One loop's share of the gRPC face: its two completion queues, and what the
// loop's RPCs share.
//
// The notification queue is a Notifier's, whose thread takes new calls and is
// gRPC's poller, unless this loop is busy and does so itself (CallerPoll). The call queue belongs to the loop: no thread blocks on it,
// so that a write that completes at once wakes nobody; the loop looks at it
// after its turns.
#ifndef SLUICE_SERVER_SERVICE_FACE_LOOP_H_
#define SLUICE_SERVER_SERVICE_FACE_LOOP_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "server/engine/call.h"
#include "server/resilience/random.h"
#include "server/runtime/loop.h"
#include "server/service/caller_poll.h"
#include "server/service/face_options.h"
#include "server/service/loop_load.h"
#include "server/service/notifier.h"
#include "server/service/pending_messages.h"

namespace sluice {

class Rpc;

// Makes the engine's call for one RPC, on the loop thread.
using CallMaker = std::function<std::unique_ptr<Call>(CallParams params, StreamSink& sink)>;

// What the face needs of one loop. All of it outlives the face.
struct FaceLoopParams {
  IoLoop* loop = nullptr;
  CallMaker make_call;
  CallObserver* observer = nullptr;
  uint64_t seed = 0;  // of call ids
};

class FaceLoop {
 public:
  FaceLoop(FaceLoopParams params, const FaceOptions& options,
           std::unique_ptr<grpc::ServerCompletionQueue> calls, Notifier& notifier);
  // After Close.
  ~FaceLoop();

  // Once, before calls come: this loop reads callers' sockets when it is busy.
  void PollCallers();
  // Loop thread: never again.
  void StopPollingCallers();

  // Once, before calls come: the loops of one notifier, this among them.
  void SetPeers(std::vector<FaceLoop*> peers) { peers_ = std::move(peers); }
  // Any thread: which of them is to take the next call.
  FaceLoop& ForNextCall() const;
  LoopLoad& load() { return load_; }

  // Any thread: gives `rpc` to gRPC, or drops it when requesting has stopped.
  void Arm(std::unique_ptr<Rpc> rpc);
  // Any thread: no RPC is armed after this.
  void StopRequests();
  // From a thread that is neither the loop's nor a notification thread, while
  // the loop runs and after Notifier::Close. Blocks until nothing is left in
  // the call queue.
  void Close();

  grpc::ServerCompletionQueue* call_queue() { return calls_.get(); }
  grpc::ServerCompletionQueue* notification_queue() { return notifier_.queue(); }

  // The rest on the loop thread only.
  IoLoop& loop() { return *params_.loop; }
  CallObserver& observer() { return *params_.observer; }
  const CallMaker& make_call() const { return params_.make_call; }
  const FaceOptions& options() const { return options_; }
  MessagePool& messages() { return messages_; }
  Random& random() { return random_; }

  // `patient`: nothing is lost when its cancellation is seen late.
  void Opened(Rpc* rpc, bool patient);
  void Closed(Rpc* rpc, bool patient);
  // What is under way after `wait` ends then, and what still comes at once.
  void EndAllIn(Duration wait);
  bool ending() const { return ending_all_; }
  // The call queue will soon tell of it.
  void OperationStarted() {
    ++operations_;
    ++handed_;
    ++started_;
  }
  void OperationEnded() { --operations_; }
  // TurnEnd() of `rpc` runs at the end of this turn.
  void AtTurnEnd(Rpc* rpc) { dirty_.push_back(rpc); }

 private:
  Duration AfterTurn();
  Duration PollCallersAfter(TimePoint began);
  // How long the loop may sleep for the calls it has.
  Duration ServeCalls();
  void EndTurn();
  void EndAll();
  // At most how long until the call queue is looked at.
  Duration Tick() const;
  // `whole`: until the queue is empty.
  void Drain(bool whole);
  void ShutDownCalls();

  const FaceLoopParams params_;
  const FaceOptions options_;
  std::unique_ptr<grpc::ServerCompletionQueue> calls_;
  Notifier& notifier_;
  std::vector<FaceLoop*> peers_;
  LoopLoad load_;

  std::mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;

  // Loop thread only.
  MessagePool messages_;
  Random random_;
  int64_t open_ = 0;
  int64_t patient_ = 0;
  int64_t operations_ = 0;
  int64_t started_ = 0;  // of them, since Drain
  int64_t handed_ = 0;  // operations started in this turn
  Duration last_turn_;
  std::optional<CallerPoll> caller_poll_;
  TimePoint last_look_;  // when the call queue was found empty
  absl::flat_hash_set<Rpc*> rpcs_;
  Timer end_timer_;
  bool ending_all_ = false;
  std::vector<Rpc*> dirty_;
  std::vector<Rpc*> ending_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_FACE_LOOP_H_
