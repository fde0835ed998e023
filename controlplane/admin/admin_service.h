// The gRPC face of the Admin service (control.proto). Callback API: each method
// runs on a thread of gRPC's and is as long as one commit; AwaitRevision,
// Command, Adopt and ReplaceEpochs hold no thread while they wait for data
// planes.
#ifndef SLUICE_CONTROLPLANE_ADMIN_ADMIN_SERVICE_H_
#define SLUICE_CONTROLPLANE_ADMIN_ADMIN_SERVICE_H_

#include <vector>

#include "controlplane/admin/admin_observer.h"
#include "controlplane/admin/fleet_policies.h"
#include "controlplane/admin/policy_editor.h"
#include "controlplane/push/fleet.h"
#include "controlplane/store/store.h"
#include "sluice/v1/control.grpc.pb.h"

namespace sluice {

class AdminService : public v1::Admin::CallbackService {
 public:
  // All must outlive the server; `observer` may be null.
  AdminService(Store& store, Fleet& fleet, AdminObserver* observer, EditorLimits limits = {})
      : store_(store), fleet_(fleet), observer_(observer), editor_(store, observer, limits) {}

  using Context = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;

  Reactor* Apply(Context* context, const v1::ApplyRequest* request, v1::ApplyResponse* response) override;
  Reactor* Validate(Context* context, const v1::ValidateRequest* request, v1::ValidateResponse* response) override;
  Reactor* Get(Context* context, const v1::GetRequest* request, v1::GetResponse* response) override;
  Reactor* List(Context* context, const v1::ListRequest* request, v1::ListResponse* response) override;
  Reactor* Delete(Context* context, const v1::DeleteRequest* request, v1::DeleteResponse* response) override;
  Reactor* Set(Context* context, const v1::SetRequest* request, v1::SetResponse* response) override;
  Reactor* Diff(Context* context, const v1::DiffRequest* request, v1::DiffResponse* response) override;
  Reactor* History(Context* context, const v1::HistoryRequest* request, v1::HistoryResponse* response) override;
  Reactor* Rollback(Context* context, const v1::RollbackRequest* request, v1::RollbackResponse* response) override;
  Reactor* ListNodes(Context* context, const v1::ListNodesRequest* request,
                     v1::ListNodesResponse* response) override;
  Reactor* AwaitRevision(Context* context, const v1::AwaitRevisionRequest* request,
                         v1::AwaitRevisionResponse* response) override;
  Reactor* Command(Context* context, const v1::CommandRequest* request, v1::CommandResponse* response) override;
  Reactor* Adopt(Context* context, const v1::AdoptRequest* request, v1::AdoptResponse* response) override;
  Reactor* ReplaceEpochs(Context* context, const v1::ReplaceEpochsRequest* request,
                         v1::ReplaceEpochsResponse* response) override;
  Reactor* ForgetNode(Context* context, const v1::ForgetNodeRequest* request,
                      v1::ForgetNodeResponse* response) override;

 private:
  Reactor* Finish(Context* context, const char* method, const grpc::Status& status);

  grpc::Status DoApply(const v1::ApplyRequest& request, v1::ApplyResponse& response);
  grpc::Status DoValidate(const v1::ValidateRequest& request, v1::ValidateResponse& response);
  grpc::Status DoGet(const v1::GetRequest& request, v1::GetResponse& response);
  grpc::Status DoList(const v1::ListRequest& request, v1::ListResponse& response);
  grpc::Status DoDelete(const v1::DeleteRequest& request, v1::DeleteResponse& response);
  grpc::Status DoSet(const v1::SetRequest& request, v1::SetResponse& response);
  grpc::Status DoDiff(const v1::DiffRequest& request, v1::DiffResponse& response);
  grpc::Status DoHistory(const v1::HistoryRequest& request, v1::HistoryResponse& response);
  grpc::Status DoRollback(const v1::RollbackRequest& request, v1::RollbackResponse& response);
  grpc::Status DiffRevisions(const v1::DiffRequest& request, v1::DiffResponse& response);

  grpc::Status DoAdopt(const v1::AdoptRequest& request, const FleetPolicies& found, v1::AdoptResponse& response);
  grpc::Status DoReplaceEpochs(const v1::ReplaceEpochsRequest& request, const FleetPolicies& found,
                               const std::vector<v1::NodeStatus>& nodes, v1::ReplaceEpochsResponse& response);
  grpc::Status FindMismatching(std::vector<v1::NodeStatus>& nodes);

  // 0: the newest.
  grpc::Status StateAt(uint64_t revision, PolicyStatePtr& state);

  Store& store_;
  Fleet& fleet_;
  AdminObserver* const observer_;
  PolicyEditor editor_;
};

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_ADMIN_ADMIN_SERVICE_H_
