// Streams chats over HTTP/1.1 and SSE, a connection for each stream, on one
// thread: the counterpart of grpc_load.h for proxies and for the bare upstream.
#ifndef SLUICE_TESTS_BENCH_HTTP_LOAD_H_
#define SLUICE_TESTS_BENCH_HTTP_LOAD_H_

#include "tests/bench/load_plan.h"
#include "tests/bench/recorder.h"

namespace sluice::bench {

// Returns when the last stream has ended.
void RunHttpLoad(const LoadPlan& plan, Recorder& recorder);

}  // namespace sluice::bench

#endif  // SLUICE_TESTS_BENCH_HTTP_LOAD_H_
