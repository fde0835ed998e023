#include "server/engine/queue_seat.h"

#include <utility>

namespace sluice {

QueueSeat::QueueSeat(Loop& loop, std::function<void()> wake) : loop_(loop), on_wake_(std::move(wake)) {}

QueueSeat::~QueueSeat() {
  if (taken()) Leave(/*admitted=*/false);
}

bool QueueSeat::Take(RouteQueue& queue, std::string_view tenant, uint64_t cost, TimePoint until) {
  wake_ = std::make_shared<std::function<void()>>(on_wake_);
  auto post = [&loop = loop_, wake = wake_] {
    loop.Post([wake] {
      // A copy: the seat may be left, which empties it, from within.
      if (const auto run = *wake) run();
    });
  };
  const auto id = queue.Enter(tenant, cost, loop_.Now(), until, std::move(post));
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

}  // namespace sluice
