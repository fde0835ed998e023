// The command line of sluice-controlplane.
#ifndef SLUICE_CONTROLPLANE_OPTIONS_H_
#define SLUICE_CONTROLPLANE_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "controlplane/admin/policy_editor.h"
#include "controlplane/push/push_hub.h"
#include "controlplane/store/restore.h"
#include "controlplane/store/sqlite_store.h"
#include "controlplane/store/store.h"
#include "proto/log/log_line.h"
#include "proto/tls/tls_renewal.h"

namespace sluice {

struct Options {
  std::string listen = "127.0.0.1:8444";
  std::string metrics_listen = "127.0.0.1:9465";
  std::string store = "./sluice.db";
  // A first start by the default path may make the store; one that was named is
  // expected to be there, unless --create says otherwise.
  bool create = false;
  StoreCreation store_creation = StoreCreation::kIfMissing;
  StoreLimits store_limits;
  EditorLimits editor_limits;
  PushSettings push;
  // Without a certificate: no TLS.
  TlsRenewalOptions tls;
  // Policies of 10,000 endpoints fit easily.
  int max_request_bytes = 16 << 20;
  // Connections at a time; 0: what the limit of descriptors leaves.
  int64_t max_connections = 0;
  // What has sent nothing by then, or not ended its greetings, is closed.
  absl::Duration handshake_timeout = absl::Seconds(10);
  // How long data planes are given to leave when the program ends.
  absl::Duration shutdown_grace = absl::Seconds(2);
  LogFormat log_format = LogFormat::kText;
  // Set: bring the store back from a backup and end.
  std::optional<RestoreRequest> restore;
};

// Nullopt: nothing is left to do but to exit with `exit_code` (help and version
// were printed, or what is wrong).
std::optional<Options> ParseOptions(int argc, char** argv, int& exit_code);

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_OPTIONS_H_
