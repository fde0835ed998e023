#include "server/service/caller_poll.h"

#include <algorithm>

#include "server/service/notifier.h"

namespace sluice {

bool BusyWindow::Add(TimePoint now, int64_t messages) {
  count_ += messages;
  const Duration elapsed = now - begin_;
  if (elapsed < window_) return busy_;
  const double rate = static_cast<double>(count_) / absl::ToDoubleSeconds(elapsed);
  busy_ = rate >= (busy_ ? enter_ / 2 : enter_);
  begin_ = now;
  count_ = 0;
  return busy_;
}

void BusyWindow::Rest(TimePoint now) {
  busy_ = false;
  begin_ = now;
  count_ = 0;
}

Duration CallerPoll::AfterTurn(TimePoint now, Duration turn, int64_t messages, int64_t open_calls) {
  if (turn > options_.long_turn) window_.Rest(now);
  messages_ += messages;
  const bool busy = window_.Add(now, messages);
  if (!busy || open_calls < (polling_ ? options_.open_calls / 4 : options_.open_calls)) {
    Stop();
    return absl::InfiniteDuration();
  }
  polling_ = true;
  if (!notifier_.StandAside()) return options_.max_sleep;
  if (now - last_poll_ >= options_.interval) {
    // Two messages bring about one event, a window update for both; the rest is
    // for new calls.
    constexpr int64_t kSpare = 2, kMost = 256;
    notifier_.Poll(static_cast<int>(std::min(messages_ / 2 + kSpare, kMost)));
    last_poll_ = now;
    messages_ = 0;
  }
  return options_.max_sleep;
}

void CallerPoll::Stop() {
  if (!polling_) return;
  polling_ = false;
  notifier_.TakeOver();
}

}  // namespace sluice
