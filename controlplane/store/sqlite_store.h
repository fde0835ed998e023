// The embedded store: one SQLite file, WAL, synchronous=FULL. One process has it
// open (PATH.lock says so); tools may read it meanwhile. WAL needs memory that
// all of them share, so the file must be on a local disk, not on NFS. Any
// thread may call; one mutex, as commits are few and short.
#ifndef SLUICE_CONTROLPLANE_STORE_SQLITE_STORE_H_
#define SLUICE_CONTROLPLANE_STORE_SQLITE_STORE_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "controlplane/store/sqlite_file.h"
#include "controlplane/store/store.h"

namespace sluice {

// `clock` gives the commit times; null: the system's. Errors are one line that
// names the path and what to do: in use, missing, empty, damaged, of another
// schema, something else, not writable.
absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path, const StoreLimits& limits,
                                                       std::function<absl::Time()> clock = nullptr,
                                                       StoreCreation creation = StoreCreation::kIfMissing);

// "sqlite:PATH" or a plain path. INVALID_ARGUMENT names what is wrong.
absl::StatusOr<std::unique_ptr<Store>> OpenStore(const std::string& location, const StoreLimits& limits,
                                                 StoreCreation creation = StoreCreation::kIfMissing);

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_STORE_SQLITE_STORE_H_
