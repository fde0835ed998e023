#include "controlplane/store/store_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace sluice {
namespace {

constexpr const char* kBeside[] = {"-wal", "-shm", "-journal"};
constexpr absl::Duration kLockPoll = absl::Milliseconds(20);

absl::Status SystemError(const char* what, const std::string& path, int error) {
  const std::string message = absl::StrCat(what, " ", path, ": ", std::strerror(error));
  if (error == ENOSPC || error == EDQUOT) return absl::ResourceExhaustedError(message);
  return absl::PermissionDeniedError(message);
}

std::string FolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

absl::Status Sync(const std::string& path, int flags) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return SystemError("cannot open", path, errno);
  const int code = fsync(fd);
  const int error = errno;
  close(fd);
  return code == 0 ? absl::OkStatus() : SystemError("cannot write", path, error);
}

// A service that runs as somebody else could not open what root made.
void GiveToOwnerOf(const std::string& model, const std::string& path) {
  struct stat owner;
  if (geteuid() != 0 || stat(model.c_str(), &owner) != 0) return;
  // Where it cannot be given, it is root's, and starting tells what is wrong.
  if (lchown(path.c_str(), owner.st_uid, owner.st_gid) != 0) return;
}

int OpenLock(const std::string& path, int flags) {
  const std::string lock = absl::StrCat(path, ".lock");
  // For reading: it may be root's, who restored the store.
  return open(lock.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
}

}  // namespace

absl::StatusOr<std::unique_ptr<StoreLock>> StoreLock::Take(const std::string& path, absl::Duration patience) {
  const int fd = OpenLock(path, O_CREAT);
  if (fd < 0) return SystemError("cannot make", absl::StrCat(path, ".lock"), errno);
  GiveToOwnerOf(FolderOf(path), absl::StrCat(path, ".lock"));
  const absl::Time deadline = absl::Now() + patience;
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (absl::Now() >= deadline) {
      close(fd);
      return absl::UnavailableError(absl::StrCat(StoreName(path), " is in use by another process"));
    }
    absl::SleepFor(kLockPoll);
  }
  return std::unique_ptr<StoreLock>(new StoreLock(fd));
}

bool StoreLock::IsHeld(const std::string& path) {
  const int fd = OpenLock(path, 0);
  if (fd < 0) return false;
  const bool held = flock(fd, LOCK_SH | LOCK_NB) != 0;
  close(fd);
  return held;
}

StoreLock::~StoreLock() { close(fd_); }

absl::StatusOr<std::string> ResolveStorePath(const std::string& path) {
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::weakly_canonical(std::filesystem::absolute(path, error), error);
  if (error) return absl::NotFoundError(absl::StrCat(StoreName(path), ": ", error.message()));
  if (!std::filesystem::is_directory(whole.parent_path(), error)) {
    return absl::NotFoundError(
        absl::StrCat(StoreName(path), ": there is no folder ", whole.parent_path().string()));
  }
  return whole.string();
}

absl::Status MakePrivateFile(const std::string& path) {
  RemoveStoreFiles(path);
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return SystemError("cannot make", path, errno);
  const bool done = fchmod(fd, 0600) == 0;
  const int error = errno;
  close(fd);
  return done ? absl::OkStatus() : SystemError("cannot make", path, error);
}

void MakeStorePrivate(const std::string& path) {
  // Where the file is somebody else's, it stays as they made it.
  chmod(path.c_str(), 0600);
  for (const char* suffix : kBeside) chmod(absl::StrCat(path, suffix).c_str(), 0600);
}

void RemoveStoreFiles(const std::string& path) {
  unlink(path.c_str());
  for (const char* suffix : kBeside) unlink(absl::StrCat(path, suffix).c_str());
}

absl::Status MoveStoreFiles(const std::string& from, const std::string& to) {
  // The file itself first: should the power go here, nothing is in its place,
  // which every start tells, in place of a file without its newest changes.
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    const std::string file = absl::StrCat(from, suffix);
    if (rename(file.c_str(), absl::StrCat(to, suffix).c_str()) != 0 && errno != ENOENT) {
      return SystemError("cannot rename", file, errno);
    }
  }
  return Sync(FolderOf(from), O_RDONLY | O_DIRECTORY);
}

absl::Status PutStoreInPlace(const std::string& from, const std::string& to) {
  GiveToOwnerOf(access(to.c_str(), F_OK) == 0 ? to : FolderOf(to), from);
  if (absl::Status status = Sync(from, O_RDONLY); !status.ok()) return status;
  for (const char* suffix : kBeside) unlink(absl::StrCat(to, suffix).c_str());
  if (rename(from.c_str(), to.c_str()) != 0) return SystemError("cannot rename", from, errno);
  return Sync(FolderOf(to), O_RDONLY | O_DIRECTORY);
}

std::string StoreName(const std::string& path) { return absl::StrCat("store ", path); }

}  // namespace sluice
