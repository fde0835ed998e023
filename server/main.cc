// sluice-server: the data plane.
//
// Stops at SIGTERM or SIGINT: first --drain-grace, in which health says
// NOT_SERVING and all is served, then --drain-timeout for the calls that run. A
// second signal skips the grace, one after that ends the program at once.
//
// Exit status: 0 after SIGTERM or SIGINT; 1 when it cannot start (address in
// use, policies not valid); 2 for a wrong command line.
#include <grpc/support/log.h>
#include <pthread.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "proto/log/output.h"
#include "proto/log/program_log.h"
#include "server/data_plane.h"
#include "server/options.h"

namespace {

constexpr int kCannotStart = 1;

// Nothing but what GRPC_VERBOSITY asks for; gRPC's own way would wait for
// standard error.
void FromGrpc(gpr_log_func_args* args) { spdlog::info("grpc: {}", args->message); }

// Signals are waited for by this thread alone, so they are blocked before any
// other thread is made.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

int WaitForSignal(const sigset_t& signals) {
  int signal = 0;
  while (sigwait(&signals, &signal) != 0) {
  }
  return signal;
}

using Clock = std::chrono::steady_clock;

// The signal, or 0 when none came until then.
int WaitForSignal(const sigset_t& signals, Clock::time_point end) {
  while (true) {
    const auto left = std::max(end - Clock::now(), Clock::duration::zero());
    const timespec limit = absl::ToTimespec(absl::FromChrono(left));
    const int signal = sigtimedwait(&signals, nullptr, &limit);
    if (signal > 0) return signal;
    if (errno != EINTR) return 0;
  }
}

// Whoever asks again does not want to wait for calls either.
void ExitAtNextSignal(const sigset_t& signals, sluice::ProgramLog& log) {
  std::thread([signals, &log] {
    while (WaitForSignal(signals) == SIGHUP) {
    }
    spdlog::warn("stopped without waiting for running calls");
    log.Close();
    std::_Exit(EXIT_SUCCESS);
  }).detach();
}

int Complain(const absl::Status& status) {
  std::string lines;
  for (absl::string_view line : absl::StrSplit(status.message(), '\n')) {
    absl::StrAppend(&lines, "sluice-server: ", line, "\n");
  }
  sluice::PrintWithin(STDERR_FILENO, std::move(lines));
  return kCannotStart;
}

// Balancers learn that new calls are to go elsewhere; until they do, all are
// served. Whoever asks twice does not want to wait for them.
void BeGracious(sluice::DataPlane& data_plane, absl::Duration grace, const sigset_t& signals) {
  data_plane.StopServing();
  if (grace <= absl::ZeroDuration()) return;
  spdlog::info("stopping in {}: health says NOT_SERVING, calls are served as always until then",
               absl::FormatDuration(grace));
  const auto end = Clock::now() + absl::ToChronoMilliseconds(grace);
  // A SIGHUP ends no grace.
  while (WaitForSignal(signals, end) == SIGHUP) data_plane.Reload();
}

int Run(sluice::ServerOptions options, sluice::ProgramLog& log, const sigset_t& signals) {
  const absl::Duration grace = options.face.drain_grace;
  sluice::DataPlane data_plane(std::move(options), log.writer());
  absl::Status started = data_plane.Start();
  if (!started.ok()) return Complain(started);
  sluice::PrintWithin(STDOUT_FILENO, absl::StrCat("listening on ", data_plane.address(), ", metrics on ",
                                                  data_plane.metrics_address(), "\n"));
  for (int signal = WaitForSignal(signals); signal == SIGHUP; signal = WaitForSignal(signals)) {
    spdlog::info("SIGHUP: reading certificates, policies and secrets again");
    data_plane.Reload();
  }
  BeGracious(data_plane, grace, signals);
  spdlog::info("stopping: running calls may end");
  ExitAtNextSignal(signals, log);
  data_plane.Stop();
  spdlog::info("stopped");
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  int exit_code = EXIT_SUCCESS;
  auto options = sluice::ParseOptions(argc, argv, &exit_code);
  if (!options) return exit_code;
  // Debian's Abseil looks for lock cycles at every lock, all threads under one
  // spin lock; gRPC takes 16 a chunk. That is for finding errors in programs
  // under test, and was a sixth of what a chunk costs in user space.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // gRPC tells everything we tell, in ten lines; GRPC_VERBOSITY brings it back.
  setenv("GRPC_VERBOSITY", "NONE", 0);
  const sigset_t signals = BlockSignals();
  sluice::LineWriterOptions lines;
  lines.calls = options->call_log.lines;
  sluice::ProgramLog log(options->call_log.format, lines);
  gpr_set_log_function(FromGrpc);
  return Run(std::move(*options), log, signals);
}
