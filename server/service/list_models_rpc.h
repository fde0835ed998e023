// ListModels and Embed. Rare, so one loop serves them. Loop thread only.
#ifndef SLUICE_SERVER_SERVICE_UNARY_RPCS_H_
#define SLUICE_SERVER_SERVICE_UNARY_RPCS_H_

#include <memory>

#include "server/service/face_services.h"
#include "server/service/rpc.h"

namespace sluice {

class ListModelsRpc final : public Rpc {
 public:
  ListModelsRpc(FaceLoop& face, FaceServices& services) : Rpc(face), services_(services), writer_(&context()) {}

 private:
  void Request() override;
  std::unique_ptr<Rpc> Next() override;
  void Begin() override;

  FaceServices& services_;
  v1::ListModelsRequest request_;
  grpc::ServerAsyncResponseWriter<v1::ListModelsResponse> writer_;
};

class EmbedRpc final : public Rpc {
 public:
  EmbedRpc(FaceLoop& face, FaceServices& services) : Rpc(face), services_(services), writer_(&context()) {}

 private:
  void Request() override;
  std::unique_ptr<Rpc> Next() override;
  void Begin() override;

  FaceServices& services_;
  v1::EmbedRequest request_;
  grpc::ServerAsyncResponseWriter<v1::EmbedResponse> writer_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_UNARY_RPCS_H_
