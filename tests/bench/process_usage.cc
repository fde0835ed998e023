#include "tests/bench/process_usage.h"

#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>

namespace sluice::bench {
namespace {

[[noreturn]] void DieGone(pid_t pid) {
  std::cerr << "bench_load: process " << pid << " is gone\n";
  std::exit(1);
}

}  // namespace

double CpuUs(const std::vector<pid_t>& pids) {
  double total_us = 0;
  for (const pid_t pid : pids) {
    clockid_t clock;
    timespec used{};
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) DieGone(pid);
    total_us += static_cast<double>(used.tv_sec) * 1e6 + static_cast<double>(used.tv_nsec) / 1e3;
  }
  return total_us;
}

double ResidentKib(const std::vector<pid_t>& pids) {
  static const double kKibPerPage = static_cast<double>(sysconf(_SC_PAGESIZE)) / 1024;
  double pages = 0;
  for (const pid_t pid : pids) {
    std::ifstream statm("/proc/" + std::to_string(pid) + "/statm");
    double size = 0, resident = 0;
    if (!(statm >> size >> resident)) DieGone(pid);
    pages += resident;
  }
  return pages * kKibPerPage;
}

}  // namespace sluice::bench
