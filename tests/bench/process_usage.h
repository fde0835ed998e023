// What a process used so far, from /proc.
#ifndef SLUICE_TESTS_BENCH_PROCESS_USAGE_H_
#define SLUICE_TESTS_BENCH_PROCESS_USAGE_H_

#include <sys/types.h>

#include <vector>

namespace sluice::bench {

// utime + stime of all threads of all `pids`, in µs; the kernel tells it in
// steps of 10 ms. Ends the program when one of them is gone.
double CpuUs(const std::vector<pid_t>& pids);

// Resident memory, shared pages counted in each.
double ResidentKib(const std::vector<pid_t>& pids);

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_PROCESS_USAGE_H_
