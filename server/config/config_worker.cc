#include "server/config/config_worker.h"

#include <pthread.h>

namespace sluice {

void ConfigWorker::Start() {
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "config");
}

void ConfigWorker::Stop() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void ConfigWorker::PostAfter(absl::Duration delay, Task task) {
  // Zero is before all that waits, in order of posting among its like.
  const auto when =
      delay > absl::ZeroDuration() ? Clock::now() + absl::ToChronoNanoseconds(delay) : Clock::time_point();
  {
    std::lock_guard lock(mutex_);
    tasks_.emplace(std::make_pair(when, posted_++), std::move(task));
  }
  changed_.notify_one();
}

void ConfigWorker::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    if (tasks_.empty()) {
      if (stopping_) return;
      changed_.wait(lock);
      continue;
    }
    const auto when = tasks_.begin()->first.first;
    if (when > Clock::now()) {
      if (stopping_) return;
      changed_.wait_until(lock, when);
      continue;
    }
    Task task = std::move(tasks_.begin()->second);
    tasks_.erase(tasks_.begin());
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
}

}  // namespace sluice
