// The waiting room of a route on this data plane (rows D8, D10): bounded, fair
// between tenants, deadline-aware. Shared by the calls of every loop.
//
// Only the waiter whose turn it is tries to go; it tries when it is told that
// its turn came or that room was given back, and by a timer of its own when it
// knows a time. So a crowd of waiters costs no more than one.
//
// One that is refused for a reason of its tenant's alone steps aside, and its
// tenant with it: the turn passes on. It comes back by its own timer.
#ifndef SLUICE_SERVER_ENGINE_ROUTE_QUEUE_H_
#define SLUICE_SERVER_ENGINE_ROUTE_QUEUE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "server/resilience/fair_queue.h"
#include "server/resilience/time.h"

namespace sluice {

struct QueueLimits {
  size_t max_length = 1000;
  // Calls are let go in batches, one each window; zero: as there is room.
  Duration window = absl::ZeroDuration();
};

struct QueueFigures {
  size_t length = 0;
  Duration oldest;  // age of the one that waits longest
};

// Thread-safe.
class RouteQueue {
 public:
  using Id = uint64_t;
  // "Look whether you can go." Called on any thread, under no lock, perhaps
  // after Leave: it must post to the waiter's loop.
  using Wake = std::function<void()>;

  void Configure(const QueueLimits& limits);

  // Nothing: the room is full. Its turn may have come at once: ask MayTry. In a
  // full room the last one of a tenant that is aside may lose its place.
  std::optional<Id> Enter(std::string_view tenant, uint64_t cost, TimePoint now, TimePoint until, Wake wake);
  // Gone, to its upstream or for good; the next one is woken.
  void Leave(Id id, bool admitted, TimePoint now);

  // When this waiter may try: now or earlier if it is its turn and its batch is
  // open; the time at which its batch opens; InfiniteFuture if others are
  // before it (it will be woken). Aside: it may come back at any time. Nothing:
  // it lost its place to another tenant (it was woken) and has only to leave.
  std::optional<TimePoint> MayTry(Id id, TimePoint now);
  // Its try failed: the batch is over.
  void Refused(Id id, TimePoint now);
  // Its try failed, for a reason that others do not have.
  void StepAside(Id id, TimePoint now);
  // Back in line, if it was aside: ask MayTry.
  void Rejoin(Id id, TimePoint now);

  // Room was given back somewhere: the first one looks again.
  void Poke();

  // A call of this tenant that comes now has others before it.
  bool MustWait(std::string_view tenant) const;
  bool empty() const;
  QueueFigures figures(TimePoint now) const;

 private:
  // Who is woken by it, if somebody else than `self`.
  Wake TakeTurn(Id self, TimePoint now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // A full room's last one of a tenant that is aside yields; its wake.
  Wake TakePlaceFor(std::string_view tenant, TimePoint now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable std::mutex mutex_;
  QueueLimits limits_ ABSL_GUARDED_BY(mutex_);
  FairQueue queue_ ABSL_GUARDED_BY(mutex_){QueueLimits{}.max_length};
  std::unordered_map<Id, Wake> wakes_ ABSL_GUARDED_BY(mutex_);
  Id last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  Id front_ ABSL_GUARDED_BY(mutex_) = 0;  // whose turn it is; 0: nobody waits
  TimePoint next_batch_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  size_t batch_left_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_ROUTE_QUEUE_H_
