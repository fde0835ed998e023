// A notification queue and the thread that waits for it: it takes new calls and
// is gRPC's poller, for one or several loops. A loop with much to do may take
// its place for a while (CallerPoll).
#ifndef SLUICE_SERVER_SERVICE_NOTIFIER_H_
#define SLUICE_SERVER_SERVICE_NOTIFIER_H_

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "server/runtime/completion_tag.h"

namespace sluice {

class Notifier {
 public:
  // Begins to wait at once. Tags of the queue are CompletionTags; they complete
  // one at a time, by whoever polls.
  Notifier(int index, std::unique_ptr<grpc::ServerCompletionQueue> queue);
  // After Close.
  ~Notifier();

  // After the server's shutdown and every FaceLoop::StopRequests, when no loop
  // polls; from a thread of its own. What was in the queue has run when it
  // returns.
  void Close();

  // The following three: one thread, which takes the place of ours.
  // Asks our thread to leave the queue alone. True once it does; until then it
  // serves the queue as ever, so ask again.
  bool StandAside();
  // While StandAside is true: lets gRPC look at its sockets and runs what has
  // come, at most `events` of either. Never waits.
  void Poll(int events);
  // Our thread waits again. Harmless when it does.
  void TakeOver();

  // Any thread, before Close: `work` runs on the thread that serves the queue.
  void Post(std::function<void()> work);

  grpc::ServerCompletionQueue* queue() { return queue_.get(); }

 private:
  enum class Place { kWaiting, kAsked, kAside, kReturning };
  // Its only use is to have come.
  class WakeTag : public CompletionTag {
   public:
    void Complete(bool) override { pending.store(false); }
    std::atomic<bool> pending{false};
  };

  void Run();
  void StayAside();
  // Our thread returns from gRPC, which it may be blocked in.
  void Wake();

  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  grpc::Alarm alarm_;
  WakeTag wake_tag_;
  std::atomic<bool> asked_{false};  // place_ is kAsked, for a look without the lock
  std::mutex mutex_;
  std::condition_variable moved_;
  Place place_ ABSL_GUARDED_BY(mutex_) = Place::kWaiting;
  std::thread thread_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_NOTIFIER_H_
