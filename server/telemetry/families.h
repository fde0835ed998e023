// Metric families as a scrape gives them, from figures that somebody else
// keeps. Pure.
#ifndef SLUICE_SERVER_TELEMETRY_FAMILIES_H_
#define SLUICE_SERVER_TELEMETRY_FAMILIES_H_

#include <prometheus/metric_family.h>

#include <utility>
#include <vector>

namespace sluice {

using MetricLabels = std::vector<prometheus::ClientMetric::Label>;

// Counters and gauges only.
inline void AddSample(prometheus::MetricFamily& family, MetricLabels labels, double value) {
  auto& metric = family.metric.emplace_back();
  metric.label = std::move(labels);
  (family.type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
}

inline prometheus::MetricFamily SingleFamily(const char* name, const char* help, prometheus::MetricType type,
                                             double value, MetricLabels labels = {}) {
  prometheus::MetricFamily family{name, help, type, {}};
  AddSample(family, std::move(labels), value);
  return family;
}

}  // namespace sluice

#endif  // SLUICE_SERVER_TELEMETRY_FAMILIES_H_
