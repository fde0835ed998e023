// When a change is published: the first one at once, what follows is merged
// for a quiet time, and never longer than a bound. Pure: time is an argument.
#ifndef SLUICE_CONTROLPLANE_PUSH_DEBOUNCE_H_
#define SLUICE_CONTROLPLANE_PUSH_DEBOUNCE_H_

#include <algorithm>

#include "absl/time/time.h"

namespace sluice {

class Debounce {
 public:
  Debounce(absl::Duration quiet, absl::Duration longest) : quiet_(quiet), longest_(longest) {}

  // `urgent` changes are due at once and take along what waits.
  void OnChange(absl::Time now, bool urgent) {
    // Due already and about to go: this one goes along and must not put it off.
    if (due_ <= now) return;
    if (due_ == absl::InfiniteFuture()) first_ = now;
    bool alone = now >= last_published_ + quiet_ && due_ == absl::InfiniteFuture();
    due_ = urgent || alone ? now : std::min(now + quiet_, first_ + longest_);
  }

  // InfiniteFuture when nothing waits.
  absl::Time due() const { return due_; }

  void OnPublished(absl::Time now) {
    last_published_ = now;
    due_ = absl::InfiniteFuture();
  }

 private:
  absl::Duration quiet_;
  absl::Duration longest_;
  absl::Time last_published_ = absl::InfinitePast();
  absl::Time first_;
  absl::Time due_ = absl::InfiniteFuture();
};

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_PUSH_DEBOUNCE_H_
