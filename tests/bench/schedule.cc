#include "tests/bench/schedule.h"

#include <algorithm>

#include "tests/bench/stamp.h"

namespace sluice::bench {

Schedule::Schedule(const LoadPlan& plan, Recorder& recorder, std::vector<Caller*> callers)
    : plan_(plan), recorder_(recorder) {
  for (Caller* caller : callers) seats_.push_back({caller});
}

int64_t Schedule::Step(int64_t now_ns) {
  recorder_.Tick(now_ns);
  if (!recorder_.running() && !closed_) {
    closed_ = true;
    due_ = {};
    if (plan_.abandon) Abandon(now_ns);
  }
  while (begun_ < seats_.size() && recorder_.StartOf(static_cast<int>(begun_)) <= now_ns) Begin(seats_[begun_++]);
  while (!due_.empty() && due_.top().when_ns <= now_ns) {
    const Due due = due_.top();
    due_.pop();
    Seat& seat = seats_[due.index];
    if (due.cancel == 0) {
      Begin(seat);
    } else if (seat.open && seat.call == due.cancel) {
      Cancel(seat);
    }
  }
  int64_t next = recorder_.next_ns();
  if (begun_ < seats_.size()) next = std::min(next, recorder_.StartOf(static_cast<int>(begun_)));
  return due_.empty() ? next : std::min(next, due_.top().when_ns);
}

void Schedule::Begin(Seat& seat) {
  Call call{++calls_, plan_.answer};
  if (plan_.fail_every > 0) call.answer.fails_once = calls_ % static_cast<uint64_t>(plan_.fail_every) == 0;
  call.answer.notes_close = plan_.cancel_after_us > 0;
  seat.call = call.number;
  seat.open = true;
  ++open_;
  seat.caller->Start(call);
  if (plan_.cancel_after_us > 0) {
    due_.push({seat.caller->progress().started_ns + plan_.cancel_after_us * 1000, seat.caller->index(), seat.call});
  }
}

void Schedule::Cancel(Seat& seat) {
  if (seat.caller->progress().chunks == 0) recorder_.OnError("nothing had arrived of a call when it was cancelled");
  recorder_.OnCancel(seat.call);
  if (seat.caller->Cancel()) Ended(*seat.caller);
}

void Schedule::Abandon(int64_t now_ns) {
  for (Seat& seat : seats_) {
    if (!seat.open) continue;
    if (plan_.cancel_after_us == 0) recorder_.OnAbandon(seat.caller->progress(), now_ns);
    if (seat.caller->Cancel()) Ended(*seat.caller);
  }
}

void Schedule::Ended(const Caller& caller) {
  Seat& seat = seats_[caller.index()];
  if (!seat.open) return;
  seat.open = false;
  --open_;
  if (!plan_.repeat || !recorder_.running()) return;
  due_.push({caller.progress().started_ns + plan_.period_us * 1000, caller.index(), 0});
}

}  // namespace sluice::bench
