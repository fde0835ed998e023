#include "controlplane/store/sqlite_copy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "controlplane/store/sqlite_revisions.h"
#include "controlplane/store/store_files.h"

namespace sluice {
namespace {

class FileCopy : public StoreCopy {
 public:
  FileCopy(int fd, uint64_t size, const CheckedStore& checked, std::function<void()> done)
      : fd_(fd), size_(size), epoch_(checked.header.epoch), revision_(checked.revision), done_(std::move(done)) {}

  ~FileCopy() override {
    close(fd_);
    done_();
  }

  const std::string& epoch() const override { return epoch_; }
  uint64_t revision() const override { return revision_; }
  uint64_t size_bytes() const override { return size_; }

  absl::StatusOr<std::string> Read(size_t most) override {
    std::string bytes(most, '\0');
    size_t size = 0;
    while (size < most) {
      const ssize_t count = read(fd_, bytes.data() + size, most - size);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return absl::DataLossError(absl::StrCat("the copy cannot be read: ", std::strerror(errno)));
      if (count == 0) break;
      size += static_cast<size_t>(count);
    }
    bytes.resize(size);
    return bytes;
  }

 private:
  const int fd_;
  const uint64_t size_;
  const std::string epoch_;
  const uint64_t revision_;
  const std::function<void()> done_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteDb>> OpenForCopy(const std::string& path, const std::string& name) {
  if (absl::Status status = MakePrivateFile(path); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<SqliteDb>> db = SqliteDb::Open(path, name, SqliteDb::Mode::kReadWrite);
  if (!db.ok()) return db.status();
  for (const char* pragma : {"PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF"}) {
    if (absl::Status status = (*db)->Run(pragma); !status.ok()) return status;
  }
  return db;
}

absl::StatusOr<CheckedStore> CheckStoreCopy(const std::string& path, const std::string& name) {
  absl::StatusOr<std::unique_ptr<SqliteDb>> db = SqliteDb::Open(path, name, SqliteDb::Mode::kReadWrite);
  if (!db.ok()) return db.status();
  absl::Status status = (*db)->Run("PRAGMA journal_mode = DELETE");
  if (status.ok()) status = (*db)->Run("PRAGMA synchronous = FULL");
  if (status.ok()) status = CheckStoreTables(**db);
  if (status.ok()) status = (*db)->CheckIntegrity();
  // A backup of a store of before has not all tables of today.
  if (status.ok()) status = CreateStoreTables(**db);
  if (!status.ok()) return status;
  CheckedStore checked;
  absl::StatusOr<StoreHeader> header = ReadStoreHeader(**db);
  if (!header.ok()) return header.status();
  absl::StatusOr<PolicyStatePtr> state = LoadState(**db, std::nullopt);
  if (!state.ok()) return state.status();
  checked.db = *std::move(db);
  checked.header = *std::move(header);
  checked.revision = (*state)->revision;
  checked.resources = (*state)->resources.size();
  return checked;
}

absl::StatusOr<std::unique_ptr<StoreCopy>> StreamStoreCopy(const std::string& path, CheckedStore checked,
                                                           std::function<void()> done) {
  checked.db.reset();
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info;
  if (fd < 0 || fstat(fd, &info) != 0) {
    const int error = errno;
    if (fd >= 0) close(fd);
    return absl::DataLossError(absl::StrCat("the copy ", path, " cannot be read: ", std::strerror(error)));
  }
  RemoveStoreFiles(path);
  return std::make_unique<FileCopy>(fd, static_cast<uint64_t>(info.st_size), checked, std::move(done));
}

}  // namespace sluice
