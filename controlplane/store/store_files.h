// The files that a store is: its lock, who may read them, and how a new one
// comes into its place. Any thread, but each path by one caller at a time: who
// holds its lock.
#ifndef SLUICE_CONTROLPLANE_STORE_STORE_FILES_H_
#define SLUICE_CONTROLPLANE_STORE_STORE_FILES_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sluice {

// Where new files are written before they take their place, beside the store.
inline constexpr const char* kCopySuffix = ".copying";
inline constexpr const char* kCreateSuffix = ".creating";
inline constexpr const char* kRestoreSuffix = ".restoring";

// A process that was just killed holds its lock for a moment longer.
inline constexpr absl::Duration kLockPatience = absl::Seconds(2);

// Held by the process that has the store open, or restores it: a file "PATH.lock"
// that stays, as one that is removed could be held twice. It is no file of
// SQLite's, so readers with tools of their own go on beside it.
class StoreLock {
 public:
  // UNAVAILABLE: held by another process for all of `patience`.
  static absl::StatusOr<std::unique_ptr<StoreLock>> Take(const std::string& path, absl::Duration patience);
  // Whether some process holds it now.
  static bool IsHeld(const std::string& path);
  ~StoreLock();
  StoreLock(const StoreLock&) = delete;
  StoreLock& operator=(const StoreLock&) = delete;

 private:
  explicit StoreLock(int fd) : fd_(fd) {}
  const int fd_;
};

// The file itself where `path` leads over symbolic links, so that one store has
// one lock. NOT_FOUND: there is no such folder.
absl::StatusOr<std::string> ResolveStorePath(const std::string& path);

// An empty file, for the owner alone whatever the umask is. One that is left of
// a process that was killed is removed first.
absl::Status MakePrivateFile(const std::string& path);
// Takes the rights of all others away, of what SQLite keeps beside it too.
void MakeStorePrivate(const std::string& path);

// Removes the file and what SQLite keeps beside it. It may not be there.
void RemoveStoreFiles(const std::string& path);
// Renames them, each as far as it is there.
absl::Status MoveStoreFiles(const std::string& from, const std::string& to);

// Lets the closed file `from` take the place of `to`, durably: whoever looks
// finds all of it, or what was there. What SQLite left of the one before is
// removed: it would be read as part of the new one. As root, it belongs to
// whom the one before belonged to, else to the owner of the folder.
absl::Status PutStoreInPlace(const std::string& from, const std::string& to);

// "store /x/sluice.db", as all messages call it.
std::string StoreName(const std::string& path);

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_STORE_STORE_FILES_H_
