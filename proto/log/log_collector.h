// The log as a scrape shows it: lines taken, and lines dropped by what was too
// small for them. Thread-safe.
#ifndef SLUICE_PROTO_LOG_LOG_COLLECTOR_H_
#define SLUICE_PROTO_LOG_LOG_COLLECTOR_H_

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "proto/log/line_writer.h"

namespace sluice {

// <prefix>_log_lines_total and <prefix>_log_dropped_total.
class LogCollector : public prometheus::Collectable {
 public:
  // `sorts`: those that this program has; of the others nothing is shown.
  LogCollector(std::string prefix, std::vector<LineSort> sorts, std::function<LineWriterFigures()> figures)
      : prefix_(std::move(prefix)), sorts_(std::move(sorts)), figures_(std::move(figures)) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::string prefix_;
  const std::vector<LineSort> sorts_;
  const std::function<LineWriterFigures()> figures_;
};

}  // namespace sluice

#endif  // SLUICE_PROTO_LOG_LOG_COLLECTOR_H_
