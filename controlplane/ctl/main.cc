#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <iostream>

#include "absl/strings/numbers.h"
#include "controlplane/ctl/ctl.h"
#include "proto/terminal/fd_stream.h"

namespace {

std::atomic<bool> g_stop{false};

// The second Ctrl-C ends the program as usual.
void OnInterrupt(int) {
  g_stop.store(true);
  signal(SIGINT, SIG_DFL);
}

// Only --watch looks at the flag; everything else ends at once.
bool Watches(const std::vector<std::string>& args) {
  for (const std::string& arg : args) {
    if (arg == "-w" || arg == "--watch") return true;
  }
  return false;
}

// Of the terminal that standard output is; 0: it is none.
size_t TerminalWidth() {
  if (isatty(STDOUT_FILENO) != 1) return 0;
  size_t columns = 0;
  const char* told = std::getenv("COLUMNS");
  if (told != nullptr && absl::SimpleAtoi(told, &columns) && columns > 0) return columns;
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

}  // namespace

int main(int argc, char** argv) {
  sluice::OpenStandardStreams();
  const std::vector<std::string> args(argv + 1, argv + argc);
  // gRPC tells everything we tell, in ten lines; GRPC_VERBOSITY brings it back.
  setenv("GRPC_VERBOSITY", "NONE", 0);
  if (Watches(args)) signal(SIGINT, OnInterrupt);
  sluice::FdStream out(STDOUT_FILENO);
  sluice::FdStream err(STDERR_FILENO);
  sluice::ctl::CtlIo io{out, err};
  io.terminal = isatty(STDOUT_FILENO) == 1;
  io.color = io.terminal && std::getenv("NO_COLOR") == nullptr;
  io.width = TerminalWidth();
  io.stop = &g_stop;
  if (isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1) io.in = &std::cin;
  return static_cast<int>(sluice::ctl::RunCtl(args, io));
}
