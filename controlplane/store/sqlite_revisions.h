// Revisions in the SQLite file of a store: read and written. Free functions on
// the caller's connection; errors name the store.
#ifndef SLUICE_CONTROLPLANE_STORE_SQLITE_REVISIONS_H_
#define SLUICE_CONTROLPLANE_STORE_SQLITE_REVISIONS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/store/sqlite_db.h"
#include "controlplane/store/store.h"

namespace sluice {

// The newest version of each resource up to `revision` (all, if not given).
absl::StatusOr<PolicyStatePtr> LoadState(SqliteDb& db, std::optional<uint64_t> revision);

// What one revision changed; without replaces_epochs.
absl::StatusOr<StoreEvent> LoadEvent(SqliteDb& db, uint64_t revision);

// Newest first; `newest` is the newest revision there is.
absl::StatusOr<std::vector<v1::Revision>> LoadHistory(SqliteDb& db, const HistoryQuery& query, uint64_t newest);

// Gives `record` number and time of the event.
absl::Status InsertRevision(SqliteDb& db, const StoreEvent& event, v1::Revision& record);

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_STORE_SQLITE_REVISIONS_H_
