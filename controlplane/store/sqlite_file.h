// Opens the file of a store: locked, private, known to be a store, or made new.
// At the start of the program; from one thread.
#ifndef SLUICE_CONTROLPLANE_STORE_SQLITE_FILE_H_
#define SLUICE_CONTROLPLANE_STORE_SQLITE_FILE_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/store/sqlite_db.h"
#include "controlplane/store/store_files.h"

namespace sluice {

enum class StoreCreation {
  kIfMissing,
  // A store that is expected: where it is not there, it was lost.
  kNever,
};

struct StoreFile {
  // Absolute, links followed.
  std::string path;
  std::unique_ptr<StoreLock> lock;
  std::unique_ptr<SqliteDb> db;
};

// Errors tell what to do.
absl::StatusOr<StoreFile> OpenStoreFile(const std::string& path, StoreCreation creation);

// The path in "sqlite:PATH" or a plain path. INVALID_ARGUMENT, UNIMPLEMENTED.
absl::StatusOr<std::string> StorePathOf(const std::string& location);

// What to do about a store that cannot be opened.
absl::Status WithAdvice(const absl::Status& status);

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_STORE_SQLITE_FILE_H_
