#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <iostream>

#include "controlplane/ctl/ctl.h"

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

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  // gRPC tells everything we tell, in ten lines; GRPC_VERBOSITY brings it back.
  setenv("GRPC_VERBOSITY", "NONE", 0);
  if (Watches(args)) signal(SIGINT, OnInterrupt);
  sluice::ctl::CtlIo io{std::cout, std::cerr};
  io.color = isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  io.stop = &g_stop;
  if (isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1) io.in = &std::cin;
  return static_cast<int>(sluice::ctl::RunCtl(args, io));
}
