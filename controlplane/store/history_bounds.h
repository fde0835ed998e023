// Keeps the history of a store within its limits: says what is too old, and
// compacts it. Used by SqliteStore only, under its mutex.
#ifndef SLUICE_CONTROLPLANE_STORE_HISTORY_BOUNDS_H_
#define SLUICE_CONTROLPLANE_STORE_HISTORY_BOUNDS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/store/sqlite_db.h"
#include "controlplane/store/store.h"

namespace sluice {

class HistoryBounds {
 public:
  explicit HistoryBounds(const StoreLimits& limits) : limits_(limits) {}

  // Revisions up to and including this one are gone.
  uint64_t compacted() const { return compacted_; }

  // At opening.
  absl::Status Start(SqliteDb& db, uint64_t compacted);
  // Within the transaction that makes `newest`. Returns the revision up to which
  // is compacted once it is committed.
  absl::StatusOr<uint64_t> Compact(SqliteDb& db, uint64_t newest);
  // After that commit: what Compact returned, and what the revision added.
  void Committed(SqliteDb& db, uint64_t compacted, const StoreEvent& event);

 private:
  absl::Status Measure(SqliteDb& db);
  absl::StatusOr<uint64_t> NewestBeyondBytes(SqliteDb& db, uint64_t newest);

  const StoreLimits limits_;
  uint64_t compacted_ = 0;
  // Of records and resources, all revisions; and from when on it is too much.
  uint64_t bytes_ = 0;
  uint64_t compact_above_ = 0;
};

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_STORE_HISTORY_BOUNDS_H_
