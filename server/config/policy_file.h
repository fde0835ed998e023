// Policies from a file or folder: for a data plane without a control plane.
// Config worker only.
#ifndef SLUICE_SERVER_CONFIG_POLICY_FILE_H_
#define SLUICE_SERVER_CONFIG_POLICY_FILE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/config/local_file_watch.h"
#include "server/config/policy_compiler.h"

namespace sluice {

struct PolicyFileResult {
  std::shared_ptr<const RouteTable> table;  // null if there are errors
  std::vector<std::string> errors;          // "policy.yaml:14: route/chat: …", all of them
  std::vector<v1::Resource> resources;      // as far as they were read
  LocalFileWatch::Stamps files;             // that they name, as they were then
};

// Loads, validates and compiles; the epoch is empty. `now` of the loops' clock.
PolicyFileResult LoadPolicyFile(const std::string& path, uint64_t revision, PolicyCompiler& compiler, TimePoint now);

// Changes when the file, or a file of the folder, does: names, times, sizes.
std::string PolicyFileFingerprint(const std::string& path);

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_POLICY_FILE_H_
