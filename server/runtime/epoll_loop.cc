#include "server/runtime/epoll_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <limits>
#include <system_error>
#include <utility>

#include "absl/time/clock.h"

namespace sluice {
namespace {

// Taken from the kernel at once; what is more waits for the next turn.
constexpr int kEventsPerTurn = 256;
constexpr uint64_t kWakeTag = std::numeric_limits<uint64_t>::max();

int64_t MonotonicNs() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

// Loop time counts from the epoch of absl::Time, which means nothing here.
int64_t ToNs(TimePoint when) { return absl::ToUnixNanos(when); }

int CheckFd(int fd, const char* what) {
  if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
  return fd;
}

}  // namespace

EpollLoop::EpollLoop()
    : epoll_fd_(CheckFd(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      wake_fd_(CheckFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {
  // Edge-triggered: each write is one event, and nobody has to read it.
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = kWakeTag;
  CheckFd(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event), "epoll_ctl");
  UpdateNow();
}

EpollLoop::~EpollLoop() {
  // While the loop is still whole: what a callback holds may cancel a timer.
  inbox_.clear();
  local_.clear();
  while (!timers_.empty()) timers_.Pop();
  close(wake_fd_);
  close(epoll_fd_);
}

void EpollLoop::Run() {
  thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  UpdateNow();
  do {
    RunTimers();
    RunPosted();
    const Duration bound = after_turn_ ? after_turn_() : absl::InfiniteDuration();
    const int sleep_ms = PrepareToSleep() ? SleepMs(bound) : 0;
    WaitAndDispatch(sleep_ms);
  } while (!stop_.load(std::memory_order_acquire));
  stop_.store(false, std::memory_order_relaxed);
  thread_.store(std::thread::id(), std::memory_order_relaxed);
}

void EpollLoop::Stop() {
  stop_.store(true, std::memory_order_release);
  bool wake;
  {
    std::lock_guard lock(mutex_);
    wake = std::exchange(sleeping_, false);
  }
  if (wake) Wake();
}

bool EpollLoop::InLoop() const {
  return thread_.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

void EpollLoop::UpdateNow() { now_ns_.store(MonotonicNs(), std::memory_order_relaxed); }

TimePoint EpollLoop::Now() const {
  const bool running = thread_.load(std::memory_order_relaxed) != std::thread::id();
  return absl::FromUnixNanos(running ? now_ns_.load(std::memory_order_relaxed) : MonotonicNs());
}

absl::Time EpollLoop::WallNow() const { return absl::Now(); }

Loop::TimerId EpollLoop::StartTimer(TimePoint when, Callback callback) {
  // One that is due already waits for the next turn, as the clock stands
  // still in this one.
  const int64_t earliest = now_ns_.load(std::memory_order_relaxed) + 1;
  return timers_.Add(std::max(ToNs(when), earliest), std::move(callback));
}

void EpollLoop::CancelTimer(TimerId id) { timers_.Cancel(id); }

void EpollLoop::RunTimers() {
  const int64_t now = now_ns_.load(std::memory_order_relaxed);
  while (!timers_.empty() && timers_.next_ns() <= now) {
    Callback callback = timers_.Pop();
    callback();
  }
}

void EpollLoop::Post(Callback callback) {
  if (InLoop()) {
    local_.push_back(std::move(callback));
    return;
  }
  bool wake;
  {
    std::lock_guard lock(mutex_);
    inbox_.push_back(std::move(callback));
    // Only the first to find it asleep wakes it.
    wake = std::exchange(sleeping_, false);
  }
  if (wake) Wake();
}

void EpollLoop::RunPosted() {
  running_.swap(local_);
  {
    std::lock_guard lock(mutex_);
    if (running_.empty()) {
      running_.swap(inbox_);
    } else {
      std::move(inbox_.begin(), inbox_.end(), std::back_inserter(running_));
      inbox_.clear();
    }
  }
  for (Callback& callback : running_) {
    // What it holds goes when it has run, not when the batch has.
    Callback once = std::move(callback);
    once();
  }
  running_.clear();
}

bool EpollLoop::PrepareToSleep() {
  if (!local_.empty()) return false;
  std::lock_guard lock(mutex_);
  if (!inbox_.empty() || stop_.load(std::memory_order_acquire)) return false;
  sleeping_ = true;
  return true;
}

int EpollLoop::SleepMs(Duration poll_bound) const {
  int64_t bound_ns = std::numeric_limits<int64_t>::max();
  if (poll_bound != absl::InfiniteDuration()) {
    bound_ns = std::max<int64_t>(absl::ToInt64Nanoseconds(poll_bound), 0);
  }
  if (!timers_.empty()) {
    // The turn took time since the cached clock was read.
    bound_ns = std::min(bound_ns, std::max<int64_t>(timers_.next_ns() - MonotonicNs(), 0));
  }
  if (bound_ns == std::numeric_limits<int64_t>::max()) return -1;
  // Rounded up: waking before a timer is due would spin.
  const int64_t ms = (bound_ns + 999'999) / 1'000'000;
  return static_cast<int>(std::min<int64_t>(ms, std::numeric_limits<int>::max()));
}

void EpollLoop::WaitAndDispatch(int timeout_ms) {
  std::array<epoll_event, kEventsPerTurn> events;
  const int count = epoll_wait(epoll_fd_, events.data(), kEventsPerTurn, timeout_ms);
  UpdateNow();
  if (timeout_ms != 0) {
    std::lock_guard lock(mutex_);
    sleeping_ = false;
  }
  for (int i = 0; i < count; ++i) Dispatch(events[i].data.u64, events[i].events);
}

void EpollLoop::Dispatch(uint64_t tag, uint32_t events) {
  if (tag == kWakeTag) return;
  const size_t fd = static_cast<uint32_t>(tag);
  const Watched& watched = watched_[fd];
  // An earlier handler of this turn may have unwatched it.
  if (watched.handler == nullptr || watched.generation != static_cast<uint32_t>(tag >> 32)) return;
  const bool broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
  watched.handler->OnReady(broken || (events & EPOLLIN) != 0, broken || (events & EPOLLOUT) != 0);
}

void EpollLoop::Watch(int fd, bool readable, bool writable, FdHandler* handler) {
  if (!readable && !writable) return Unwatch(fd);
  if (static_cast<size_t>(fd) >= watched_.size()) watched_.resize(fd + 1);
  Watched& watched = watched_[fd];
  const uint32_t events = (readable ? uint32_t{EPOLLIN} : 0) | (writable ? uint32_t{EPOLLOUT} : 0);
  if (watched.handler == nullptr) {
    ++watched.generation;
    watched.events = 0;
  }
  watched.handler = handler;
  if (watched.events != events) Control(fd, watched, events);
}

void EpollLoop::Control(int fd, Watched& watched, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = uint64_t{watched.generation} << 32 | static_cast<uint32_t>(fd);
  const int first = watched.events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  watched.events = events;
  if (epoll_ctl(epoll_fd_, first, fd, &event) == 0) return;
  // A library may have closed the descriptor, and the number come back, behind
  // our back.
  if (errno == EEXIST) {
    epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event);
  } else if (errno == ENOENT) {
    epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event);
  }
}

void EpollLoop::Unwatch(int fd) {
  if (fd < 0 || static_cast<size_t>(fd) >= watched_.size()) return;
  Watched& watched = watched_[fd];
  if (watched.handler == nullptr) return;
  watched.handler = nullptr;
  watched.events = 0;
  epoll_event unused{};
  epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, &unused);
}

void EpollLoop::SetAfterTurn(AfterTurn poll) { after_turn_ = std::move(poll); }

void EpollLoop::Wake() {
  wake_ups_.fetch_add(1, std::memory_order_relaxed);
  const uint64_t one = 1;
  // Cannot fail but for a full counter, which wakes just as well.
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));
}

}  // namespace sluice
