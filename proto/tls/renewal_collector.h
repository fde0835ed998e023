// sluice_reload_* and sluice_tls_certificate_*, of both planes. Thread-safe: the
// callback must be.
#ifndef SLUICE_PROTO_TLS_RENEWAL_COLLECTOR_H_
#define SLUICE_PROTO_TLS_RENEWAL_COLLECTOR_H_

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <functional>
#include <utility>
#include <vector>

#include "proto/tls/renewal_figures.h"

namespace sluice {

class RenewalCollector : public prometheus::Collectable {
 public:
  explicit RenewalCollector(std::function<std::vector<RenewalFigures>()> figures) : figures_(std::move(figures)) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::function<std::vector<RenewalFigures>()> figures_;
};

}  // namespace sluice

#endif  // SLUICE_PROTO_TLS_RENEWAL_COLLECTOR_H_
