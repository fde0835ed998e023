// The gRPC face of Push: one reactor per Subscribe stream, on gRPC's threads.
#ifndef SLUICE_CONTROLPLANE_PUSH_PUSH_SERVICE_H_
#define SLUICE_CONTROLPLANE_PUSH_PUSH_SERVICE_H_

#include "controlplane/push/push_hub.h"
#include "sluice/v1/control.grpc.pb.h"

namespace sluice {

class PushService : public v1::Push::CallbackService {
 public:
  // The hub must outlive every stream (until the server has shut down).
  explicit PushService(PushHub& hub) : hub_(hub) {}

  grpc::ServerBidiReactor<v1::SubscribeRequest, v1::SubscribeResponse>* Subscribe(
      grpc::CallbackServerContext* context) override;

 private:
  PushHub& hub_;
};

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_PUSH_PUSH_SERVICE_H_
