// Who has asked what under which idempotency key, and the calls that answer it:
// while one runs others join it, and for some time after it ended it is replayed.
// Shared by all loops; thread-safe. Only calls with a key come here.
//
// Lock order: the store's, then a SharedCall's.
#ifndef SLUICE_SERVER_SERVICE_IDEMPOTENCY_STORE_H_
#define SLUICE_SERVER_SERVICE_IDEMPOTENCY_STORE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/node_hash_map.h"
#include "server/resilience/time.h"
#include "server/service/shared_call.h"

namespace sluice {

struct IdempotencyLimits {
  Duration ttl = absl::Minutes(10);
  size_t max_bytes = 64 << 20;
  size_t max_entry_bytes = 1 << 20;
};

// The counters are cumulative.
struct IdempotencyFigures {
  int64_t entries = 0;
  int64_t bytes = 0;
  uint64_t joins = 0;      // of running calls
  uint64_t replays = 0;    // of ended ones
  uint64_t conflicts = 0;  // another request under a known key
  uint64_t evictions = 0;  // before their time, for memory
  uint64_t not_kept = 0;   // answers too large to be kept
};

using Fingerprint = std::array<uint8_t, 32>;

class IdempotencyStore {
 public:
  explicit IdempotencyStore(const IdempotencyLimits& limits) : limits_(limits) {}

  enum class Verdict {
    kFirst,     // the reader is attached to a new call, which it is to Run
    kJoined,    // attached to a running call
    kReplayed,  // attached to an ended one
    kConflict,  // the key stands for another request
    kNotKept,   // the answer was too large to be given once more
  };
  struct Claim {
    Verdict verdict;
    std::shared_ptr<SharedCall> call;  // null with the last two
  };
  // `make` makes the call of a key that is not known; it runs under the lock.
  Claim TryClaim(const std::string& key, const Fingerprint& fingerprint, LogReader* reader, TimePoint now,
                 const std::function<std::shared_ptr<SharedCall>()>& make);

  // For SharedCall. Grow: false if so much cannot be kept.
  bool Grow(const SharedCall* call, size_t bytes);
  void Shrink(const SharedCall* call, size_t bytes);
  void Ended(const SharedCall* call, bool keep, TimePoint now);
  void Remove(const SharedCall* call);

  IdempotencyFigures figures(TimePoint now);

 private:
  struct Entry {
    Fingerprint fingerprint;
    // Which call the entry is of; also where `call` is not kept.
    const SharedCall* owner = nullptr;
    std::shared_ptr<SharedCall> call;
    size_t bytes = 0;
    bool ended = false;
    TimePoint expires;
    std::list<std::string>::iterator place;  // in ended_, where ended
  };
  using Entries = absl::node_hash_map<std::string, Entry>;

  // The entry of this very call, or end().
  Entries::iterator FindLocked(const SharedCall* call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EraseLocked(Entries::iterator entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ExpireLocked(TimePoint now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Forgets ended calls, the oldest first, until the bytes are within the bound.
  void EvictLocked(const SharedCall* but) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetBytesLocked(Entry& entry, size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const IdempotencyLimits limits_;
  std::mutex mutex_;
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  std::list<std::string> ended_ ABSL_GUARDED_BY(mutex_);  // keys, the oldest first
  IdempotencyFigures figures_ ABSL_GUARDED_BY(mutex_);
};

// SHA-256 of a request's bytes and of what else it depends on.
Fingerprint FingerprintOf(std::string_view request, std::string_view route);

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_IDEMPOTENCY_STORE_H_
