// Figures of calls, attempts and retries. One CallMetrics per loop, so that
// loops share nothing; a scrape merges them.
#ifndef SLUICE_SERVER_TELEMETRY_CALL_METRICS_H_
#define SLUICE_SERVER_TELEMETRY_CALL_METRICS_H_

#include <prometheus/collectable.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/engine/call_observer.h"
#include "server/telemetry/series.h"
#include "server/telemetry/series_grace.h"

namespace sluice {

// Cumulative, over all calls.
struct CallTotals {
  int64_t open_calls = 0;
  uint64_t calls = 0;
  // Failed or cut, and not by the caller's own fault.
  uint64_t errors = 0;
};

// Written by its loop's thread, a few times per call and never per chunk; read
// by scrapes.
class CallMetrics : public CallObserver {
 public:
  explicit CallMetrics(size_t max_series);

  void CallStarted(const CallInfo& info) override;
  void AttemptEnded(const CallInfo& info, const AttemptRecord& attempt) override;
  void VerifyingStarted(const CallInfo& info, const AttemptRecord& attempt) override;
  void VerifyingEnded(const CallInfo& info, const AttemptRecord& attempt) override;
  void RetryScheduled(const CallInfo& info, const AttemptRecord& failed, Duration delay, bool failover) override;
  void HedgeStarted(const CallInfo& info, const AttemptRecord& slow) override;
  void HedgeWon(const CallInfo& info, const AttemptRecord& winner) override;
  void RetryRefused(const CallInfo& info, std::string_view upstream, RetryRefusal why) override;
  void Restarted(const CallInfo& info, const AttemptRecord& cut) override;
  void FallbackEntered(const CallInfo& info, std::string_view fallback, FailureKind cause) override;
  void Limited(const CallInfo& info, const LimitRefusal& refusal) override;
  void Queued(const CallInfo& info) override;
  void LeftQueue(const CallInfo& info, QueueExit exit, Duration waited) override;
  void BreakerChanged(std::string_view upstream, std::string_view endpoint, BreakerState from,
                      BreakerState to) override;
  void EndpointEjected(std::string_view upstream, std::string_view endpoint, Duration lasting) override;
  void HealthChecked(std::string_view upstream, std::string_view endpoint, bool passed) override;
  void Paused(const CallInfo& info) override;
  void CallEnded(const CallInfo& info, const CallRecord& record) override;

 private:
  friend class CallMetricsCollector;

  void Add(size_t family, SeriesSet::Labels labels);
  void RecordGenAi(const CallInfo& info, const CallRecord& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Only a scrape ever contends for it.
  mutable std::mutex mutex_;
  SeriesSet series_ ABSL_GUARDED_BY(mutex_);
  CallTotals totals_ ABSL_GUARDED_BY(mutex_);
  int64_t open_streams_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t verifying_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Owns the CallMetrics of all loops. Thread-safe.
class CallMetricsCollector : public prometheus::Collectable {
 public:
  // At most `max_series` label combinations per metric; what comes later is
  // counted under "other".
  explicit CallMetricsCollector(size_t max_series = 2000, SeriesKeeping keeping = {})
      : max_series_(max_series), keeping_(std::move(keeping)), grace_(keeping_.keep) {}

  // For one loop. Lives as long as the collector.
  CallMetrics& AddLoop();

  CallTotals Totals() const;
  // Also forgets series of what was deleted (SeriesKeeping).
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  void ForgetDeleted(const NamesInForce& in_force, SeriesSet& merged) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t max_series_;
  const SeriesKeeping keeping_;
  mutable std::mutex mutex_;
  mutable SeriesGrace grace_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<CallMetrics>> loops_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice

#endif  // SLUICE_SERVER_TELEMETRY_CALL_METRICS_H_
