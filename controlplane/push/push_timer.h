// The one thread that calls PushHub::Tick when something is due.
#ifndef SLUICE_CONTROLPLANE_PUSH_PUSH_TIMER_H_
#define SLUICE_CONTROLPLANE_PUSH_PUSH_TIMER_H_

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace sluice {

class PushTimer {
 public:
  PushTimer() = default;
  ~PushTimer() { Stop(); }

  // `tick` does what is due and returns when to call again.
  void Start(std::function<absl::Time()> tick) {
    thread_ = std::thread([this, tick = std::move(tick)] { Run(tick); });
  }

  // Tick soon. Any thread; never blocks for long.
  void Wake() {
    absl::MutexLock lock(&mutex_);
    woken_ = true;
  }

  void Stop() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    if (thread_.joinable()) thread_.join();
  }

 private:
  void Run(const std::function<absl::Time()>& tick) {
    while (true) {
      absl::Time next = tick();
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithDeadline(absl::Condition(+[](PushTimer* self) { return self->Due(); }, this), next);
      if (stopping_) return;
      woken_ = false;
    }
  }

  bool Due() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return woken_ || stopping_; }

  absl::Mutex mutex_;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_PUSH_PUSH_TIMER_H_
