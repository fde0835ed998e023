// A busy loop reads callers' sockets itself, in place of the notification
// thread: what NAPI is to interrupts.
//
// Callers answer most messages with a window update. Each wakes the notification
// thread, which takes turns with the loop over gRPC's locks: at thousands of
// messages a second that is a sixth of the whole cost. Such a loop is awake all
// the time anyway, so it looks at the sockets after its turns and nobody is
// woken. When it has little to do the thread waits again, and the loop may
// sleep. Loop thread only.
#ifndef SLUICE_SERVER_SERVICE_CALLER_POLL_H_
#define SLUICE_SERVER_SERVICE_CALLER_POLL_H_

#include <cstdint>

#include "server/resilience/time.h"
#include "server/service/face_options.h"

namespace sluice {

class Notifier;

// Whether a loop is busy: by the rate of its messages over a short window.
class BusyWindow {
 public:
  BusyWindow(double messages_per_second, Duration window) : enter_(messages_per_second), window_(window) {}

  // `messages` more until `now`. Busy from messages_per_second on, until the
  // rate falls below half of it: going back and forth costs two wake-ups.
  bool Add(TimePoint now, int64_t messages);
  // Not busy for a window at least, whatever comes.
  void Rest(TimePoint now);

 private:
  const double enter_;
  const Duration window_;
  TimePoint begin_ = absl::InfinitePast();
  int64_t count_ = 0;
  bool busy_ = false;
};

class CallerPoll {
 public:
  // `notifier` is the process's only one: all of gRPC polls one epoll set, and
  // another that waits for it would be woken all the same.
  CallerPoll(Notifier& notifier, const CallerPollOptions& options)
      : notifier_(notifier), options_(options), window_(options.messages_per_second, options.window) {}

  // After each turn, in which `messages` were handed to gRPC and after which so
  // many calls are open: 0 where another loop has much to do too. A turn that took
  // long shows that the loop is not in time for callers: the thread is. How long the loop may sleep; for ever only when the
  // notification thread waits.
  Duration AfterTurn(TimePoint now, Duration turn, int64_t messages, int64_t open_calls);
  // The notification thread waits again.
  void Stop();

 private:
  Notifier& notifier_;
  const CallerPollOptions options_;
  BusyWindow window_;
  bool polling_ = false;  // asked the notifier to stand aside
  TimePoint last_poll_ = absl::InfinitePast();
  int64_t messages_ = 0;  // since last_poll_
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_CALLER_POLL_H_
