// Refuses calls early where taking them would hurt those that run: too many at a
// time, too many bytes of requests held, or a loop that is late. Shared by all
// loops; thread-safe, without a lock.
#ifndef SLUICE_SERVER_SERVICE_LOAD_SHEDDER_H_
#define SLUICE_SERVER_SERVICE_LOAD_SHEDDER_H_

#include <atomic>
#include <cstdint>
#include <optional>

#include "server/engine/call_record.h"
#include "server/resilience/time.h"

namespace sluice {

struct LoadLimits {
  int64_t max_calls = 0;
  int64_t max_request_bytes = 0;
  Duration max_lag = absl::ZeroDuration();  // zero: lag refuses nothing
  Duration retry_after = absl::ZeroDuration();
};

// Cumulative.
struct ShedFigures {
  uint64_t concurrency = 0;
  uint64_t memory = 0;
  uint64_t lag = 0;
};

class LoadShedder {
 public:
  explicit LoadShedder(const LoadLimits& limits) : limits_(limits) {}

  // `bytes` of request; `lag`: how long it waited for its loop. Nothing: taken,
  // and GiveBack follows. Else RESOURCE_EXHAUSTED that names the limit.
  std::optional<CallError> TryTake(int64_t bytes, Duration lag);
  void GiveBack(int64_t bytes);

  int64_t calls() const { return calls_.load(std::memory_order_relaxed); }
  int64_t request_bytes() const { return bytes_.load(std::memory_order_relaxed); }
  ShedFigures figures() const;

 private:
  const LoadLimits limits_;
  std::atomic<int64_t> calls_{0};
  std::atomic<int64_t> bytes_{0};
  std::atomic<uint64_t> shed_by_calls_{0};
  std::atomic<uint64_t> shed_by_bytes_{0};
  std::atomic<uint64_t> shed_by_lag_{0};
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_LOAD_SHEDDER_H_
