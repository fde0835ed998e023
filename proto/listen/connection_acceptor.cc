#include "proto/listen/connection_acceptor.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <utility>

namespace sluice {
namespace {

// Between two looks for what was closed: one costs some 0.4 ms for a thousand
// connections. While callers wait it is worth more.
constexpr absl::Duration kLook = absl::Seconds(1);
constexpr absl::Duration kLookBlocked = absl::Milliseconds(50);
constexpr size_t kLookAt = 1000;
constexpr size_t kLookAtBlocked = 4000;
// Of one listener in a row, so that the others get their turn.
constexpr int kAcceptInARow = 64;
constexpr int kEvents = 64;

absl::Time Now() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

void SetOption(int fd, int level, int name, int value) {
  // None of them decides whether a connection works.
  setsockopt(fd, level, name, &value, sizeof(value));
}

// Accepted connections inherit them, as gRPC sets them for its own.
void SetOptions(int listener_fd, absl::Duration user_timeout) {
  SetOption(listener_fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (user_timeout <= absl::ZeroDuration()) return;
  SetOption(listener_fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(absl::ToInt64Milliseconds(user_timeout)));
}

int Accept(int listener_fd) { return accept4(listener_fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC); }

// Has it sent anything?
enum class First { kBytes, kNothing, kGone };

First LookAt(int fd) {
  char byte;
  const ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got > 0) return First::kBytes;
  const bool nothing = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
  return nothing ? First::kNothing : First::kGone;
}

}  // namespace

ConnectionAcceptor::ConnectionAcceptor(Listeners listeners, const AcceptorOptions& options, DescriptorGuard& guard)
    : listeners_(std::move(listeners)), options_(options), guard_(guard) {
  for (int fd : listeners_.fds) SetOptions(fd, options_.user_timeout);
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  stop_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  OpenSpare();
}

ConnectionAcceptor::~ConnectionAcceptor() {
  Stop();
  for (int fd : {epoll_, stop_, spare_}) {
    if (fd >= 0) close(fd);
  }
}

void ConnectionAcceptor::Start(HandOver hand_over) {
  hand_over_ = std::move(hand_over);
  Watch(stop_, true);
  Listen(true);
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "sluice-accept");
}

void ConnectionAcceptor::Stop() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    (void)!write(stop_, &one, sizeof one);
    thread_.join();
  }
  while (!silent_.empty()) CloseSilent(silent_.begin());
  for (int fd : listeners_.fds) close(fd);
  listeners_.fds.clear();
}

void ConnectionAcceptor::Run() {
  epoll_event events[kEvents];
  next_look_ = Now() + kLook;
  while (true) {
    const int count = epoll_wait(epoll_, events, kEvents, WaitMilliseconds(Now()));
    const absl::Time now = Now();
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == stop_) return;
      if (std::count(listeners_.fds.begin(), listeners_.fds.end(), fd) == 0) LookAtSilent(fd);
    }
    for (int i = 0; i < count && !blocked_; ++i) {
      const int fd = events[i].data.fd;
      if (std::count(listeners_.fds.begin(), listeners_.fds.end(), fd) != 0) AcceptFrom(fd, now);
    }
    CloseOverdue(now);
    if (now < next_look_) continue;
    guard_.callers().Give(static_cast<int64_t>(handed_over_.Look(blocked_ ? kLookAtBlocked : kLookAt)));
    if (blocked_) WhileBlocked(now);
    guard_.Look();
    next_look_ = now + (blocked_ ? kLookBlocked : kLook);
  }
}

int ConnectionAcceptor::WaitMilliseconds(absl::Time now) const {
  absl::Time until = next_look_;
  if (!silent_.empty()) until = std::min(until, silent_.front().since + options_.silent_timeout);
  // Rounded up: a little early would be a turn for nothing.
  return static_cast<int>(std::max<int64_t>(0, absl::ToInt64Milliseconds(until - now) + 1));
}

void ConnectionAcceptor::Watch(int fd, bool readable) {
  epoll_event event{};
  if (readable) event.events = EPOLLIN;
  event.data.fd = fd;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0 && errno == EEXIST) epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
}

void ConnectionAcceptor::Listen(bool on) {
  for (int fd : listeners_.fds) Watch(fd, on);
}

void ConnectionAcceptor::AcceptFrom(int listener_fd, absl::Time now) {
  for (int i = 0; i < kAcceptInARow; ++i) {
    if (!FindRoom(now)) return SomebodyWaits() ? Block(now, RefusalCause::kBudget) : void();
    const Accepted accepted = AcceptOne(listener_fd, now);
    if (accepted == Accepted::kOne) continue;
    guard_.callers().Give();
    if (accepted == Accepted::kNoDescriptor) Block(now, RefusalCause::kSystem);
    return;
  }
}

bool ConnectionAcceptor::FindRoom(absl::Time now) {
  DescriptorShare& share = guard_.callers();
  if (share.TryTake()) return true;
  if (!SomebodyWaits()) return false;
  if (!silent_.empty() && now - silent_.front().since >= options_.least_silence) {
    guard_.CallerRefused(RefusalCause::kSilent);
    CloseSilent(silent_.begin());
    return share.TryTake();
  }
  if (blocked_) return false;
  // Some of them have gone, perhaps.
  share.Give(static_cast<int64_t>(handed_over_.Look(kLookAtBlocked)));
  return share.TryTake();
}

ConnectionAcceptor::Accepted ConnectionAcceptor::AcceptOne(int listener_fd, absl::Time now) {
  while (true) {
    const int fd = Accept(listener_fd);
    if (fd >= 0) {
      Begin(fd, listener_fd, now);
      return Accepted::kOne;
    }
    if (IsOutOfDescriptors(errno)) return Accepted::kNoDescriptor;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Accepted::kNone;
    // Gone before it was accepted, or an error of the network: the next, unless
    // it is the listener that is broken.
    if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK || errno == EOPNOTSUPP) return Accepted::kNone;
  }
}

void ConnectionAcceptor::Begin(int fd, int listener_fd, absl::Time now) {
  const First first = LookAt(fd);
  if (first == First::kBytes) return HandOverNow(fd, listener_fd);
  if (first == First::kGone) {
    close(fd);
    return guard_.callers().Give();
  }
  const auto at = static_cast<size_t>(fd);
  if (at >= by_fd_.size()) {
    by_fd_.resize(at + 1);
    listed_.resize(at + 1);
  }
  by_fd_[at] = silent_.insert(silent_.end(), {fd, listener_fd, now});
  listed_[at] = true;
  Watch(fd, true);
}

void ConnectionAcceptor::HandOverNow(int fd, int listener_fd) {
  guard_.callers().Give(static_cast<int64_t>(handed_over_.Add(fd)));
  hand_over_(listener_fd, fd);
}

void ConnectionAcceptor::LookAtSilent(int fd) {
  const auto at = static_cast<size_t>(fd);
  if (at >= listed_.size() || !listed_[at]) return;
  const First first = LookAt(fd);
  if (first == First::kNothing) return;
  const SilentList::iterator silent = by_fd_[at];
  if (first == First::kGone) return CloseSilent(silent);
  const int listener_fd = silent->listener_fd;
  listed_[at] = false;
  silent_.erase(silent);
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
  HandOverNow(fd, listener_fd);
}

void ConnectionAcceptor::CloseSilent(SilentList::iterator silent) {
  listed_[static_cast<size_t>(silent->fd)] = false;
  close(silent->fd);
  silent_.erase(silent);
  guard_.callers().Give();
}

void ConnectionAcceptor::CloseOverdue(absl::Time now) {
  while (!silent_.empty() && now - silent_.front().since >= options_.silent_timeout) {
    guard_.CallerRefused(RefusalCause::kSilent);
    CloseSilent(silent_.begin());
  }
}

void ConnectionAcceptor::Block(absl::Time now, RefusalCause cause) {
  cause_ = cause;
  guard_.CallerWaits(cause);
  if (std::exchange(blocked_, true)) return;
  Listen(false);
  refuse_at_ = now + options_.max_wait;
  next_look_ = now + kLookBlocked;
}

void ConnectionAcceptor::WhileBlocked(absl::Time now) {
  if (SomebodyWaits()) {
    // The share has room, or one that is silent makes it; and the system has too.
    const bool room = FindRoom(now);
    if (room) guard_.callers().Give();
    if (!room || NoDescriptorLeft()) {
      if (room && !silent_.empty()) CloseSilent(silent_.begin());
      cause_ = room ? RefusalCause::kSystem : RefusalCause::kBudget;
      guard_.CallerWaits(cause_);
      if (now < refuse_at_) return;
      refuse_at_ = now + options_.max_wait;
      return RefuseThoseWhoWait();
    }
  }
  blocked_ = false;
  if (spare_ < 0) OpenSpare();
  Listen(true);
}

bool ConnectionAcceptor::SomebodyWaits() const {
  std::vector<pollfd> polled;
  for (int fd : listeners_.fds) polled.push_back({fd, POLLIN, 0});
  return poll(polled.data(), polled.size(), 0) > 0;
}

void ConnectionAcceptor::RefuseThoseWhoWait() {
  // The share is used up, and perhaps the system's descriptors are: one is kept
  // for this.
  if (spare_ >= 0) close(std::exchange(spare_, -1));
  for (int listener_fd : listeners_.fds) {
    for (int fd = Accept(listener_fd); fd >= 0; fd = Accept(listener_fd)) {
      close(fd);
      guard_.CallerRefused(cause_);
    }
  }
  OpenSpare();
}

void ConnectionAcceptor::OpenSpare() { spare_ = open("/dev/null", O_RDONLY | O_CLOEXEC); }

}  // namespace sluice
