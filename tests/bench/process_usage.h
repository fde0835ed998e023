// What a process used so far.
#ifndef SLUICE_TESTS_BENCH_PROCESS_USAGE_H_
#define SLUICE_TESTS_BENCH_PROCESS_USAGE_H_

#include <sys/types.h>

#include <vector>

namespace sluice::bench {

// User and system time of all threads of all `pids`, ended ones included: their
// CPU clocks, the sum of what /proc/PID/stat rounds to 10 ms. Ends the program
// when one of them is gone.
double CpuUs(const std::vector<pid_t>& pids);

// Resident memory, from /proc; shared pages counted in each.
double ResidentKib(const std::vector<pid_t>& pids);

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_PROCESS_USAGE_H_
