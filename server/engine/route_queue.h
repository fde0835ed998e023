// The waiting room of a route on this data plane (rows D8, D10): bounded, fair
// between tenants, deadline-aware. Shared by the calls of every loop.
//
// Only the waiter whose turn it is tries to go; it tries when it is told that
// its turn came or that room was given back, and by a timer of its own when it
// knows a time. So a crowd of waiters costs no more than one.
//
// One that is refused for a reason that others need not have (a limit of its
// tenant's, a time at every place that it may go to) steps aside, and with it its
// tenant's calls of the same places: the turn passes on. It comes back by its own
// timer. Those that waited for the time of the same places do not go all at once
// when it is over: server/resilience/release_ramp.h.
#ifndef SLUICE_SERVER_ENGINE_ROUTE_QUEUE_H_
#define SLUICE_SERVER_ENGINE_ROUTE_QUEUE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "server/resilience/fair_queue.h"
#include "server/resilience/release_ramp.h"
#include "server/resilience/time.h"

namespace sluice {

struct QueueLimits {
  size_t max_length = 1000;
  // Calls are let go in batches, one each window; zero: as there is room.
  Duration window = absl::ZeroDuration();
  // Of the requests that wait.
  uint64_t max_bytes = 64 << 20;
};

// Who wants to wait.
struct QueueEntrant {
  std::string_view tenant;
  // Equal for calls that may go to the same places, whatever it says.
  std::string_view places;
  uint64_t cost = 1;
  uint64_t bytes = 0;
};

// Why nobody else may wait.
enum class QueueBound { kLength, kBytes };

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

  // Nothing: the room is full, by `*bound`. Its turn may have come at once: ask
  // MayTry. In a full room the last one of a tenant that is aside may lose its
  // place.
  std::optional<Id> Enter(const QueueEntrant& entrant, TimePoint now, TimePoint until, Wake wake, QueueBound* bound);
  // Of one that was let go while those of its places are let go step by step:
  // what becomes of it is told once.
  struct Release {
    std::string places;
    uint64_t serial;
    ReleaseRamp::Release number;
  };
  // Gone, to its upstream or for good; the next one is woken.
  std::optional<Release> Leave(Id id, bool admitted, TimePoint now);
  enum class Outcome { kSuccess, kFailure, kLost };
  void Tell(const Release& release, Outcome outcome, TimePoint now);

  // When this waiter may try: now or earlier if it is its turn and its batch is
  // open; the time at which its batch opens; InfiniteFuture if others are
  // before it (it will be woken). Aside: it may come back at any time. Nothing:
  // it lost its place to another tenant (it was woken) and has only to leave.
  std::optional<TimePoint> MayTry(Id id, TimePoint now);
  // Its try failed: the batch is over.
  void Refused(Id id, TimePoint now);
  // Its try failed, for a reason that others need not have: `timed`, a time that
  // is known at each of its places, or a limit of its tenant's.
  void StepAside(Id id, bool timed, TimePoint now);
  // Back in line, if it was aside: ask MayTry.
  void Rejoin(Id id, TimePoint now);

  // Room was given back somewhere: the first one looks again.
  void Poke();
  // Some place takes calls again before the time that they wait for: the oldest of
  // those that may go to the same places looks.
  void PokeOldest(std::string_view places);
  // Times that were known are over (an operator lifted them): everybody looks.
  void PokeAll();

  // A call that comes now has others before it.
  bool MustWait(std::string_view tenant, std::string_view places) const;
  // One that went to these places first is under way, and its end is awaited.
  bool Awaits(std::string_view places) const;
  // The last that was heard of those that went there is a failure.
  bool Stopped(std::string_view places) const;
  // Without a lock, for the many calls that meet nobody here.
  bool quiet() const { return length_.load(std::memory_order_relaxed) == 0; }
  bool empty() const;
  QueueFigures figures(TimePoint now) const;

 private:
  // Calls that may go to the same places.
  struct Party {
    uint64_t serial = 0;
    size_t waiters = 0;
    size_t timed = 0;
    ReleaseRamp ramp;
  };
  using Parties = std::map<std::string, Party, std::less<>>;
  struct Waiting {
    Wake wake;
    uint64_t bytes;
    bool timed;
    Parties::iterator party;
  };
  using WaitingById = std::map<Id, Waiting>;  // in the order of coming

  void SetTimed(Waiting& waiting, bool timed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget(WaitingById::iterator gone) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Who is woken by it, if somebody else than `self`.
  Wake TakeTurn(Id self, TimePoint now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // A full room's last one of a tenant that is aside yields; its wake.
  Wake TakePlaceFor(std::string_view line, TimePoint now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable std::mutex mutex_;
  QueueLimits limits_ ABSL_GUARDED_BY(mutex_);
  FairQueue queue_ ABSL_GUARDED_BY(mutex_){QueueLimits{}.max_length};
  WaitingById waiting_ ABSL_GUARDED_BY(mutex_);
  Parties parties_ ABSL_GUARDED_BY(mutex_);
  uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t last_party_ ABSL_GUARDED_BY(mutex_) = 0;
  std::atomic<size_t> length_{0};  // of waiting_
  Id last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  Id front_ ABSL_GUARDED_BY(mutex_) = 0;  // whose turn it is; 0: nobody waits
  TimePoint next_batch_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  size_t batch_left_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_ROUTE_QUEUE_H_
