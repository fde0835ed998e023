// grpc.health.v1 by async methods of our own: gRPC's default health service
// would bring pollers of its own (face_services.h). One loop serves it; loop
// thread only.
#ifndef SLUICE_SERVER_SERVICE_HEALTH_RPCS_H_
#define SLUICE_SERVER_SERVICE_HEALTH_RPCS_H_

#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "grpc/health/v1/health.pb.h"
#include "server/runtime/loop.h"
#include "server/service/face_services.h"
#include "server/service/rpc.h"

namespace sluice {

class HealthWatchRpc;

// What health says: SERVING from the first configuration until the drain.
class HealthBoard {
 public:
  using Status = grpc::health::v1::HealthCheckResponse::ServingStatus;

  HealthBoard(Loop& loop, const FaceServices& services) : services_(services), timer_(loop), loop_(loop) {}

  // Follows the configuration until there is one.
  void Start();
  // NOT_SERVING from now on; watchers are told.
  void StopServing();
  // The server stops: that, and watchers are let go.
  void EndWatches();

  // SERVICE_UNKNOWN for a name that is not "" or the gateway's.
  Status StatusOf(std::string_view service) const;
  bool ending() const { return ending_; }

  // False when there are too many.
  bool AddWatcher(HealthWatchRpc* watcher);
  void RemoveWatcher(HealthWatchRpc* watcher) { watchers_.erase(watcher); }

 private:
  void Look();
  void TellWatchers();

  const FaceServices& services_;
  Timer timer_;
  Loop& loop_;
  bool serving_ = false;
  bool stopped_ = false;  // to serve
  bool ending_ = false;
  std::set<HealthWatchRpc*> watchers_;
};

class HealthCheckRpc final : public Rpc {
 public:
  HealthCheckRpc(FaceLoop& face, FaceServices& services, HealthBoard& board)
      : Rpc(face), services_(services), board_(board), writer_(&context()) {}

 private:
  void Request() override;
  std::unique_ptr<Rpc> Next(FaceLoop& face) override;
  void Begin() override;

  FaceServices& services_;
  HealthBoard& board_;
  grpc::health::v1::HealthCheckRequest request_;
  grpc::ServerAsyncResponseWriter<grpc::health::v1::HealthCheckResponse> writer_;
};

class HealthWatchRpc final : public Rpc {
 public:
  HealthWatchRpc(FaceLoop& face, FaceServices& services, HealthBoard& board)
      : Rpc(face), services_(services), board_(board), writer_(&context()) {}
  ~HealthWatchRpc() override;

  // The board changed.
  void Tell();

 private:
  void Request() override;
  std::unique_ptr<Rpc> Next(FaceLoop& face) override;
  void Begin() override;
  void OperationDone(bool ok) override;
  void CallerGone() override;
  bool patient() const override { return true; }

  FaceServices& services_;
  HealthBoard& board_;
  grpc::health::v1::HealthCheckRequest request_;
  grpc::ServerAsyncWriter<grpc::health::v1::HealthCheckResponse> writer_;
  HealthBoard::Status told_ = grpc::health::v1::HealthCheckResponse::UNKNOWN;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_HEALTH_RPCS_H_
