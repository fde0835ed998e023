#include "tests/controlplane/in_process_server.h"

#include <grpcpp/grpcpp.h>

#include "absl/time/clock.h"
#include "controlplane/store/sqlite_store.h"
#include "gtest/gtest.h"

namespace sluice {

InProcessServer::InProcessServer(PushSettings push, StoreLimits limits, EditorLimits editor) {
  store_ = *OpenStore(folder_.File("store.db"), limits);
  PushHub::Options options;
  options.settings = push;
  options.clock = [] { return absl::Now(); };
  options.wake = [this] { timer_.Wake(); };
  hub_ = std::make_unique<PushHub>(std::move(options));
  watch_ = *hub_->Follow(*store_);
  timer_.Start([this] { return hub_->Tick(); });
  admin_ = std::make_unique<AdminService>(*store_, *hub_, nullptr, editor);
  push_ = std::make_unique<PushService>(*hub_);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(admin_.get());
  builder.RegisterService(push_.get());
  server_ = builder.BuildAndStart();
  auto channel = grpc::CreateChannel(address(), grpc::InsecureChannelCredentials());
  admin_stub_ = v1::Admin::NewStub(channel);
  push_stub_ = v1::Push::NewStub(channel);
}

InProcessServer::~InProcessServer() {
  hub_->Drain(absl::ZeroDuration());
  hub_->EndAll();
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
  server_->Wait();
}

uint64_t InProcessServer::Apply(const std::vector<v1::Resource>& resources) {
  v1::ApplyRequest request;
  for (const v1::Resource& resource : resources) *request.add_resources() = resource;
  v1::ApplyResponse response;
  grpc::ClientContext context;
  grpc::Status status = admin_stub_->Apply(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.revision();
}

}  // namespace sluice
