// A call's place in its route's queue, given up with it. On the call's loop,
// woken from any.
#ifndef SLUICE_SERVER_ENGINE_QUEUE_SEAT_H_
#define SLUICE_SERVER_ENGINE_QUEUE_SEAT_H_

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "server/engine/route_queue.h"
#include "server/runtime/loop.h"

namespace sluice {

// What a call that was let go owes to those that wait behind it: a word about how
// it went. One that ends without a word is lost.
class ReleasedCall {
 public:
  ReleasedCall() = default;
  ReleasedCall(const ReleasedCall&) = delete;
  ReleasedCall& operator=(const ReleasedCall&) = delete;
  ~ReleasedCall() { Tell(RouteQueue::Outcome::kLost, TimePoint()); }

  // The queue outlives it.
  void Begin(RouteQueue& queue, std::optional<RouteQueue::Release> release);
  // The first word counts.
  void Tell(RouteQueue::Outcome outcome, TimePoint now);

 private:
  RouteQueue* queue_ = nullptr;
  std::optional<RouteQueue::Release> release_;
};

class QueueSeat {
 public:
  // `wake` runs on the loop, never from within Take, and not after the seat was
  // left.
  QueueSeat(Loop& loop, std::function<void()> wake);
  ~QueueSeat();

  // False: the room is full, by `*bound`. The queue must outlive the seat.
  bool Take(RouteQueue& queue, const QueueEntrant& entrant, TimePoint until, QueueBound* bound);
  bool taken() const { return queue_ != nullptr; }
  TimePoint since() const { return since_; }

  std::optional<TimePoint> MayTry() const { return queue_->MayTry(id_, loop_.Now()); }
  void Refused() { queue_->Refused(id_, loop_.Now()); }
  void StepAside(bool timed) { queue_->StepAside(id_, timed, loop_.Now()); }
  void Rejoin() { queue_->Rejoin(id_, loop_.Now()); }
  void Leave(bool admitted);
  // Leave(true), into `call`.
  void LeaveFor(ReleasedCall& call);

 private:
  Loop& loop_;
  // Shared with wakes that are under way from other threads; the function in it
  // is emptied when the seat is left, on the loop.
  std::shared_ptr<std::function<void()>> wake_;
  const std::function<void()> on_wake_;
  RouteQueue* queue_ = nullptr;
  RouteQueue::Id id_ = 0;
  TimePoint since_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_QUEUE_SEAT_H_
