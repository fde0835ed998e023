// How many connections the whole data plane holds to one place. Connections
// stay on the loop that made them, each loop has a Pool of its own; the pools
// of one HttpEndpoint::PoolKey count in one SharedPool, so that max_open and
// max_idle hold for all of them together. Any thread.
//
// Cost: one locked instruction where a connection is opened, taken, kept or
// closed; none for what passes over it.
#ifndef SLUICE_SERVER_UPSTREAM_SHARED_POOL_H_
#define SLUICE_SERVER_UPSTREAM_SHARED_POOL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "proto/listen/descriptor_guard.h"
#include "server/runtime/loop.h"
#include "server/upstream/name_lookup.h"

namespace sluice {

class Pool;

class SharedPool {
 public:
  enum class Opening { kOpened, kFull, kNoDescriptor };

  // Null: descriptors are not counted.
  explicit SharedPool(std::shared_ptr<DescriptorGuard> descriptors = nullptr) : descriptors_(std::move(descriptors)) {}

  // Counts one more, busy, unless `max_open` are open or the process has no
  // descriptor for upstreams left.
  Opening Open(size_t max_open);
  // A busy one was closed.
  void Close();
  // A busy one becomes idle; false when there are too many of either.
  bool TryKeep(size_t max_open, size_t max_idle);
  // An idle one becomes busy.
  void Take();
  // An idle one was closed.
  void CloseIdle();

  size_t open() const;
  size_t idle() const;
  bool IsOver(size_t max_open, size_t max_idle) const;

  // A loop's pool comes and goes, both on its loop. `idle` is read by other
  // threads and must live until Leave.
  uint64_t Join(IoLoop& loop, std::weak_ptr<Pool> pool, const std::atomic<uint64_t>& idle);
  void Leave(uint64_t member);

  // Runs `call` on the loop of the pool that has most idle connections, the
  // asker left out. False, and not run, when none has any.
  using PoolCall = absl::AnyInvocable<void(std::weak_ptr<Pool>)>;
  bool PostToIdlest(uint64_t asker, PoolCall call);
  // Runs `callback` on the member's loop; destroys it unrun when that has left.
  void Post(uint64_t member, Loop::Callback callback);

 private:
  struct Member {
    uint64_t id;
    IoLoop* loop;
    std::weak_ptr<Pool> pool;
    const std::atomic<uint64_t>* idle;
  };

  void GiveDescriptor();

  // Open ones in the lower half, the idle among them in the upper: both change
  // together, and are checked together. A limit is below 2^20.
  std::atomic<uint64_t> counts_{0};

  const std::shared_ptr<DescriptorGuard> descriptors_;
  std::mutex mutex_;
  uint64_t last_member_ = 0;     // guarded by mutex_
  std::vector<Member> members_;  // guarded by mutex_; one a loop
};

// The right to open a connection, on its way from the loop that closed one to
// the loop that needs it. Dropped, it is free again.
class OpenPlace {
 public:
  OpenPlace() = default;
  explicit OpenPlace(std::shared_ptr<SharedPool> pool) : pool_(std::move(pool)) {}
  OpenPlace(OpenPlace&&) = default;
  OpenPlace& operator=(OpenPlace&&) = delete;
  ~OpenPlace() {
    if (pool_ != nullptr) pool_->Close();
  }

  bool held() const { return pool_ != nullptr; }
  // From here on the caller counts it.
  void Take() { pool_.reset(); }

 private:
  std::shared_ptr<SharedPool> pool_;
};

// The SharedPools of a data plane, shared by the transports of its loops. One
// lives as long as a loop has its Pool. Any thread.
class PoolRegistry {
 public:
  // Null: descriptors are not counted; the system's own lookup.
  explicit PoolRegistry(std::shared_ptr<DescriptorGuard> descriptors = nullptr,
                        std::shared_ptr<NameLookup> names = nullptr);

  std::shared_ptr<SharedPool> Find(const std::string& key);
  // Runs `call` on the loop of a pool that has idle connections, most of all if
  // can be, whatever they lead to. False, and not run, when there is none.
  bool PostToIdlest(SharedPool::PoolCall call);
  // Null: not counted.
  const std::shared_ptr<DescriptorGuard>& descriptors() const { return descriptors_; }
  NameLookup& names() { return *names_; }
  // Those in use.
  size_t size();

 private:
  void ForgetUnused();

  const std::shared_ptr<DescriptorGuard> descriptors_;
  const std::shared_ptr<NameLookup> names_;
  std::mutex mutex_;
  absl::flat_hash_map<std::string, std::weak_ptr<SharedPool>> pools_;  // guarded by mutex_
};

}  // namespace sluice

#endif  // SLUICE_SERVER_UPSTREAM_SHARED_POOL_H_
