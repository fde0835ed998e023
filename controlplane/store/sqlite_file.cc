#include "controlplane/store/sqlite_file.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "controlplane/store/sqlite_schema.h"

namespace sluice {
namespace {

// Made aside and put in place whole: a start that is cut short leaves no empty
// file, which the next would have to refuse.
absl::Status CreateStoreFile(const std::string& path, const std::string& name) {
  const std::string fresh = absl::StrCat(path, kCreateSuffix);
  if (absl::Status status = MakePrivateFile(fresh); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<SqliteDb>> db = SqliteDb::Open(fresh, name, SqliteDb::Mode::kReadWrite);
  if (!db.ok()) return db.status();
  SqliteTransaction transaction(**db);
  absl::Status status = transaction.Begin();
  if (status.ok()) status = CreateStoreTables(**db);
  if (status.ok()) status = CreateStoreHeader(**db);
  if (status.ok()) status = transaction.Commit();
  if (!status.ok()) return status;
  db->reset();
  return PutStoreInPlace(fresh, path);
}

}  // namespace

absl::StatusOr<StoreFile> OpenStoreFile(const std::string& path, StoreCreation creation) {
  absl::StatusOr<std::string> resolved = ResolveStorePath(path);
  if (!resolved.ok()) return resolved.status();
  const std::string name = StoreName(*resolved);
  const absl::Status found = CheckStoreFile(*resolved, name);
  const bool create = absl::IsNotFound(found) && creation == StoreCreation::kIfMissing;
  if (!found.ok() && !create) return WithAdvice(found);
  absl::StatusOr<std::unique_ptr<StoreLock>> lock = StoreLock::Take(*resolved, kLockPatience);
  if (!lock.ok()) return lock.status();
  // What processes that were killed left of their work.
  for (const char* suffix : {kCopySuffix, kCreateSuffix, kRestoreSuffix}) {
    RemoveStoreFiles(absl::StrCat(*resolved, suffix));
  }
  // Somebody else may have made it meanwhile.
  if (create && absl::IsNotFound(CheckStoreFile(*resolved, name))) {
    if (absl::Status status = CreateStoreFile(*resolved, name); !status.ok()) return status;
  }
  MakeStorePrivate(*resolved);
  absl::StatusOr<std::unique_ptr<SqliteDb>> db = SqliteDb::Open(*resolved, name, SqliteDb::Mode::kReadWrite);
  if (!db.ok()) return WithAdvice(db.status());
  return StoreFile{*std::move(resolved), *std::move(lock), *std::move(db)};
}

absl::StatusOr<std::string> StorePathOf(const std::string& location) {
  std::string path = location;
  if (absl::StartsWith(location, "sqlite:")) {
    path = location.substr(7);
  } else if (absl::StartsWith(location, "etcd:")) {
    return absl::UnimplementedError(
        absl::StrCat("store ", location, ": etcd is not served by this version; write sqlite:PATH"));
  }
  // "redis:x" is no file of that name; a path with a colon has a slash before it.
  const size_t colon = path.find(':');
  if (path == location && colon != std::string::npos && path.find('/') > colon) {
    return absl::InvalidArgumentError(absl::StrCat("store ", location, ": \"", path.substr(0, colon),
                                                   "\" is no kind of store; write sqlite:PATH"));
  }
  if (path.empty()) return absl::InvalidArgumentError("store: the path is missing; write sqlite:PATH");
  return path;
}

absl::Status WithAdvice(const absl::Status& status) {
  constexpr const char* kRestore = "'sluice-controlplane restore' brings one back from a backup";
  if (absl::IsNotFound(status)) {
    return absl::NotFoundError(absl::StrCat(status.message(), "; --create makes a new one, ", kRestore));
  }
  if (absl::IsDataLoss(status)) {
    return absl::DataLossError(
        absl::StrCat(status.message(), "; ", kRestore, ", or move the file away and let --create make a new one"));
  }
  return status;
}

}  // namespace sluice
