// The HTTP endpoint that Prometheus scrapes: GET /metrics, on threads of its
// own. Made and ended by the control plane's main thread.
#ifndef SLUICE_CONTROLPLANE_TELEMETRY_METRICS_SERVER_H_
#define SLUICE_CONTROLPLANE_TELEMETRY_METRICS_SERVER_H_

#include <memory>
#include <string>

#include "prometheus/collectable.h"
#include "prometheus/exposer.h"

namespace sluice {

class ControlPlaneMetricsServer {
 public:
  // `address` is "host:port" or "[v6]:port", port 0 takes a free one; `host` is
  // the one of it, without brackets. Throws std::exception when it cannot listen.
  ControlPlaneMetricsServer(const std::string& address, std::string host);
  // Waits for a scrape that is under way, and for nothing else.
  ~ControlPlaneMetricsServer();

  void Register(const std::shared_ptr<prometheus::Collectable>& collectable);
  int port() const { return port_; }

 private:
  std::unique_ptr<prometheus::Exposer> exposer_;
  const std::string host_;
  const int port_;
};

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_TELEMETRY_METRICS_SERVER_H_
