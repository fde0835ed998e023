#include "proto/reflection/server_reflection.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>

#include <utility>

#include "proto/reflection/file_answer.h"

namespace sluice {
namespace {

constexpr char kOlderName[] = "grpc.reflection.v1alpha.ServerReflection";

// For every server of the process that is built from now on.
void AddOlderOnce() {
  static const bool kAdded = [] {
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    return true;
  }();
  (void)kAdded;
}

}  // namespace

ServerReflection::ServerReflection(std::vector<std::string> services) : services_(std::move(services)) {
  services_.push_back(grpc::reflection::v1::ServerReflection::service_full_name());
  services_.push_back(kOlderName);
}

void ServerReflection::AddTo(grpc::ServerBuilder& builder) {
  AddOlderOnce();
  builder.RegisterService(this);
}

grpc::Status ServerReflection::ServerReflectionInfo(grpc::ServerContext*,
                                                    grpc::ServerReaderWriter<Response, Request>* stream) {
  Request request;
  while (stream->Read(&request)) {
    if (!stream->Write(AnswerReflection(request, services_))) break;
  }
  return grpc::Status::OK;
}

}  // namespace sluice
