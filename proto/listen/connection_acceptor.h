// Accepts a service's connections, on a thread of its own, and hands them over
// once they have sent something. gRPC's own listener stops for good when it meets
// the end of the descriptors; this one does not, and keeps to a budget:
//
// - What connects and sends nothing is closed after a while, and never reaches
//   gRPC. Where room is short the oldest of such gives way at once.
// - Where there is no room at all new connections wait, in the kernel's backlog: a
//   caller that waits a second is better off than one that is refused, and costs
//   no descriptor. What has waited too long is closed.
// - Nothing ends it: after an error of the system it tries again, within 50 ms.
#ifndef SLUICE_PROTO_LISTEN_CONNECTION_ACCEPTOR_H_
#define SLUICE_PROTO_LISTEN_CONNECTION_ACCEPTOR_H_

#include <functional>
#include <list>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "proto/listen/descriptor_guard.h"
#include "proto/listen/handed_over.h"
#include "proto/listen/listen_address.h"

namespace sluice {

struct AcceptorOptions {
  // What sends nothing for so long is closed. Clients send their preface or TLS
  // greeting in the moment they are connected: 10 s are for bad networks.
  absl::Duration silent_timeout = absl::Seconds(10);
  // A silent connection that is younger gives way to none: the first bytes of an
  // honest one are under way.
  absl::Duration least_silence = absl::Milliseconds(100);
  // New connections wait for room between none and this long; then those that
  // wait are refused. Below what clients wait for a connection, 20 s with gRPC.
  absl::Duration max_wait = absl::Seconds(5);
  // Unanswered data ends a connection after this; zero: as the system has it.
  absl::Duration user_timeout = absl::ZeroDuration();
};

class ConnectionAcceptor {
 public:
  // Takes `fd` over, which has something to read, is not blocking, and closes it
  // in the end. Called on the acceptor's thread.
  using HandOver = std::function<void(int listener_fd, int fd)>;

  // Takes the listeners over. `guard` outlives it.
  ConnectionAcceptor(Listeners listeners, const AcceptorOptions& options, DescriptorGuard& guard);
  ~ConnectionAcceptor();
  ConnectionAcceptor(const ConnectionAcceptor&) = delete;
  ConnectionAcceptor& operator=(const ConnectionAcceptor&) = delete;

  // False: there is no descriptor for it. Never started then.
  bool usable() const { return epoll_ >= 0 && stop_ >= 0; }

  // Once.
  void Start(HandOver hand_over);
  // Nothing is accepted or handed over any more: the ports are closed, and what
  // was silent. Blocks until a hand-over under way is done; harmless when done
  // before.
  void Stop();

  int port() const { return listeners_.port; }

 private:
  struct Silent {
    int fd;
    int listener_fd;
    absl::Time since;
  };
  using SilentList = std::list<Silent>;
  enum class Accepted { kOne, kNone, kNoDescriptor };

  void Run();
  int WaitMilliseconds(absl::Time now) const;
  void Watch(int fd, bool readable);
  void AcceptFrom(int listener_fd, absl::Time now);
  // Room for one more, made if somebody needs it.
  bool FindRoom(absl::Time now);
  Accepted AcceptOne(int listener_fd, absl::Time now);
  // Hands it over, closes it, or leaves it among the silent.
  void Begin(int fd, int listener_fd, absl::Time now);
  void HandOverNow(int fd, int listener_fd);
  void LookAtSilent(int fd);
  void CloseSilent(SilentList::iterator silent);
  void CloseOverdue(absl::Time now);
  // Callers wait from now on.
  void Block(absl::Time now, RefusalCause cause);
  void WhileBlocked(absl::Time now);
  bool SomebodyWaits() const;
  void RefuseThoseWhoWait();
  void Listen(bool on);
  void OpenSpare();

  Listeners listeners_;
  const AcceptorOptions options_;
  DescriptorGuard& guard_;
  HandOver hand_over_;
  int epoll_ = -1;
  int stop_ = -1;   // an eventfd
  int spare_ = -1;  // given up where there is none to refuse a connection with

  // The thread's own.
  SilentList silent_;                        // the oldest first
  std::vector<SilentList::iterator> by_fd_;  // valid where listed_ is
  std::vector<bool> listed_;
  HandedOver handed_over_;
  bool blocked_ = false;
  RefusalCause cause_ = RefusalCause::kBudget;
  absl::Time refuse_at_;
  absl::Time next_look_;

  std::thread thread_;
};

}  // namespace sluice

#endif  // SLUICE_PROTO_LISTEN_CONNECTION_ACCEPTOR_H_
