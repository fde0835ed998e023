// ListModels. Rare, so one loop serves it. Loop thread only.
#ifndef SLUICE_SERVER_SERVICE_LIST_MODELS_RPC_H_
#define SLUICE_SERVER_SERVICE_LIST_MODELS_RPC_H_

#include <memory>

#include "server/service/face_services.h"
#include "server/service/rpc.h"

namespace sluice {

class ListModelsRpc final : public Rpc {
 public:
  ListModelsRpc(FaceLoop& face, FaceServices& services) : Rpc(face), services_(services), writer_(&context()) {}

 private:
  void Request() override;
  std::unique_ptr<Rpc> Next(FaceLoop& face) override;
  void Begin() override;

  FaceServices& services_;
  v1::ListModelsRequest request_;
  grpc::ServerAsyncResponseWriter<v1::ListModelsResponse> writer_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_LIST_MODELS_RPC_H_
