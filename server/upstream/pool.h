// One loop's connections to one place (HttpEndpoint::PoolKey): whether there may
// be another, and which wait for their next request. Loop thread only, but the
// counters. How many there may be is a matter of all loops (SharedPool):
//
// - A call takes an idle connection of its own loop, or else opens one.
// - Where as many as may be are open and another loop keeps idle ones, that loop
//   is asked to close one and to hand over its place: the call waits for two
//   wake-ups instead of failing over because of connections that nobody uses.
//   (RoomRequest.) Only when all are busy the call is refused.
// - The same where the process has no descriptor left for another, with the idle
//   connections of all pools.
// - Where as many as may be are idle, the loop's own oldest makes way for what
//   was used last; a loop that has none closes what it would have kept.
#ifndef SLUICE_SERVER_UPSTREAM_POOL_H_
#define SLUICE_SERVER_UPSTREAM_POOL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "server/runtime/loop.h"
#include "server/upstream/connection.h"
#include "server/upstream/host_watch.h"
#include "server/upstream/http_transport.h"
#include "server/upstream/shared_pool.h"

namespace sluice {

// Written by the loop thread, read by any. The meanings: PoolStats.
struct PoolCounters {
  std::string endpoint;
  std::string proxy;
  std::atomic<uint64_t> open{0};
  std::atomic<uint64_t> idle{0};
  std::atomic<uint64_t> connects{0};
  std::atomic<uint64_t> connect_failures{0};
  std::atomic<uint64_t> reuses{0};
  std::atomic<uint64_t> dead{0};
  std::atomic<uint64_t> resets{0};
  std::atomic<uint64_t> refused{0};

  // One writer: no locked instruction.
  static void Add(std::atomic<uint64_t>& counter, int64_t change = 1) {
    counter.store(counter.load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
  }
};

class Pool;

// The right to one of a pool's connections, first without one while it is
// being made. Dropping it closes the connection.
class PoolLease {
 public:
  PoolLease() = default;
  PoolLease(std::shared_ptr<Pool> pool, std::unique_ptr<Connection> connection);
  PoolLease(PoolLease&&) = default;
  PoolLease& operator=(PoolLease&& other) noexcept;
  ~PoolLease() { Close(); }

  bool held() const { return pool_ != nullptr; }
  Connection* connection() const { return connection_.get(); }
  void set_connection(std::unique_ptr<Connection> connection) {
    connection_ = std::move(connection);
  }
  void Close();
  // Back to the pool, which may have no place for it.
  void Keep();

 private:
  std::shared_ptr<Pool> pool_;
  std::unique_ptr<Connection> connection_;
};

// A call that waits for another loop to make room. Dropping it forgets the
// call; a place that comes after that is free again.
class RoomRequest {
 public:
  // Not held when the other loop had a use for its connections by then.
  using Callback = absl::AnyInvocable<void(PoolLease)>;

  RoomRequest(std::shared_ptr<Pool> pool, Callback done);

 private:
  friend class Pool;
  void Answer(OpenPlace place);

  std::shared_ptr<Pool> pool_;
  Callback done_;
};

class Pool : public std::enable_shared_from_this<Pool> {
 public:
  static std::shared_ptr<Pool> Create(IoLoop& loop, const HttpEndpoint& endpoint, std::shared_ptr<SharedPool> shared,
                                      std::shared_ptr<PoolRegistry> registry);
  ~Pool();

  // Limits and keep_idle of a newer revision.
  void Adopt(const HttpEndpoint& endpoint);

  // The idle connection that was used last and is still good; else not held.
  // From now on `watcher` hears of it: the loop goes on watching it, which
  // saves two system calls a request.
  PoolLease TakeIdle(FdHandler* watcher);
  // Room for a new connection; not held when max_open are open, or no descriptor is
  // left: lacks_descriptor() says which.
  PoolLease Reserve();
  bool lacks_descriptor() const { return lacks_descriptor_; }
  // Asks for an idle connection to be closed, of any pool and loop, and its
  // descriptor with it; null when there is none. `done` as below, not held.
  std::shared_ptr<RoomRequest> AskForDescriptor(RoomRequest::Callback done);
  // Asks the loop with most idle connections for the place of one; null when no
  // other loop has any. `done` is called in a turn of its own.
  std::shared_ptr<RoomRequest> AskForRoom(RoomRequest::Callback done);
  // Counts a call that found no room, and says so for people.
  std::string Refuse();
  // The same of one that found no descriptor.
  std::string RefuseForDescriptors(RefusalCause cause);
  // The host has moved: what is known of its name is not to be trusted.
  bool moved_lately() const { return watch_.moved_lately(); }

  PoolCounters& counters() { return counters_; }
  const PoolCounters& counters() const { return counters_; }
  size_t open() const { return open_; }
  TimePoint last_used() const { return last_used_; }

  void CloseIdle();

 private:
  friend class PoolLease;
  friend class RoomRequest;

  Pool(IoLoop& loop, const HttpEndpoint& endpoint, std::shared_ptr<SharedPool> shared,
       std::shared_ptr<PoolRegistry> registry);

  // Anything that happens to an idle connection is its end.
  struct Idle : public FdHandler {
    Idle(Pool& owner, std::unique_ptr<Connection> c, TimePoint now)
        : pool(owner), connection(std::move(c)), since(now) {}
    void OnReady(bool readable, bool writable) override { pool.CheckIdle(*this); }

    Pool& pool;
    std::unique_ptr<Connection> connection;
    TimePoint since;
  };
  using IdleList = std::list<Idle>;

  static void AnswerFor(std::weak_ptr<Pool> asked, SharedPool& shared, uint64_t asker,
                        std::weak_ptr<RoomRequest> request);
  static void AnswerOnceClosed(std::weak_ptr<Pool> idlest, SharedPool& shared, uint64_t asker,
                               std::weak_ptr<RoomRequest> request);
  PoolLease Opened();
  void Keep(std::unique_ptr<Connection> connection);
  // A place among the idle ones of all loops.
  bool FindIdlePlace();
  void Closed();
  // The place of the idle connection used longest ago, which is closed.
  OpenPlace GiveUpIdle();
  void CheckIdle(Idle& idle);
  // The caller sees to the watch.
  std::unique_ptr<Connection> Remove(IdleList::iterator idle);
  void Close(IdleList::iterator idle);
  void Discard(IdleList::iterator idle);
  void TrimIdle();
  TimePoint Deadline(const Idle& idle) const;
  void CloseExpired();
  void Arm(TimePoint deadline);
  void LookUp(const std::string& host, TimePoint asked);
  void CloseGone();

  IoLoop& loop_;
  const std::shared_ptr<SharedPool> shared_;
  const std::shared_ptr<PoolRegistry> registry_;
  uint64_t member_ = 0;
  PoolLimits limits_;
  bool keep_idle_;
  size_t open_ = 0;  // of this loop
  IdleList idle_;  // the one used last is at the back
  Timer expiry_;
  TimePoint expiry_at_ = absl::InfiniteFuture();
  TimePoint last_used_;
  bool lacks_descriptor_ = false;
  HostWatch watch_;
  PoolCounters counters_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_UPSTREAM_POOL_H_
