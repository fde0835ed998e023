// The loop that a call lives on: timers and wake-ups, with sockets added by
// IoLoop. The production loop is EpollLoop; the simulated one (tests/support)
// owns time.
#ifndef SLUICE_SERVER_RUNTIME_LOOP_H_
#define SLUICE_SERVER_RUNTIME_LOOP_H_

#include <cstdint>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "server/resilience/time.h"

namespace sluice {

class Loop {
 public:
  using Callback = absl::AnyInvocable<void()>;
  using TimerId = uint64_t;  // 0 is no timer

  virtual ~Loop() = default;

  // Monotonic, and constant within one turn.
  virtual TimePoint Now() const = 0;
  // The wall clock, for HTTP dates and logs only.
  virtual absl::Time WallNow() const = 0;

  // Runs `callback` once, in a later turn, not before `when`. Loop thread.
  virtual TimerId StartTimer(TimePoint when, Callback callback) = 0;
  // Forgets a timer that has not run; harmless for one that has, or for 0.
  virtual void CancelTimer(TimerId id) = 0;

  // Runs `callback` in a later turn. Any thread; wakes the loop. Callbacks of
  // one thread run in their order.
  virtual void Post(Callback callback) = 0;
};

// A timer that is forgotten with its owner. Loop thread only.
class Timer {
 public:
  explicit Timer(Loop& loop) : loop_(loop) {}
  ~Timer() { Cancel(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Replaces what was set before. A callback that captures one pointer is kept
  // without an allocation.
  template <typename F>
  void Set(TimePoint when, F callback) {
    Cancel();
    id_ = loop_.StartTimer(when, [this, cb = std::move(callback)]() mutable {
      id_ = 0;
      // The callback may destroy this timer.
      auto run = std::move(cb);
      run();
    });
  }
  void Cancel() {
    if (id_ != 0) loop_.CancelTimer(std::exchange(id_, 0));
  }
  bool is_set() const { return id_ != 0; }

 private:
  Loop& loop_;
  Loop::TimerId id_ = 0;
};

// What a watched descriptor tells its owner.
class FdHandler {
 public:
  virtual ~FdHandler() = default;
  // Level-triggered. May unwatch and destroy itself.
  virtual void OnReady(bool readable, bool writable) = 0;
};

// A loop with sockets. All of it on the loop thread.
class IoLoop : public Loop {
 public:
  // Starts watching, or changes what is watched. The handler must stay alive
  // until Unwatch. An error or hang-up on the descriptor reports as both.
  virtual void Watch(int fd, bool readable, bool writable, FdHandler* handler) = 0;
  virtual void Unwatch(int fd) = 0;

  // Called after each turn's events and before sleeping; returns how long the
  // loop may sleep at most (InfiniteDuration: no bound). The gRPC face drains
  // its call queue here. One poller per loop.
  using AfterTurn = absl::AnyInvocable<Duration()>;
  virtual void SetAfterTurn(AfterTurn poll) = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RUNTIME_LOOP_H_
