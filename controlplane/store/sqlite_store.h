// The embedded store: one SQLite file, WAL, synchronous=FULL, held exclusively
// by one process. Any thread may call; one mutex, as commits are few and short.
#ifndef SLUICE_CONTROLPLANE_STORE_SQLITE_STORE_H_
#define SLUICE_CONTROLPLANE_STORE_SQLITE_STORE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "controlplane/store/store.h"

namespace sluice {

// `clock` gives the commit times; null: the system's. Errors are one line that
// names the path: in use, damaged, of another schema, not writable.
//
// `new_epoch` is for a store that was restored from a backup: data planes may
// have later revisions of it than it has itself, and must take its own for
// different ones.
absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path, const StoreLimits& limits,
                                                       std::function<absl::Time()> clock = nullptr,
                                                       bool new_epoch = false);

// "sqlite:PATH" or a plain path. INVALID_ARGUMENT names what is wrong.
absl::StatusOr<std::unique_ptr<Store>> OpenStore(const std::string& location, const StoreLimits& limits,
                                                 bool new_epoch = false);

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_STORE_SQLITE_STORE_H_
