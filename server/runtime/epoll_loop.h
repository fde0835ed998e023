// The production loop: epoll for sockets, a heap for timers, an eventfd to be
// woken by other threads. One thread runs it; several loops share nothing.
//
// A turn: due timers, posted callbacks, socket events, the after-turn poll,
// sleep. Nothing is allocated per event.
#ifndef SLUICE_SERVER_RUNTIME_EPOLL_LOOP_H_
#define SLUICE_SERVER_RUNTIME_EPOLL_LOOP_H_

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "server/runtime/loop.h"
#include "server/runtime/timer_heap.h"

namespace sluice {

class EpollLoop : public IoLoop {
 public:
  // Throws std::system_error when the system gives no descriptor.
  EpollLoop();
  // Not while it runs. Callbacks that never ran are destroyed unrun.
  ~EpollLoop() override;
  EpollLoop(const EpollLoop&) = delete;
  EpollLoop& operator=(const EpollLoop&) = delete;

  // Turns until Stop. The calling thread becomes the loop thread; until then,
  // and after, any one thread may use the loop as if it were.
  void Run();
  // Any thread: Run returns at the end of its turn. A Stop before Run makes
  // that Run return after one turn.
  void Stop();
  // Whether the caller is the thread inside Run.
  bool InLoop() const;

  // Any thread may ask the time; it is read anew while the loop is not running.
  TimePoint Now() const override;
  absl::Time WallNow() const override;
  TimerId StartTimer(TimePoint when, Callback callback) override;
  void CancelTimer(TimerId id) override;
  void Post(Callback callback) override;
  void Watch(int fd, bool readable, bool writable, FdHandler* handler) override;
  void Unwatch(int fd) override;
  void SetAfterTurn(AfterTurn poll) override;

  // How often another thread had to write the eventfd, for tests.
  uint64_t wake_ups() const { return wake_ups_.load(std::memory_order_relaxed); }

 private:
  struct Watched {
    FdHandler* handler = nullptr;
    uint32_t events = 0;
    // Tells an event of an earlier owner of this number from one of ours.
    uint32_t generation = 0;
  };

  void UpdateNow();
  void RunTimers();
  void RunPosted();
  // At most how long to sleep, in milliseconds; -1 is for ever.
  int SleepMs(Duration poll_bound) const;
  // False when something was posted meanwhile: then the loop must not sleep.
  bool PrepareToSleep();
  void WaitAndDispatch(int timeout_ms);
  void Dispatch(uint64_t tag, uint32_t events);
  void Wake();
  void Control(int fd, Watched& watched, uint32_t events);

  const int epoll_fd_;
  const int wake_fd_;
  std::atomic<int64_t> now_ns_{0};
  std::atomic<std::thread::id> thread_{};
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> wake_ups_{0};

  TimerHeap timers_;
  std::vector<Watched> watched_;  // by descriptor
  std::vector<Callback> local_;   // posted by the loop thread
  std::vector<Callback> running_;
  AfterTurn after_turn_;

  std::mutex mutex_;
  std::vector<Callback> inbox_;  // guarded by mutex_
  bool sleeping_ = false;        // guarded by mutex_
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RUNTIME_EPOLL_LOOP_H_
