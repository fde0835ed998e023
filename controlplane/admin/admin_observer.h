// What the Admin service does, for metrics. Called from any thread.
#ifndef SLUICE_CONTROLPLANE_ADMIN_ADMIN_OBSERVER_H_
#define SLUICE_CONTROLPLANE_ADMIN_ADMIN_OBSERVER_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/support/status.h"

namespace sluice {

class AdminObserver {
 public:
  virtual ~AdminObserver() = default;
  // `method` is a literal: "Apply".
  virtual void OnRequest(const char* method, grpc::StatusCode code) {}
  // What one data plane made of a query or command.
  virtual void OnNodeAnswer(grpc::StatusCode code) {}
  // How long the store took to make a change durable.
  virtual void OnCommit(absl::Duration latency) {}
  // The store did not take a change, for a reason of its own: a full disk.
  virtual void OnCommitFailed(const absl::Status& why) {}
};

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_ADMIN_ADMIN_OBSERVER_H_
