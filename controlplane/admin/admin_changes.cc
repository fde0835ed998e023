// The methods of AdminService that change policies, or say what would change.
#include "controlplane/admin/admin_service.h"
#include "controlplane/admin/edit_request.h"
#include "controlplane/admin/rpc_status.h"

namespace sluice {
namespace {

template <typename Response>
void AddChanges(const std::vector<v1::Change>& changes, Response& response) {
  for (const v1::Change& change : changes) *response.add_changes() = change;
}

template <typename Response>
PolicyEditor::Answer AnswerInto(Response& response) {
  return [&response](uint64_t revision, const PolicyState&, const PolicyChange& change) {
    response.Clear();
    response.set_revision(revision);
    AddChanges(change.changes, response);
  };
}

}  // namespace

grpc::Status AdminService::DoApply(const v1::ApplyRequest& request, v1::ApplyResponse& response) {
  if (request.resources().empty()) return BadField("resources", "empty; there is nothing to apply");
  return editor_.Edit(
      EditRequestOf(request), response,
      [&request](const PolicyState& state, PolicyChange& change) {
        return ProposeApply(state, request.resources(), /*check_etags=*/true, change);
      },
      AnswerInto(response));
}

grpc::Status AdminService::DoDelete(const v1::DeleteRequest& request, v1::DeleteResponse& response) {
  if (request.resources().empty()) return BadField("resources", "empty; there is nothing to delete");
  return editor_.Edit(
      EditRequestOf(request), response,
      [&request](const PolicyState& state, PolicyChange& change) {
        return ProposeDelete(state, request.resources(), change);
      },
      AnswerInto(response));
}

grpc::Status AdminService::DoSet(const v1::SetRequest& request, v1::SetResponse& response) {
  if (request.assignments().empty()) return BadField("assignments", "empty; there is nothing to set");
  auto answer = [&](uint64_t revision, const PolicyState& before, const PolicyChange& change) {
    response.Clear();
    response.set_revision(revision);
    *response.mutable_change() = change.changes.front();
    if (change.puts.empty()) {
      ResourceKey key;
      ParseRef(request.resource(), key);
      *response.mutable_resource() = *before.resources.at(key);
    } else {
      *response.mutable_resource() = change.puts.front();
      if (!request.validate_only()) StampResource(*response.mutable_resource(), store_.epoch(), revision);
    }
  };
  return editor_.Edit(
      EditRequestOf(request), response,
      [&request](const PolicyState& state, PolicyChange& change) { return ProposeSet(state, request, change); },
      answer);
}

grpc::Status AdminService::DoRollback(const v1::RollbackRequest& request, v1::RollbackResponse& response) {
  if (request.to_revision() == 0) return BadField("to_revision", "missing; name a revision of the history");
  auto propose = [this, &request](const PolicyState& state, PolicyChange& change) {
    absl::StatusOr<PolicyStatePtr> old = store_.At(request.to_revision());
    if (!old.ok()) return ToGrpcStatus(old.status());
    return ProposeRollback(state, **old, change);
  };
  return editor_.Edit(EditRequestOf(request), response, propose, AnswerInto(response));
}

grpc::Status AdminService::DoValidate(const v1::ValidateRequest& request, v1::ValidateResponse& response) {
  PolicyStatePtr state;
  if (grpc::Status status = StateAt(0, state); !status.ok()) return status;
  PolicyChange change;
  grpc::Status status = ProposeApply(*state, request.resources(), /*check_etags=*/false, change);
  for (v1::Violation& violation : change.violations) *response.add_violations() = std::move(violation);
  return status;
}

grpc::Status AdminService::DoDiff(const v1::DiffRequest& request, v1::DiffResponse& response) {
  bool revisions = request.from_revision() != 0 || request.to_revision() != 0;
  if (revisions && !request.resources().empty()) {
    return BadField("resources", "set together with revisions; compare one or the other");
  }
  if (revisions) return DiffRevisions(request, response);
  if (request.resources().empty()) return BadField("resources", "empty; there is nothing to compare");
  PolicyStatePtr state;
  if (grpc::Status status = StateAt(0, state); !status.ok()) return status;
  PolicyChange change;
  grpc::Status status = ProposeApply(*state, request.resources(), /*check_etags=*/false, change);
  AddChanges(change.changes, response);
  for (v1::Violation& violation : change.violations) *response.add_violations() = std::move(violation);
  response.set_revision(state->revision);
  return status;
}

grpc::Status AdminService::DiffRevisions(const v1::DiffRequest& request, v1::DiffResponse& response) {
  if (request.from_revision() == 0) return BadField("from_revision", "missing; name the revision to compare with");
  PolicyStatePtr from, to;
  if (grpc::Status status = StateAt(request.from_revision(), from); !status.ok()) return status;
  if (grpc::Status status = StateAt(request.to_revision(), to); !status.ok()) return status;
  AddChanges(CompareStates(*from, *to), response);
  response.set_revision(to->revision);
  return grpc::Status::OK;
}

}  // namespace sluice
