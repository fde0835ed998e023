// The control plane as one object: store, push, admin and metrics, served.
// Made, run and stopped by main.
#ifndef SLUICE_CONTROLPLANE_SERVER_H_
#define SLUICE_CONTROLPLANE_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/admin/admin_service.h"
#include "controlplane/options.h"
#include "controlplane/push/push_hub.h"
#include "controlplane/push/push_service.h"
#include "controlplane/push/push_timer.h"
#include "controlplane/store/store.h"
#include "controlplane/telemetry/metrics.h"
#include "controlplane/telemetry/metrics_server.h"
#include "proto/listen/descriptor_collector.h"
#include "proto/listen/grpc_listener.h"
#include "proto/log/line_writer.h"
#include "proto/reflection/server_reflection.h"
#include "proto/tls/renewal_collector.h"
#include "proto/tls/tls_renewal.h"

namespace sluice {

class ControlPlaneServer {
 public:
  // Errors are one line naming the file or the address. `log` lives longer.
  static absl::StatusOr<std::unique_ptr<ControlPlaneServer>> Start(const Options& options, LineWriter& log);

  // With the ports that were really taken.
  const std::string& address() const { return address_; }
  const std::string& metrics_address() const { return metrics_address_; }

  // Looks at the certificates and authorities of its TLS again.
  void Reload();
  // Asks data planes to go, waits for them, ends what is left. Blocks for
  // Options::shutdown_grace and a little, at most.
  void Stop();

 private:
  ControlPlaneServer(const Options& options, LineWriter& log);
  absl::Status ShareDescriptors();
  absl::Status StartPush();
  absl::Status StartTls();
  absl::Status StartGrpc();
  absl::Status StartMetrics();
  std::shared_ptr<grpc::ServerCredentials> Credentials();

  const Options options_;
  LineWriter& log_;
  std::shared_ptr<ControlPlaneMetrics> metrics_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<PushHub> hub_;
  std::unique_ptr<StoreWatch> watch_;
  // After the hub: its thread must have ended before the hub goes.
  PushTimer timer_;
  std::unique_ptr<AdminService> admin_;
  std::unique_ptr<PushService> push_;
  std::unique_ptr<ServerReflection> reflection_;
  std::unique_ptr<TlsRenewal> tls_;  // outlives the server
  std::shared_ptr<RenewalCollector> renewals_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<DescriptorGuard> descriptors_;
  std::shared_ptr<DescriptorCollector> descriptor_metrics_;
  std::unique_ptr<GrpcListener> listener_;
  std::unique_ptr<ControlPlaneMetricsServer> metrics_server_;
  std::string address_;
  std::string metrics_address_;
};

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_SERVER_H_
