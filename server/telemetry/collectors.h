// Figures that a scrape asks for: of the configuration, of upstream
// connections, and of the process. Thread-safe: the callbacks must be.
#ifndef SLUICE_SERVER_TELEMETRY_COLLECTORS_H_
#define SLUICE_SERVER_TELEMETRY_COLLECTORS_H_

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "server/config/config_status.h"

namespace sluice {

// sluice_config_*.
class ConfigCollector : public prometheus::Collectable {
 public:
  explicit ConfigCollector(std::function<ConfigStatus()> status) : status_(std::move(status)) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  std::function<ConfigStatus()> status_;
};

// Connections of all loops' transports to one endpoint.
struct ConnectionFigures {
  std::string endpoint;  // "host:port"
  int64_t open = 0;      // busy and idle
  int64_t idle = 0;
  uint64_t connects = 0;  // ever opened
  uint64_t reuses = 0;    // requests that found an idle one
};

// sluice_upstream_connections*. At most `max_endpoints` are told apart; the
// rest is summed under "other".
class ConnectionCollector : public prometheus::Collectable {
 public:
  // The callback may give an endpoint several times (once per loop).
  explicit ConnectionCollector(std::function<std::vector<ConnectionFigures>()> figures, size_t max_endpoints = 1000)
      : figures_(std::move(figures)), max_endpoints_(max_endpoints) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  std::function<std::vector<ConnectionFigures>()> figures_;
  size_t max_endpoints_;
};

// sluice_build_info, and the process_* metrics that every Prometheus client
// has.
class ProcessCollector : public prometheus::Collectable {
 public:
  explicit ProcessCollector(std::string version) : version_(std::move(version)) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  std::string version_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_TELEMETRY_COLLECTORS_H_
