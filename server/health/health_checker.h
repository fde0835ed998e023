// Active health checks: asks every endpoint of the upstreams that want it, on
// and on, and tells each endpoint's state what came of it. One for the process,
// on one loop; follows the revisions.
#ifndef SLUICE_SERVER_HEALTH_HEALTH_CHECKER_H_
#define SLUICE_SERVER_HEALTH_HEALTH_CHECKER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "server/engine/call_observer.h"
#include "server/engine/route_table.h"
#include "server/health/health_options.h"
#include "server/health/health_probe.h"
#include "server/health/health_tally.h"
#include "server/resilience/random.h"
#include "server/runtime/loop.h"

namespace sluice {

// Of one endpoint since it was first checked.
struct HealthFigures {
  std::string upstream;
  std::string endpoint;
  bool healthy = true;
  uint64_t checks = 0;    // that told something of it
  uint64_t failures = 0;  // of these
};

// All of it on the loop's thread, but Figures.
class HealthChecker {
 public:
  // All but the options are the loop's and outlive it.
  HealthChecker(Loop& loop, HttpTransport& transport, Random& random, CallObserver& observer, HealthOptions options);
  // Gives up what is under way, without a verdict.
  ~HealthChecker();

  // What is still checked keeps its verdict. What is not (taken away, switched
  // off, or its check was removed) is healthy from now on.
  void Follow(const RouteTable& table);

  // Any thread.
  std::vector<HealthFigures> Figures() const;

 private:
  struct Check {
    explicit Check(Loop& loop) : timer(loop) {}

    std::shared_ptr<const UpstreamConfig> upstream;
    const EndpointConfig* endpoint = nullptr;  // of it
    HealthTally tally;
    Timer timer;  // to the next one
    bool waiting = false;  // its time has come, but not its turn
    TimePoint started;
    std::unique_ptr<HealthProbe> probe;

    const HealthCheckConfig& config() const { return *upstream->health_check; }
  };
  using Checks = absl::flat_hash_map<const EndpointState*, std::unique_ptr<Check>>;

  void Adopt(const std::shared_ptr<const UpstreamConfig>& upstream, const EndpointConfig& endpoint, Check& check);
  void Retire(Check& check);
  void Schedule(Check& check, TimePoint when);
  void Due(Check& check);
  void StartReady();
  void Start(Check& check);
  void Done(Check& check, const HealthProbe::Result& result);
  void Judge(Check& check, const HealthProbe::Result& result);

  Loop& loop_;
  HttpTransport& transport_;
  Random& random_;
  CallObserver& observer_;
  const HealthOptions options_;
  Checks checks_;
  std::deque<const EndpointState*> ready_;  // in the order of their time
  size_t running_ = 0;

  mutable std::mutex mutex_;
  absl::flat_hash_map<const EndpointState*, HealthFigures> figures_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice

#endif  // SLUICE_SERVER_HEALTH_HEALTH_CHECKER_H_
