#include "tests/bench/process_usage.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

namespace sluice::bench {
namespace {

std::string ReadProc(pid_t pid, const char* file) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/" + file);
  std::stringstream text;
  text << in.rdbuf();
  if (text.str().empty()) {
    std::cerr << "bench_load: process " << pid << " is gone\n";
    std::exit(1);
  }
  return text.str();
}

}  // namespace

double CpuUs(const std::vector<pid_t>& pids) {
  static const double kUsPerTick = 1e6 / static_cast<double>(sysconf(_SC_CLK_TCK));
  double ticks = 0;
  for (const pid_t pid : pids) {
    const std::string stat = ReadProc(pid, "stat");
    // The name in brackets may hold anything; utime is the 12th field after it.
    std::istringstream rest(stat.substr(stat.rfind(')') + 2));
    std::string skipped;
    for (int i = 0; i < 11; ++i) rest >> skipped;
    double user = 0, system = 0;
    rest >> user >> system;
    ticks += user + system;
  }
  return ticks * kUsPerTick;
}

double ResidentKib(const std::vector<pid_t>& pids) {
  static const double kKibPerPage = static_cast<double>(sysconf(_SC_PAGESIZE)) / 1024;
  double pages = 0;
  for (const pid_t pid : pids) {
    std::istringstream statm(ReadProc(pid, "statm"));
    double size = 0, resident = 0;
    statm >> size >> resident;
    pages += resident;
  }
  return pages * kKibPerPage;
}

}  // namespace sluice::bench
