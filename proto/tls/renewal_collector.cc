#include "proto/tls/renewal_collector.h"

namespace sluice {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

double Seconds(absl::Time time) { return absl::ToDoubleSeconds(time - absl::UnixEpoch()); }

prometheus::ClientMetric& AddMetric(MetricFamily& family, const RenewalFigures& one) {
  prometheus::ClientMetric& metric = family.metric.emplace_back();
  metric.label = {{"what", one.what}};
  return metric;
}

}  // namespace

std::vector<MetricFamily> RenewalCollector::Collect() const {
  MetricFamily failures{"sluice_reload_failures_total",
                        "New contents of files that could not be used, so that the old ones are kept",
                        MetricType::Counter,
                        {}};
  MetricFamily taken{"sluice_reload_success_timestamp_seconds", "When the files in use were last taken",
                     MetricType::Gauge,
                     {}};
  MetricFamily expiry{"sluice_tls_certificate_expiry_timestamp_seconds", "When the certificate in use expires",
                      MetricType::Gauge,
                      {}};
  for (const RenewalFigures& one : figures_()) {
    AddMetric(failures, one).counter.value = static_cast<double>(one.failures);
    AddMetric(taken, one).gauge.value = Seconds(one.taken);
    if (one.not_after) AddMetric(expiry, one).gauge.value = Seconds(*one.not_after);
  }
  // Named also where there is nothing to tell, so that an alert can be checked.
  return {std::move(failures), std::move(taken), std::move(expiry)};
}

}  // namespace sluice
