// Where policies live: every change one revision, whole, in order, kept.
//
// Called by the Admin service (reads and commits) and by Push (watch), from
// any thread. SQLite is the embedded implementation; the interface asks for no
// more than what etcd gives too (a compare-and-swap on the revision, a watch
// from a revision, compaction), so that a replicated store can take its place.
#ifndef SLUICE_CONTROLPLANE_STORE_STORE_H_
#define SLUICE_CONTROLPLANE_STORE_STORE_H_

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sluice/v1/control.pb.h"
#include "sluice/v1/policy.pb.h"

namespace sluice {

// Kind as in policy.proto ("RetryPolicy"), and name.
struct ResourceKey {
  std::string kind;
  std::string name;
  auto operator<=>(const ResourceKey&) const = default;
};

using ResourcePtr = std::shared_ptr<const v1::Resource>;
using ResourceMap = std::map<ResourceKey, ResourcePtr>;

// Everything that was in force at one revision. Never changed once shared.
struct PolicyState {
  uint64_t revision = 0;
  absl::Time committed;
  ResourceMap resources;
};
using PolicyStatePtr = std::shared_ptr<const PolicyState>;

// The answer once given under a request id.
struct RememberedAnswer {
  // Tells the same request from another one that reuses its id.
  std::string fingerprint;
  // The serialised response.
  std::string response;
};

// What a resource carries once `revision` of the store `epoch` changed it: its
// revision and a new etag. The epoch keeps an etag of another store from
// matching by chance.
void StampResource(v1::Resource& resource, const std::string& epoch, uint64_t revision);

// Where a store comes from, and whose policies its own may replace.
struct Lineage {
  // Not empty: it was restored from a backup, of this epoch and revision.
  std::string parent_epoch;
  uint64_t parent_revision = 0;
  // Told on purpose: by a restore, or by StoreWrite::replaces_epochs. In the
  // order they were added, each once, the newest kMaxReplacedEpochs; never the
  // store's own.
  std::vector<std::string> replaces_epochs;
};

// They travel with every update, so they are bounded. A store is restored or
// takes over a fleet a few times in its life.
inline constexpr size_t kMaxReplacedEpochs = 100;
// Made by stores, but told by data planes, so it is checked.
inline constexpr size_t kMaxEpochBytes = 128;

// One change. Without puts and deletes it makes no revision: it remembers the
// answer and adds replaced epochs.
struct StoreWrite {
  // The revision that the change was computed from; when the store has moved
  // on, the write is refused with ABORTED and must be computed anew.
  uint64_t expected_revision = 0;
  std::vector<v1::Resource> puts;
  std::vector<ResourceKey> deletes;
  // Author, reason, changes, rollback_of; the store adds number and time.
  v1::Revision record;
  // Added to Lineage::replaces_epochs together with the change, or not at all;
  // what is there already, and the store's own, are passed over. Empty or
  // longer than kMaxEpochBytes: INVALID_ARGUMENT.
  std::vector<std::string> replaces_epochs;
  // The store begins a new epoch, which replaces the one before: where data
  // planes run a future of that one which this store lost.
  bool new_epoch = false;
  // Empty: nothing is remembered.
  std::string request_id;
  RememberedAnswer answer;
};

// A committed revision as watchers see it. Without items: the revision is the
// one before, only the epoch changed or replaces_epochs grew.
struct StoreEvent {
  struct Item {
    ResourceKey key;
    ResourcePtr resource;  // null: deleted
  };
  uint64_t revision = 0;
  absl::Time committed;
  std::vector<Item> items;
  // Of the store, from this change on.
  std::string epoch;
  // All that the store has now, not only what is new.
  std::vector<std::string> replaces_epochs;
};

// Ends the watch when destroyed; after that the callback is not called again.
class StoreWatch {
 public:
  virtual ~StoreWatch() = default;
};

struct HistoryQuery {
  std::optional<ResourceKey> resource;
  int limit = 50;
  // Only older ones; 0: from the newest.
  uint64_t before_revision = 0;
};

// A whole copy of a store, checked, in a file that goes with this. For one
// thread at a time.
class StoreCopy {
 public:
  virtual ~StoreCopy() = default;
  virtual const std::string& epoch() const = 0;
  virtual uint64_t revision() const = 0;
  virtual uint64_t size_bytes() const = 0;
  // The next `most` bytes, or what is left; empty: that was all.
  virtual absl::StatusOr<std::string> Read(size_t most) = 0;
};

class Store {
 public:
  // Called in order of revision, each once, whole; short, and never calling
  // the store.
  using WatchCallback = std::function<void(const StoreEvent&)>;

  virtual ~Store() = default;

  // Random, made with the store, and anew when it was restored from a backup or
  // StoreWrite::new_epoch says so: revisions only compare within one epoch.
  virtual std::string epoch() const = 0;

  // As GetInfo tells it: "sqlite:/var/lib/sluice/sluice.db".
  virtual const std::string& location() const = 0;

  // Watchers that start at the newest revision read it once: they are told only
  // what changes.
  virtual Lineage lineage() = 0;

  virtual absl::StatusOr<PolicyStatePtr> Current() = 0;
  // OUT_OF_RANGE: not there yet, or compacted (the message says which).
  virtual absl::StatusOr<PolicyStatePtr> At(uint64_t revision) = 0;

  // Returns after the change is durable. ABORTED: see expected_revision.
  virtual absl::StatusOr<PolicyStatePtr> Commit(StoreWrite write) = 0;

  // Null when the id was never used or is forgotten.
  virtual absl::StatusOr<std::optional<RememberedAnswer>> FindAnswer(
      const std::string& request_id) = 0;

  // Makes a copy while the store is used: changes wait for a small part of it at
  // a time, at most. Blocks for as long as the disk takes; `cancelled` is asked
  // between the parts, and ends it with CANCELLED. One at a time, until its
  // reader is done: RESOURCE_EXHAUSTED. FAILED_PRECONDITION: this kind of store
  // has a way of its own to be backed up.
  virtual absl::StatusOr<std::unique_ptr<StoreCopy>> Copy(const std::function<bool()>& cancelled) = 0;

  // Newest first.
  virtual absl::StatusOr<std::vector<v1::Revision>> History(const HistoryQuery& query) = 0;

  // Replays what was committed after `after_revision`, then goes on live.
  // OUT_OF_RANGE when that was compacted: take Current() and watch from there.
  virtual absl::StatusOr<std::unique_ptr<StoreWatch>> Watch(uint64_t after_revision,
                                                            WatchCallback callback) = 0;
};

struct StoreLimits {
  // Revisions kept for history, rollback and watches; older ones are compacted.
  // 10,000 is months of changes by hand and a few MB.
  uint64_t keep_revisions = 10000;
  // And this much of them: a list of 10,000 endpoints takes 1 MB at each change.
  // What is in force is kept whatever its size, and a few revisions before it.
  uint64_t keep_bytes = 256 << 20;
  // Answers kept for repeated request ids.
  uint64_t keep_answers = 10000;
};

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_STORE_STORE_H_
