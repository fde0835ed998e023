// sluice-controlplane: keeps policies and pushes them to data planes.
#include <csignal>
#include <iostream>

#include "controlplane/options.h"
#include "controlplane/server.h"
#include "controlplane/telemetry/log.h"
#include "spdlog/spdlog.h"

int main(int argc, char** argv) {
  int exit_code = 0;
  std::optional<sluice::Options> options = sluice::ParseOptions(argc, argv, exit_code);
  if (!options.has_value()) return exit_code;
  sluice::SetUpLog(options->log_format);

  // Every thread inherits the mask, so that only sigwait below sees them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  auto server = sluice::ControlPlaneServer::Start(*options);
  if (!server.ok()) {
    std::cerr << "sluice-controlplane: " << server.status().message() << "\n";
    return 1;
  }
  std::cout << "listening on " << (*server)->address() << ", metrics on " << (*server)->metrics_address()
            << std::endl;
  int signal = 0;
  while (sigwait(&signals, &signal) != 0 || signal == SIGHUP) {
    if (signal != SIGHUP) continue;
    spdlog::info("SIGHUP: reading certificates and authorities again");
    (*server)->Reload();
  }
  spdlog::info("{}: asking data planes to leave, then stopping", signal == SIGTERM ? "SIGTERM" : "SIGINT");
  (*server)->Stop();
  return 0;
}
