// The whole control plane but its command line, served over real gRPC on a
// loopback port.
#ifndef SLUICE_TESTS_CONTROLPLANE_IN_PROCESS_SERVER_H_
#define SLUICE_TESTS_CONTROLPLANE_IN_PROCESS_SERVER_H_

#include <memory>
#include <string>

#include "controlplane/admin/admin_service.h"
#include "controlplane/push/push_hub.h"
#include "controlplane/push/push_service.h"
#include "controlplane/push/push_timer.h"
#include "controlplane/store/store.h"
#include "sluice/v1/control.grpc.pb.h"
#include "tests/controlplane/policies.h"

namespace sluice {

class InProcessServer {
 public:
  explicit InProcessServer(PushSettings push = {}, StoreLimits limits = {}, EditorLimits editor = {});
  ~InProcessServer();

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  v1::Admin::Stub& admin() { return *admin_stub_; }
  v1::Push::Stub& push() { return *push_stub_; }
  Store& store() { return *store_; }
  PushHub& hub() { return *hub_; }

  // Applies and expects success; returns the revision.
  uint64_t Apply(const std::vector<v1::Resource>& resources);

 private:
  TempFolder folder_;
  int port_ = 0;
  std::unique_ptr<Store> store_;
  std::unique_ptr<PushHub> hub_;
  std::unique_ptr<StoreWatch> watch_;
  PushTimer timer_;
  std::unique_ptr<AdminService> admin_;
  std::unique_ptr<PushService> push_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::Admin::Stub> admin_stub_;
  std::unique_ptr<v1::Push::Stub> push_stub_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_CONTROLPLANE_IN_PROCESS_SERVER_H_
