#include "controlplane/store/restore.h"

#include <filesystem>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controlplane/store/sqlite_copy.h"
#include "controlplane/store/sqlite_file.h"
#include "controlplane/store/sqlite_schema.h"
#include "controlplane/store/store_files.h"

namespace sluice {
namespace {

uint64_t SizeOf(const std::string& path) {
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

// Refused before the lock is made, so that a wrong command leaves nothing.
absl::Status CheckRequest(const RestoreRequest& request, const std::string& path, const std::string& backup) {
  if (absl::Status status = CheckStoreFile(request.from, backup); !status.ok()) return status;
  std::error_code error;
  if (std::filesystem::equivalent(request.from, path, error)) {
    return absl::InvalidArgumentError(absl::StrCat(backup, " is the store itself; name a copy of it"));
  }
  if (std::filesystem::is_directory(path, error)) {
    return absl::InvalidArgumentError(absl::StrCat(StoreName(path), " is a folder; name a file"));
  }
  if (StoreLock::IsHeld(request.from)) {
    return absl::FailedPreconditionError(
        absl::StrCat(backup, " is the store of a running control plane; take a backup of it with 'sluicectl backup'"));
  }
  if (SizeOf(path) > 0 && !request.force) {
    return absl::FailedPreconditionError(
        absl::StrCat(StoreName(path), " is there already; --force keeps it beside and restores over it"));
  }
  return absl::OkStatus();
}

// A copy of the store's three files is read with its WAL, everything else as a
// file of its own: from a medium that cannot be written too.
absl::StatusOr<std::unique_ptr<SqliteDb>> OpenForReading(const std::string& path, const std::string& name) {
  const bool has_wal = SizeOf(absl::StrCat(path, "-wal")) > 0;
  return SqliteDb::Open(path, name, has_wal ? SqliteDb::Mode::kReadOnly : SqliteDb::Mode::kReadOnlyAlone);
}

absl::Status CopyBackup(const std::string& from, const std::string& backup, const std::string& to,
                        const std::string& name) {
  absl::StatusOr<std::unique_ptr<SqliteDb>> source = OpenForReading(from, backup);
  if (!source.ok()) return source.status();
  if (absl::Status status = CheckStoreTables(**source); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<SqliteDb>> target = OpenForCopy(to, name);
  if (!target.ok()) return target.status();
  absl::StatusOr<std::unique_ptr<SqliteCopier>> copier = SqliteCopier::Begin(**source, **target);
  if (!copier.ok()) return copier.status();
  absl::StatusOr<bool> done = false;
  while (done.ok() && !*done) done = (*copier)->Step(kPagesPerStep);
  return done.status();
}

// The data planes may follow the store that is replaced, so its epoch counts as
// replaced too. It may be too damaged to tell.
std::vector<std::string> EpochsOf(const std::string& path) {
  std::vector<std::string> epochs;
  if (SizeOf(path) == 0) return epochs;
  absl::StatusOr<std::unique_ptr<SqliteDb>> db = OpenForReading(path, StoreName(path));
  if (!db.ok() || !CheckStoreTables(**db).ok()) return epochs;
  absl::StatusOr<StoreHeader> header = ReadStoreHeader(**db);
  if (!header.ok()) return epochs;
  epochs = std::move(header->lineage.replaces_epochs);
  epochs.push_back(header->epoch);
  return epochs;
}

// The copy becomes a store of its own, closed.
absl::Status MakeStoreOf(const std::string& copy, const std::string& backup, const std::vector<std::string>& replaced,
                         RestoreResult& result) {
  // What is wrong with the copy is wrong with what it was copied from.
  absl::StatusOr<CheckedStore> checked = CheckStoreCopy(copy, backup);
  if (!checked.ok()) return checked.status();
  SqliteTransaction transaction(*checked->db);
  if (absl::Status status = transaction.Begin(); !status.ok()) return status;
  absl::StatusOr<StoreHeader> header = BeginEpoch(*checked->db, checked->header, checked->revision, replaced);
  if (!header.ok()) return header.status();
  if (absl::Status status = transaction.Commit(); !status.ok()) return status;
  result.revision = checked->revision;
  result.resources = checked->resources;
  result.parent_epoch = checked->header.epoch;
  result.epoch = header->epoch;
  return absl::OkStatus();
}

absl::Status PutInPlace(const std::string& copy, absl::Time now, RestoreResult& result) {
  if (SizeOf(result.path) > 0) {
    result.kept = absl::StrCat(result.path, ".before-restore-",
                               absl::FormatTime("%Y%m%dT%H%M%SZ", now, absl::UTCTimeZone()));
    if (SizeOf(result.kept) > 0) {
      return absl::AlreadyExistsError(absl::StrCat(result.kept, " is there already; try again in a second"));
    }
    if (absl::Status status = MoveStoreFiles(result.path, result.kept); !status.ok()) return status;
  }
  absl::Status status = PutStoreInPlace(copy, result.path);
  if (!status.ok() && !result.kept.empty()) MoveStoreFiles(result.kept, result.path).IgnoreError();
  return status;
}

}  // namespace

absl::StatusOr<RestoreResult> RestoreStore(const RestoreRequest& request, absl::Time now) {
  absl::StatusOr<std::string> named = StorePathOf(request.store);
  if (!named.ok()) return named.status();
  absl::StatusOr<std::string> path = ResolveStorePath(*named);
  if (!path.ok()) return path.status();
  const std::string backup = absl::StrCat("backup ", request.from);
  if (absl::Status status = CheckRequest(request, *path, backup); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<StoreLock>> lock = StoreLock::Take(*path, kLockPatience);
  if (!lock.ok()) return absl::Status(lock.status().code(), absl::StrCat(lock.status().message(), "; stop it first"));
  RestoreResult result;
  result.path = *path;
  const std::string copy = absl::StrCat(*path, kRestoreSuffix);
  absl::Status status = CopyBackup(request.from, backup, copy, absl::StrCat("the copy ", copy));
  if (status.ok()) status = MakeStoreOf(copy, backup, EpochsOf(*path), result);
  if (status.ok()) status = PutInPlace(copy, now, result);
  if (status.ok()) return result;
  RemoveStoreFiles(copy);
  return status;
}

std::string RestoreText(const RestoreRequest& request, const RestoreResult& result) {
  return absl::StrCat("restored ", result.path, " from ", request.from, ": revision ", result.revision, " with ",
                      result.resources, " resources of epoch ", result.parent_epoch, ", now of the new epoch ",
                      result.epoch,
                      result.kept.empty() ? "" : absl::StrCat("; what was there is kept as ", result.kept));
}

}  // namespace sluice
