// Streams chats from Sluice, on one thread and one completion queue.
#ifndef SLUICE_TESTS_BENCH_GRPC_LOAD_H_
#define SLUICE_TESTS_BENCH_GRPC_LOAD_H_

#include "tests/bench/load_plan.h"
#include "tests/bench/recorder.h"

namespace sluice::bench {

// Returns when the last stream has ended.
void RunGrpcLoad(const LoadPlan& plan, Recorder& recorder);

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_GRPC_LOAD_H_
