// Stands before a collector whose figures come and go with the policies: a
// counter of what was deleted stays for a grace, counts on where the thing comes
// back, and then goes. Thread-safe.
#ifndef SLUICE_SERVER_TELEMETRY_KEPT_SERIES_H_
#define SLUICE_SERVER_TELEMETRY_KEPT_SERIES_H_

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/telemetry/series_grace.h"

namespace sluice {

class KeptSeries : public prometheus::Collectable {
 public:
  KeptSeries(std::shared_ptr<prometheus::Collectable> collector, SeriesKeeping keeping);
  // Counters and gauges only. Series that appear only in the collector's figures
  // for what is not in force go after the grace too, gauges once they are zero.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  struct Counter {
    std::vector<prometheus::ClientMetric::Label> labels;
    double before = 0;  // of figures that began anew
    double figure = 0;
    uint64_t scrape = 0;
  };
  using Counters = std::map<std::string, Counter>;

  void Keep(prometheus::MetricFamily& family, const PolicyNames* names) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsOver(const std::string& key, const prometheus::ClientMetric& metric, bool counter,
              const PolicyNames* names) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CountOn(Counter& kept, prometheus::ClientMetric& metric) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddAbsent(prometheus::MetricFamily& family, Counters& counters) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::shared_ptr<prometheus::Collectable> collector_;
  const SeriesKeeping keeping_;
  mutable std::mutex mutex_;
  mutable SeriesGrace grace_ ABSL_GUARDED_BY(mutex_);
  mutable std::map<std::string, Counters> families_ ABSL_GUARDED_BY(mutex_);
  mutable uint64_t scrape_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_TELEMETRY_KEPT_SERIES_H_
