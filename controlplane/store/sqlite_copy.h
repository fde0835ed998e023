// Copies of SQLite stores: for backups, and what a restore puts in place. The
// same steps for both, so that what can be backed up can be restored.
#ifndef SLUICE_CONTROLPLANE_STORE_SQLITE_COPY_H_
#define SLUICE_CONTROLPLANE_STORE_SQLITE_COPY_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "controlplane/store/sqlite_db.h"
#include "controlplane/store/sqlite_schema.h"
#include "controlplane/store/store.h"

namespace sluice {

// A store's file that nobody else has open, looked at from end to end.
struct CheckedStore {
  std::unique_ptr<SqliteDb> db;
  StoreHeader header;
  uint64_t revision = 0;
  size_t resources = 0;
};

// Opens a copy that was just written, makes one file of it (no WAL beside it),
// and reads all of it back: pages, tables, header, every resource.
absl::StatusOr<CheckedStore> CheckStoreCopy(const std::string& path, const std::string& name);

// Pages in a step: 256 KiB, a millisecond or two.
inline constexpr int kPagesPerStep = 64;

// Where a copy is written: without a journal, as a copy that is not finished is
// of no use.
absl::StatusOr<std::unique_ptr<SqliteDb>> OpenForCopy(const std::string& path, const std::string& name);

// The copy as a stream of bytes; `checked` is closed. Its file has no name from
// here on: it goes with this, or with the process. `done` is called at the end
// of that.
absl::StatusOr<std::unique_ptr<StoreCopy>> StreamStoreCopy(const std::string& path, CheckedStore checked,
                                                           std::function<void()> done);

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_STORE_SQLITE_COPY_H_
