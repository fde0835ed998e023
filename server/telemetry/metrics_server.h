// The HTTP endpoint that Prometheus scrapes: GET /metrics.
#ifndef SLUICE_SERVER_TELEMETRY_METRICS_SERVER_H_
#define SLUICE_SERVER_TELEMETRY_METRICS_SERVER_H_

#include <prometheus/collectable.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace prometheus {
class Exposer;
}

namespace sluice {

// Serves on threads of its own; a scrape never waits for a loop.
class MetricsServer {
 public:
  // `address` is "host:port" or "[v6]:port"; port 0 takes a free one. UNAVAILABLE names the
  // address when it is in use. `threads` bounds scrapes at a time.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(const std::string& address, int threads = 2);
  ~MetricsServer();

  // What a scrape collects; kept until the server ends.
  void Register(std::shared_ptr<prometheus::Collectable> collectable);

  int port() const { return port_; }

 private:
  MetricsServer(std::unique_ptr<prometheus::Exposer> exposer, std::string host, int port);

  std::vector<std::shared_ptr<prometheus::Collectable>> collectables_;
  std::unique_ptr<prometheus::Exposer> exposer_;
  std::string host_;
  int port_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_TELEMETRY_METRICS_SERVER_H_
