#include "proto/connection/whole_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

// The file that a link leads to is replaced, not the link.
std::string Resolved(const std::string& path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::weakly_canonical(path, error);
  return error ? path : real.string();
}

std::string FolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

}  // namespace

WholeFile::~WholeFile() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

absl::Status WholeFile::Failed(std::string_view what) const {
  return absl::UnavailableError(absl::StrCat("cannot ", std::string(what), " ", path_, ": ", std::strerror(errno)));
}

absl::Status WholeFile::Open(const std::string& path) {
  path_ = Resolved(path);
  const std::string name = std::filesystem::path(path_).filename().string();
  std::string pattern = absl::StrCat(FolderOf(path_), "/.", name, ".XXXXXX");
  // 0600 from the first moment.
  fd_ = mkostemp(pattern.data(), O_CLOEXEC);
  if (fd_ < 0) return Failed("write");
  temporary_ = pattern;
  return absl::OkStatus();
}

absl::Status WholeFile::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return Failed("write");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status WholeFile::Flush() { return fsync(fd_) == 0 ? absl::OkStatus() : Failed("write"); }

absl::Status WholeFile::Commit() {
  if (const absl::Status flushed = Flush(); !flushed.ok()) return flushed;
  if (rename(temporary_.c_str(), path_.c_str()) != 0) return Failed("write");
  temporary_.clear();
  // So that the name is there after a power cut too.
  const int folder = open(FolderOf(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    fsync(folder);
    close(folder);
  }
  return absl::OkStatus();
}

}  // namespace sluice
