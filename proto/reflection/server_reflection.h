// Describes a server's services to clients without stubs (grpcurl, consoles): as
// grpc.reflection.v1, and as the older v1alpha that many still ask for. gRPC 1.51
// brings only the latter. Made beside a server's builder; outlives the server.
#ifndef SLUICE_PROTO_REFLECTION_SERVER_REFLECTION_H_
#define SLUICE_PROTO_REFLECTION_SERVER_REFLECTION_H_

#include <grpcpp/server_builder.h>

#include <string>
#include <vector>

#include "grpc/reflection/v1/reflection.grpc.pb.h"

namespace sluice {

// A synchronous service, as gRPC's own: it brings no poller that would read
// callers' sockets, and is rarely asked.
class ServerReflection final : public grpc::reflection::v1::ServerReflection::Service {
 public:
  // Full names of the services to be told, beside reflection itself.
  explicit ServerReflection(std::vector<std::string> services);

  // Before BuildAndStart.
  void AddTo(grpc::ServerBuilder& builder);

 private:
  using Request = grpc::reflection::v1::ServerReflectionRequest;
  using Response = grpc::reflection::v1::ServerReflectionResponse;

  grpc::Status ServerReflectionInfo(grpc::ServerContext* context,
                                    grpc::ServerReaderWriter<Response, Request>* stream) override;

  std::vector<std::string> services_;
};

}  // namespace sluice

#endif  // SLUICE_PROTO_REFLECTION_SERVER_REFLECTION_H_
