// What a data plane runs and where it came from; for metrics, health and
// logs. Free of gRPC and protobuf.
#ifndef SLUICE_SERVER_CONFIG_CONFIG_STATUS_H_
#define SLUICE_SERVER_CONFIG_CONFIG_STATUS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace sluice {

// As sluice.v1.ConfigSource.
enum class ConfigSource { kNone = 1, kControlPlane = 2, kLastKnownGood = 3, kFile = 4 };

// "none", "control_plane", "last_known_good", "file".
inline std::string_view ConfigSourceName(ConfigSource source) {
  switch (source) {
    case ConfigSource::kNone: return "none";
    case ConfigSource::kControlPlane: return "control_plane";
    case ConfigSource::kLastKnownGood: return "last_known_good";
    case ConfigSource::kFile: return "file";
  }
  return "none";
}

struct ConfigStatus {
  ConfigSource source = ConfigSource::kNone;
  std::string epoch;      // empty for a file
  uint64_t revision = 0;  // of the table in force; counts reloads for a file
  // When what is in force was applied; for last-known-good, when it was
  // applied back then. InfinitePast: never.
  absl::Time applied_at = absl::InfinitePast();
  // The control plane's stream is up.
  bool connected = false;
  // Why the last update, load or connection failed; empty after a success.
  std::string last_error;

  uint64_t updates_applied = 0;
  uint64_t updates_refused = 0;  // NACKs, and files that were not valid
  uint64_t connects = 0;         // streams that were opened
  // From the revision's commit to its being in force here, of the last update;
  // the clocks of two machines, so never below zero but not exact.
  std::optional<absl::Duration> push_latency;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_CONFIG_STATUS_H_
