// sluice-controlplane: keeps policies and pushes them to data planes.
#include <unistd.h>

#include <csignal>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "controlplane/options.h"
#include "controlplane/server.h"
#include "controlplane/store/restore.h"
#include "grpc/support/log.h"
#include "proto/log/output.h"
#include "proto/log/program_log.h"
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

// At debug level: its own lines repeat what we say better.
void FromGrpc(gpr_log_func_args* args) { spdlog::debug("grpc: {}", args->message); }

// Every thread inherits the mask, so that only sigwait sees them.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

}  // namespace

int main(int argc, char** argv) {
  int exit_code = 0;
  std::optional<sluice::Options> options = sluice::ParseOptions(argc, argv, exit_code);
  if (!options.has_value()) return exit_code;
  if (options->restore.has_value()) return Restore(*options->restore);
  const sigset_t signals = BlockSignals();
  sluice::ProgramLog log(options->log_format);
  gpr_set_log_function(FromGrpc);

  auto server = sluice::ControlPlaneServer::Start(*options, log.writer());
  if (!server.ok()) {
    sluice::PrintWithin(STDERR_FILENO, absl::StrCat("sluice-controlplane: ", server.status().message(), "\n"));
    return 1;
  }
  sluice::PrintWithin(STDOUT_FILENO, absl::StrCat("listening on ", (*server)->address(), ", metrics on ",
                                                  (*server)->metrics_address(), "\n"));
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
