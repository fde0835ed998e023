// The one thread that does the work of configuration: reading, validating,
// compiling, saving. Neither a loop nor the notification thread ever waits for
// it.
#ifndef SLUICE_SERVER_CONFIG_CONFIG_WORKER_H_
#define SLUICE_SERVER_CONFIG_CONFIG_WORKER_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace sluice {

// Thread-safe, but for Start and Stop.
class ConfigWorker {
 public:
  using Task = absl::AnyInvocable<void()>;

  ConfigWorker() = default;
  ~ConfigWorker() { Stop(); }

  void Start();
  // Runs what is due, forgets what is not, and joins. Tasks posted later are
  // kept and never run.
  void Stop();

  // Runs it on the worker, in the order of posting. Never blocks.
  void Post(Task task) { PostAfter(absl::ZeroDuration(), std::move(task)); }
  void PostAfter(absl::Duration delay, Task task);

 private:
  using Clock = std::chrono::steady_clock;

  void Run();

  std::mutex mutex_;
  std::condition_variable changed_;
  // By time, then in order of posting.
  std::map<std::pair<Clock::time_point, uint64_t>, Task> tasks_ ABSL_GUARDED_BY(mutex_);
  uint64_t posted_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_CONFIG_WORKER_H_
