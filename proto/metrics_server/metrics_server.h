// The HTTP port of both planes for Prometheus and for probes that speak no
// gRPC:
//   /metrics  what the collectors give, compressed for who asks for that
//   /healthz  200 while the process lives
//   /readyz   200 while it is to get work, else 503 and a line that says why
// On two threads of its own: one for the sockets, one that collects. Made and
// ended by the plane's main thread.
#ifndef SLUICE_PROTO_METRICS_SERVER_METRICS_SERVER_H_
#define SLUICE_PROTO_METRICS_SERVER_METRICS_SERVER_H_

#include <prometheus/collectable.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sluice {

struct MetricsServerOptions {
  // More than scrapers and probes need; beyond, the one that has been silent
  // longest gives way.
  size_t max_connections = 16;
  // See HttpTimeouts.
  absl::Duration head_timeout = absl::Seconds(10);
  absl::Duration idle_timeout = absl::Minutes(2);
  absl::Duration write_timeout = absl::Seconds(30);
};

class MetricsServer {
 public:
  // Why no work is to come here, in one line; empty: it may. Called on the
  // socket thread: short, and thread-safe.
  using WhyNotReady = std::function<std::string()>;

  // `address` is HOST:PORT, port 0 takes a free one. INVALID_ARGUMENT for what is
  // no address; UNAVAILABLE: "cannot listen on 127.0.0.1:9464 for metrics:
  // Address already in use".
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(std::string_view address,
                                                              const MetricsServerOptions& options = {});
  // Waits for a page that is being built, and for nothing else.
  ~MetricsServer();

  // What a scrape collects; kept until the server ends.
  void Register(std::shared_ptr<prometheus::Collectable> collectable);
  // Until then it is starting.
  void SetReadiness(WhyNotReady why_not);

  int port() const { return port_; }

 private:
  class Impl;
  MetricsServer(std::unique_ptr<Impl> impl, uint16_t port);

  std::unique_ptr<Impl> impl_;
  const int port_;
};

}  // namespace sluice

#endif  // SLUICE_PROTO_METRICS_SERVER_METRICS_SERVER_H_
