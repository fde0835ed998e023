#include "server/service/coalescing_window.h"

#include <utility>

namespace sluice {

Duration CoalesceOf(const v1::StreamOptions& options, Duration route) {
  if (!options.has_coalesce()) return route;
  return absl::Seconds(options.coalesce().seconds()) + absl::Nanoseconds(options.coalesce().nanos());
}

CoalescingWindow::CoalescingWindow(Loop& loop, Duration length, Loop::Callback over)
    : loop_(loop), length_(length), over_(std::move(over)), timer_(loop) {}

void CoalescingWindow::Begin() {
  first_ = true;
  due_ = absl::InfinitePast();
}

void CoalescingWindow::Added(bool content) {
  if (first_) {
    // What comes with the first content, before it or after, goes with it.
    first_ = !content;
    due_ = absl::InfinitePast();
    return;
  }
  if (due_ != absl::InfiniteFuture()) return;
  const TimePoint now = loop_.Now();
  due_ = now - written_ < length_ ? now + length_ : absl::InfinitePast();
}

bool CoalescingWindow::Waits() {
  if (loop_.Now() >= due_) return false;
  if (!timer_.is_set()) timer_.Set(due_, [this] { over_(); });
  return true;
}

void CoalescingWindow::Written(bool rest) {
  written_ = loop_.Now();
  if (!rest) Clear();
}

void CoalescingWindow::Clear() {
  due_ = absl::InfiniteFuture();
  timer_.Cancel();
}

}  // namespace sluice
