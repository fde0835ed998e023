// sluice-controlplane: keeps policies and pushes them to data planes.
#include <csignal>
#include <iostream>

#include "absl/time/clock.h"
#include "controlplane/options.h"
#include "controlplane/server.h"
#include "controlplane/store/restore.h"
#include "controlplane/telemetry/log.h"
#include "spdlog/spdlog.h"

namespace {

int Restore(const sluice::RestoreRequest& request) {
  absl::StatusOr<sluice::RestoreResult> result = sluice::RestoreStore(request, absl::Now());
  if (!result.ok()) {
    std::cerr << "sluice-controlplane: " << result.status().message() << "\n";
    return 1;
  }
  std::cout << sluice::RestoreText(request, *result) << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  int exit_code = 0;
  std::optional<sluice::Options> options = sluice::ParseOptions(argc, argv, exit_code);
  if (!options.has_value()) return exit_code;
  if (options->restore.has_value()) return Restore(*options->restore);
  sluice::SetUpLog(options->log_format);

  // Every thread inherits the mask, so that only sigwait below sees them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
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
  sigwait(&signals, &signal);
  spdlog::info("{}: asking data planes to leave, then stopping", signal == SIGTERM ? "SIGTERM" : "SIGINT");
  (*server)->Stop();
  return 0;
}
