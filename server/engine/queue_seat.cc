#include "server/engine/queue_seat.h"

#include <utility>

namespace sluice {

QueueSeat::QueueSeat(Loop& loop, std::function<void()> wake) : loop_(loop), on_wake_(std::move(wake)) {}

QueueSeat::~QueueSeat() {
  if (taken()) Leave(/*admitted=*/false);
}

bool QueueSeat::Take(RouteQueue& queue, const QueueEntrant& entrant, TimePoint until, QueueBound* bound) {
  wake_ = std::make_shared<std::function<void()>>(on_wake_);
  auto post = [&loop = loop_, wake = wake_] {
    loop.Post([wake] {
      // A copy: the seat may be left, which empties it, from within.
      if (const auto run = *wake) run();
    });
  };
  const auto id = queue.Enter(entrant, loop_.Now(), until, std::move(post), bound);
  if (!id) return false;
  queue_ = &queue;
  id_ = *id;
  since_ = loop_.Now();
  return true;
}

void QueueSeat::Leave(bool admitted) {
  *wake_ = nullptr;
  std::exchange(queue_, nullptr)->Leave(id_, admitted, loop_.Now());
}

void QueueSeat::LeaveFor(ReleasedCall& call) {
  *wake_ = nullptr;
  RouteQueue& queue = *std::exchange(queue_, nullptr);
  call.Begin(queue, queue.Leave(id_, /*admitted=*/true, loop_.Now()));
}

void ReleasedCall::Begin(RouteQueue& queue, std::optional<RouteQueue::Release> release) {
  Tell(RouteQueue::Outcome::kLost, TimePoint());
  queue_ = &queue;
  release_ = std::move(release);
}

void ReleasedCall::Tell(RouteQueue::Outcome outcome, TimePoint now) {
  if (const auto release = std::exchange(release_, std::nullopt)) queue_->Tell(*release, outcome, now);
}

}  // namespace sluice
