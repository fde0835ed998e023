// A file that is there whole or not at all: written beside its place, synced,
// then renamed. Used for what must not be half: backups, and the contexts of
// the command line. One thread.
#ifndef SLUICE_PROTO_CONNECTION_WHOLE_FILE_H_
#define SLUICE_PROTO_CONNECTION_WHOLE_FILE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace sluice {

class WholeFile {
 public:
  WholeFile() = default;
  // Removes what was not committed.
  ~WholeFile();
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  // Begins a file that only its owner may read (0600), in the folder of `path`.
  // Errors of all of these name the path and what the system said.
  absl::Status Open(const std::string& path);
  absl::Status Write(std::string_view bytes);
  // On disk under its other name; still not at its place.
  absl::Status Flush();
  // At its place, over what was there.
  absl::Status Commit();

  // Where it is until then; "" before Open.
  const std::string& temporary_path() const { return temporary_; }

 private:
  absl::Status Failed(std::string_view what) const;

  std::string path_;
  std::string temporary_;
  int fd_ = -1;
};

}  // namespace sluice

#endif  // SLUICE_PROTO_CONNECTION_WHOLE_FILE_H_
