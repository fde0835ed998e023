// The data plane's gRPC face: the server, its queues and threads. Owned by the
// program; made, served, drained and closed from one thread, which is neither a
// loop's nor a notification thread.
//
//   GatewayFace face(options, loops);      // queues and their threads are there
//   ConfigManager config(…, face.shared_queue());
//   face.Serve(config.tables());
//   …
//   face.StopServing();                    // drain_grace passes
//   face.Drain(); config.Stop(); face.Close();   // the loops still run
#ifndef SLUICE_SERVER_SERVICE_GATEWAY_FACE_H_
#define SLUICE_SERVER_SERVICE_GATEWAY_FACE_H_

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "proto/listen/grpc_listener.h"
#include "proto/reflection/server_reflection.h"
#include "server/config/route_table_source.h"
#include "server/service/face_loop.h"
#include "server/service/face_services.h"
#include "server/service/health_rpcs.h"
#include "server/service/notifier.h"

namespace sluice {

struct FaceFigures {
  int64_t open_calls = 0;     // Chat, StreamChat and Embed under way
  int64_t request_bytes = 0;  // held by them
  ShedFigures shed;
  IdempotencyFigures idempotency;
};

class GatewayFace {
 public:
  GatewayFace(FaceOptions options, std::vector<FaceLoopParams> loops);
  // Closes. The loops must still run.
  ~GatewayFace();

  // The first notification queue, for other gRPC clients of this
  // process: all of gRPC in a process shares one set of pollers, so no other
  // thread may block in it. Tags are CompletionTags.
  grpc::CompletionQueue* shared_queue();

  // UNAVAILABLE names an address that cannot be listened on. `tables` outlives the
  // face.
  absl::Status Serve(const RouteTableSource& tables);
  int port() const { return port_; }

  // Health says NOT_SERVING; all else goes on.
  void StopServing();
  // That, the port is closed, connections are told to go (GOAWAY), and calls that
  // run get drain_timeout; what is left then ends with a status that says so.
  // Blocks; harmless when done before.
  void Drain();
  // Drains, and ends the queues. Blocks; harmless when done before.
  void Close();

  // Chat, StreamChat and Embed under way.
  int64_t open_calls() const { return services_.load.calls(); }
  // For metrics; any thread.
  FaceFigures figures();

 private:
  std::shared_ptr<grpc::ServerCredentials> Credentials() const;
  void SetLimits();
  void ArmAll();
  // Tells callers to go, and serves until they have seen it and are done.
  void LetCallersGo(std::chrono::system_clock::time_point limit);

  FaceServices services_;
  ServerReflection reflection_{{v1::Gateway::service_full_name(), grpc::health::v1::Health::service_full_name()}};
  grpc::ServerBuilder builder_;
  std::vector<std::unique_ptr<Notifier>> notifiers_;
  std::vector<std::unique_ptr<FaceLoop>> loops_;
  std::unique_ptr<HealthBoard> health_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<DescriptorGuard> descriptors_;
  // Before the server: it hands connections over to it.
  std::unique_ptr<GrpcListener> listener_;
  int port_ = 0;
  bool drained_ = false;
  bool closed_ = false;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_GATEWAY_FACE_H_
