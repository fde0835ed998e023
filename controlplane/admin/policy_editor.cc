#include "controlplane/admin/policy_editor.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "controlplane/admin/rpc_status.h"

namespace sluice {
namespace {

// Each try loses only to another replica's success.
constexpr int kMaxTries = 5;

grpc::Status CheckLength(const std::string& field, const std::string& value, size_t most) {
  if (value.size() <= most) return grpc::Status::OK;
  return BadField(field, absl::StrCat("has ", value.size(), " bytes; must have at most ", most));
}

grpc::Status CheckRequest(const EditRequest& request) {
  grpc::Status status = CheckLength("request_id", request.request_id, 128);
  if (status.ok()) status = CheckLength("reason", request.reason, 1024);
  if (status.ok()) status = CheckLength("author", request.author, 256);
  return status;
}

}  // namespace

grpc::Status PolicyEditor::Edit(const EditRequest& request, google::protobuf::Message& response,
                                const Propose& propose, const Answer& answer) {
  if (grpc::Status status = CheckRequest(request); !status.ok()) return status;
  absl::MutexLock lock(&writing_);
  for (int i = 0; i < kMaxTries; ++i) {
    bool moved_on = false;
    grpc::Status status = EditOnce(request, response, propose, answer, moved_on);
    if (!moved_on) return status;
  }
  return MakeStatus(grpc::StatusCode::ABORTED, "the policies keep changing under this request; try again");
}

std::optional<grpc::Status> PolicyEditor::Recall(const EditRequest& request, google::protobuf::Message& response) {
  if (request.request_id.empty() || request.validate_only) return std::nullopt;
  absl::StatusOr<std::optional<RememberedAnswer>> known = store_.FindAnswer(request.request_id);
  if (!known.ok()) return ToGrpcStatus(known.status());
  if (!known->has_value()) return std::nullopt;
  if ((*known)->fingerprint != request.fingerprint) {
    return BadField("request_id", absl::StrCat("\"", request.request_id, "\" was used for another request"));
  }
  if (response.ParseFromString((*known)->response)) return grpc::Status::OK;
  return MakeStatus(grpc::StatusCode::DATA_LOSS, "the remembered answer cannot be read");
}

grpc::Status PolicyEditor::EditOnce(const EditRequest& request, google::protobuf::Message& response,
                                    const Propose& propose, const Answer& answer, bool& moved_on) {
  if (auto known = Recall(request, response)) return *known;
  absl::StatusOr<PolicyStatePtr> state = store_.Current();
  if (!state.ok()) return ToGrpcStatus(state.status());
  PolicyChange change;
  if (grpc::Status status = propose(**state, change); !status.ok()) return status;
  if (!change.violations.empty()) return RefusedStatus(change.violations);
  if ((*state)->resources.size() + change.puts.size() > limits_.max_resources + change.deletes.size()) {
    return MakeStatus(grpc::StatusCode::RESOURCE_EXHAUSTED,
                      absl::StrCat("there would be more than ", limits_.max_resources, " resources"));
  }
  // A check changes nothing, so the revision in force stays.
  bool makes_revision = !change.empty() && !request.validate_only;
  answer((*state)->revision + (makes_revision ? 1 : 0), **state, change);
  if (request.validate_only) return grpc::Status::OK;
  if (change.empty() && !change.changes_lineage() && request.request_id.empty()) return grpc::Status::OK;
  return Commit(request, response, **state, std::move(change), moved_on);
}

grpc::Status PolicyEditor::Commit(const EditRequest& request, const google::protobuf::Message& response,
                                  const PolicyState& state, PolicyChange change, bool& moved_on) {
  StoreWrite write;
  write.expected_revision = state.revision;
  write.puts = std::move(change.puts);
  write.deletes = std::move(change.deletes);
  write.replaces_epochs = std::move(change.replaces_epochs);
  write.new_epoch = change.new_epoch;
  write.record.set_author(request.author);
  write.record.set_reason(request.reason);
  write.record.set_rollback_of(change.rollback_of);
  for (v1::Change& entry : change.changes) {
    if (entry.action() != v1::CHANGE_ACTION_UNCHANGED) *write.record.add_changes() = std::move(entry);
  }
  write.request_id = request.request_id;
  if (!request.request_id.empty()) write.answer = {request.fingerprint, response.SerializeAsString()};
  absl::Time start = absl::Now();
  absl::StatusOr<PolicyStatePtr> committed = store_.Commit(std::move(write));
  if (absl::IsAborted(committed.status())) {
    moved_on = true;
    return grpc::Status::OK;
  }
  if (!committed.ok()) return ToGrpcStatus(committed.status());
  if (observer_ != nullptr) observer_->OnCommit(absl::Now() - start);
  return grpc::Status::OK;
}

}  // namespace sluice
