// The methods of AdminService about data planes that run another epoch, and
// those that are to be forgotten.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "controlplane/admin/admin_service.h"
#include "controlplane/admin/edit_request.h"
#include "controlplane/admin/epoch_change.h"
#include "controlplane/admin/rpc_status.h"

namespace sluice {
namespace {

std::set<std::string> ConnectedIds(const std::vector<v1::NodeStatus>& nodes) {
  std::set<std::string> ids;
  for (const v1::NodeStatus& node : nodes) {
    if (node.state() != v1::NODE_STATE_LOST && node.state() != v1::NODE_STATE_GONE) ids.insert(node.node_id());
  }
  return ids;
}

// Those of `nodes` that told nothing.
std::vector<v1::NodeStatus> Untold(const FleetPolicies& found, const std::vector<v1::NodeStatus>& nodes) {
  std::set<std::string> told;
  for (const RunPolicies& group : found.groups) told.insert(group.node_ids.begin(), group.node_ids.end());
  std::vector<v1::NodeStatus> untold;
  std::copy_if(nodes.begin(), nodes.end(), std::back_inserter(untold),
               [&told](const v1::NodeStatus& node) { return !told.contains(node.node_id()); });
  return untold;
}

// The state that `change` would make.
PolicyState After(const PolicyState& state, const PolicyChange& change) {
  PolicyState after = state;
  for (const v1::Resource& put : change.puts) {
    after.resources[KeyOf(put)] = std::make_shared<v1::Resource>(put);
  }
  for (const ResourceKey& key : change.deletes) after.resources.erase(key);
  return after;
}

}  // namespace

grpc::Status AdminService::FindMismatching(std::vector<v1::NodeStatus>& nodes) {
  PolicyStatePtr state;
  if (grpc::Status status = StateAt(0, state); !status.ok()) return status;
  nodes = MismatchingNodes(fleet_.ListNodes(), store_.epoch(), store_.lineage(), state->revision);
  return grpc::Status::OK;
}

AdminService::Reactor* AdminService::Adopt(Context* context, const v1::AdoptRequest* request,
                                           v1::AdoptResponse* response) {
  if (auto known = editor_.Recall(EditRequestOf(*request), *response)) return Finish(context, "Adopt", *known);
  std::vector<v1::NodeStatus> nodes;
  if (grpc::Status status = FindMismatching(nodes); !status.ok()) return Finish(context, "Adopt", status);
  const std::set<std::string> ids = ConnectedIds(nodes);
  if (ids.empty()) {
    const std::string away =
        nodes.empty() ? "" : absl::StrCat(" that is connected; not connected: ", nodes.front().node_id(),
                                          nodes.size() == 1 ? "" : absl::StrCat(" and ", nodes.size() - 1, " more"));
    return Finish(context, "Adopt",
                  MakeStatus(grpc::StatusCode::FAILED_PRECONDITION,
                             absl::StrCat("nothing was adopted: no data plane runs another epoch", away)));
  }
  // The reactor stays valid until Finish, also when the caller has gone.
  Reactor* reactor = context->DefaultReactor();
  ReadFleetPolicies(fleet_, ids, [this, reactor, request, response](const FleetPolicies& found) {
    grpc::Status status = DoAdopt(*request, found, *response);
    if (observer_ != nullptr) observer_->OnRequest("Adopt", status.error_code());
    reactor->Finish(status);
  });
  return reactor;
}

grpc::Status AdminService::DoAdopt(const v1::AdoptRequest& request, const FleetPolicies& found,
                                   v1::AdoptResponse& response) {
  if (grpc::Status status = CheckAdoptable(found); !status.ok()) return status;
  const RunPolicies& adopted = found.groups.front();
  EpochChange epochs;
  for (const RunPolicies& group : found.groups) AddEpoch(group.epoch, store_.epoch(), epochs);
  return editor_.Edit(
      EditRequestOf(request), response,
      [&](const PolicyState& state, PolicyChange& change) {
        change.replaces_epochs = epochs.replaces;
        change.new_epoch = epochs.new_epoch;
        return ProposeAdopt(state, adopted.resources, change);
      },
      [&](uint64_t revision, const PolicyState&, const PolicyChange& change) {
        response.Clear();
        response.set_revision(revision);
        for (const v1::Change& entry : change.changes) *response.add_changes() = entry;
        for (const RunPolicies& group : found.groups) {
          response.mutable_node_ids()->Add(group.node_ids.begin(), group.node_ids.end());
        }
        std::sort(response.mutable_node_ids()->begin(), response.mutable_node_ids()->end());
        response.set_adopted_epoch(adopted.epoch);
        response.set_adopted_revision(adopted.revision);
      });
}

AdminService::Reactor* AdminService::ReplaceEpochs(Context* context, const v1::ReplaceEpochsRequest* request,
                                                   v1::ReplaceEpochsResponse* response) {
  constexpr const char* kMethod = "ReplaceEpochs";
  if (auto known = editor_.Recall(EditRequestOf(*request), *response)) return Finish(context, kMethod, *known);
  std::vector<v1::NodeStatus> nodes;
  grpc::Status status = FindMismatching(nodes);
  if (!status.ok() || nodes.empty()) return Finish(context, kMethod, status);
  Reactor* reactor = context->DefaultReactor();
  ReadFleetPolicies(fleet_, ConnectedIds(nodes),
                    [this, reactor, request, response, nodes](const FleetPolicies& found) {
                      grpc::Status result = DoReplaceEpochs(*request, found, nodes, *response);
                      if (observer_ != nullptr) observer_->OnRequest(kMethod, result.error_code());
                      reactor->Finish(result);
                    });
  return reactor;
}

grpc::Status AdminService::DoReplaceEpochs(const v1::ReplaceEpochsRequest& request, const FleetPolicies& found,
                                           const std::vector<v1::NodeStatus>& nodes,
                                           v1::ReplaceEpochsResponse& response) {
  EpochChange epochs;
  for (const v1::NodeStatus& node : nodes) AddEpoch(node.epoch(), store_.epoch(), epochs);
  PolicyState after;
  return editor_.Edit(
      EditRequestOf(request), response,
      [&](const PolicyState& state, PolicyChange& change) {
        // Else they would be left with nothing to serve with.
        if (!request.validate_only() && state.resources.empty()) {
          return MakeStatus(grpc::StatusCode::FAILED_PRECONDITION,
                            "nothing was replaced: this store has no policies yet; apply them first");
        }
        PolicyChange applied;
        if (grpc::Status status = ProposeApply(state, request.resources(), /*check_etags=*/false, applied);
            !status.ok()) {
          return status;
        }
        change.violations = applied.violations;
        after = After(state, applied);
        change.replaces_epochs = epochs.replaces;
        change.new_epoch = epochs.new_epoch;
        return grpc::Status::OK;
      },
      [&](uint64_t, const PolicyState&, const PolicyChange&) {
        response.Clear();
        for (v1::EpochLoss& loss : LossesOf(found, Untold(found, nodes), after)) {
          *response.add_losses() = std::move(loss);
        }
      });
}

AdminService::Reactor* AdminService::ForgetNode(Context* context, const v1::ForgetNodeRequest* request,
                                                v1::ForgetNodeResponse*) {
  if (request->node_id().empty()) {
    return Finish(context, "ForgetNode", BadField("node_id", "missing; name a data plane"));
  }
  return Finish(context, "ForgetNode", ToGrpcStatus(fleet_.Forget(request->node_id())));
}

}  // namespace sluice
