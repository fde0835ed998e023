#include "proto/listen/handed_over.h"

#include <sys/stat.h>

namespace sluice {
namespace {

uint64_t InodeOf(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

}  // namespace

size_t HandedOver::Add(int fd) {
  const auto at = static_cast<size_t>(fd);
  if (at >= inodes_.size()) inodes_.resize(at + 1);
  const size_t closed = inodes_[at] != 0 ? 1 : 0;
  inodes_[at] = InodeOf(fd);
  size_ += 1 - closed;
  return closed;
}

size_t HandedOver::Look(size_t most) {
  size_t closed = 0, looked = 0;
  for (size_t passed = 0; passed < inodes_.size() && looked < most; ++passed) {
    const size_t at = next_;
    next_ = next_ + 1 < inodes_.size() ? next_ + 1 : 0;
    if (inodes_[at] == 0) continue;
    ++looked;
    if (InodeOf(static_cast<int>(at)) == inodes_[at]) continue;
    inodes_[at] = 0;
    ++closed;
  }
  size_ -= closed;
  return closed;
}

}  // namespace sluice
