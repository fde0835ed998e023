// The command line of sluice-server. main only.
#ifndef SLUICE_SERVER_OPTIONS_H_
#define SLUICE_SERVER_OPTIONS_H_

#include <optional>
#include <string>
#include <vector>

#include "proto/tls/tls_renewal.h"
#include "server/config/config_options.h"
#include "server/health/health_options.h"
#include "server/service/face_options.h"
#include "server/telemetry/attempt_log.h"

namespace sluice {

struct ServerOptions {
  FaceOptions face;
  ConfigOptions config;
  TlsRenewalOptions tls;  // without a certificate: plain text
  std::string metrics_listen = "127.0.0.1:9464";
  // Callers' connections at a time; 0: half of what the limit of descriptors leaves.
  int64_t max_connections = 0;
  int loops = 0;  // 0: as many as there are cores
  AttemptLogOptions call_log;
  HealthOptions health;
  // What the command line allows less of than it may seem to; told at start.
  std::vector<std::string> notes;
};

// Reads the command line. Nothing: the program is to end with *exit_code at
// once; help or a one-line error was printed.
std::optional<ServerOptions> ParseOptions(int argc, char** argv, int* exit_code);

}  // namespace sluice

#endif  // SLUICE_SERVER_OPTIONS_H_
