// What the SQLite file of a store holds: tables, and a header that says which
// store it is. Free functions, used by whoever owns the connection.
#ifndef SLUICE_CONTROLPLANE_STORE_SQLITE_SCHEMA_H_
#define SLUICE_CONTROLPLANE_STORE_SQLITE_SCHEMA_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/store/sqlite_db.h"
#include "controlplane/store/store.h"

namespace sluice {

struct StoreHeader {
  std::string epoch;
  // Revisions up to and including this one are gone.
  uint64_t compacted = 0;
  Lineage lineage;
};

// What a file is by its first bytes, before SQLite touches it: a regular file
// that begins as those of SQLite do. `name` is what errors call it. NOT_FOUND,
// DATA_LOSS (empty, or something else).
absl::Status CheckStoreFile(const std::string& path, const std::string& name);

// Whether the database is a store: by its application id, where it has one, and
// by its tables. DATA_LOSS tells whether it is something else or a store that
// lost some.
absl::Status CheckStoreTables(SqliteDb& db);

// Tables that are missing, and the header of a new store. Within a transaction
// of the caller's.
absl::Status CreateStoreTables(SqliteDb& db);
absl::Status CreateStoreHeader(SqliteDb& db);

// DATA_LOSS: not there or not readable; FAILED_PRECONDITION: of another schema.
absl::StatusOr<StoreHeader> ReadStoreHeader(SqliteDb& db);

// A restored copy: a new epoch, whose parent is what the header says, and which
// replaces it, what it replaced, and `also`. Within a transaction of the
// caller's. Returns the header then.
absl::StatusOr<StoreHeader> BeginEpoch(SqliteDb& db, const StoreHeader& header, uint64_t revision,
                                       const std::vector<std::string>& also);

absl::Status WriteStoreMeta(SqliteDb& db, std::string_view key, const std::string& value);

// See StoreWrite::replaces_epochs. Returns all there are then.
absl::StatusOr<std::vector<std::string>> AddReplacedEpochs(SqliteDb& db, const std::string& own_epoch,
                                                           const std::vector<std::string>& epochs);

// Random: two stores never have the same.
std::string NewEpoch();

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_STORE_SQLITE_SCHEMA_H_
