// The last configuration that was put in force, on disk, so that a data plane
// boots without its control plane. Two generations; each written whole or not
// at all; what does not check out is not used. Holds no secret: policies only
// name them.
#ifndef SLUICE_SERVER_CONFIG_LAST_KNOWN_GOOD_H_
#define SLUICE_SERVER_CONFIG_LAST_KNOWN_GOOD_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/config/resource_set.h"

namespace sluice {

// The schema of policy.proto that this binary reads and writes.
inline constexpr uint32_t kPolicySchemaVersion = 1;

struct SavedConfig {
  ResourceSet set;
  absl::Time saved_at;
  std::string path;
};

// The file's bytes and back; hostile bytes are refused, never trusted.
std::string EncodeSavedConfig(const ResourceSet& set, absl::Time saved_at);
absl::StatusOr<SavedConfig> DecodeSavedConfig(std::string_view bytes);

// One per process and folder. Not thread-safe.
class LastKnownGood {
 public:
  // Makes the folder if it is not there, and locks it: two data planes must not share
  // one. Errors name the folder.
  static absl::StatusOr<std::unique_ptr<LastKnownGood>> Open(const std::string& folder);
  ~LastKnownGood();

  // The generations that check out, newest first; what is wrong with others
  // goes to `problems`, one line each.
  std::vector<SavedConfig> Load(std::vector<std::string>& problems) const;

  // On disk for good when it returns OK; the one before becomes the older
  // generation. The time is an argument.
  absl::Status Save(const ResourceSet& set, absl::Time now);

 private:
  LastKnownGood(std::string folder, int folder_fd) : folder_(std::move(folder)), folder_fd_(folder_fd) {}

  const std::string folder_;
  const int folder_fd_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_LAST_KNOWN_GOOD_H_
