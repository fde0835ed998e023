// Brings a store back from a backup. By the program itself, while no control
// plane has the store open; from one thread.
#ifndef SLUICE_CONTROLPLANE_STORE_RESTORE_H_
#define SLUICE_CONTROLPLANE_STORE_RESTORE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sluice {

struct RestoreRequest {
  // The backup: a whole SQLite file of a store, from any way of copying one.
  std::string from;
  // "sqlite:PATH" or a plain path.
  std::string store;
  // Where a store is in the place already: it is kept beside, not refused.
  bool force = false;
};

struct RestoreResult {
  std::string path;
  uint64_t revision = 0;
  size_t resources = 0;
  // Of the backup, and of the store from now on: data planes may have later
  // revisions of the parent than the backup has.
  std::string parent_epoch;
  std::string epoch;
  // Where what was in the place is kept; empty: nothing was.
  std::string kept;
};

// Checks all of the backup before anything is changed. Then the store is whole
// in its place, or all is as it was. Its epoch is new, and replaces that of the
// backup, that of the store in its place (where it can be read), and what those
// replaced: data planes of them take it. Errors are one line.
absl::StatusOr<RestoreResult> RestoreStore(const RestoreRequest& request, absl::Time now);

// One line of what was done.
std::string RestoreText(const RestoreRequest& request, const RestoreResult& result);

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_STORE_RESTORE_H_
