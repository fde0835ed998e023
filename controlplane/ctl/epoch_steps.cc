#include "controlplane/ctl/epoch_steps.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controlplane/ctl/change_text.h"

namespace sluice::ctl {
namespace {

template <class Names>
std::string NodesText(const Names& nodes) {
  return absl::StrCat(nodes.size(), nodes.size() == 1 ? " data plane (" : " data planes (", absl::StrJoin(nodes, ", "),
                      ")");
}

void PrintLoss(const v1::EpochLoss& loss, Session& session) {
  session.out() << NodesText(loss.node_ids()) << " with revision " << loss.revision() << " of epoch " << loss.epoch();
  if (!loss.message().empty()) {
    session.out() << ": cannot tell what is lost: " << loss.message() << "\n";
  } else if (!AnyDifference(loss.changes())) {
    session.out() << ": nothing changes there\n";
  } else {
    session.out() << ":\n";
    PrintDiff(loss.changes(), session.color(), session.out());
  }
}

}  // namespace

ExitCode AdoptPolicies(Session& session, bool dry_run, uint64_t& revision) {
  v1::AdoptRequest request;
  request.set_validate_only(dry_run);
  v1::AdoptResponse response;
  const grpc::Status status = session.Change(&v1::Admin::Stub::Adopt, request, &response);
  if (!status.ok()) return session.FailUnchanged(status);
  revision = response.revision();
  session.out() << (dry_run ? "would adopt" : "adopted") << " revision " << response.adopted_revision() << " of epoch "
                << response.adopted_epoch() << " from " << NodesText(response.node_ids());
  if (!dry_run) session.out() << " as revision " << response.revision();
  session.out() << "\n";
  PrintDiff(response.changes(), session.color(), session.out());
  return ExitCode::kOk;
}

ExitCode ShowEpochLosses(Session& session, const std::vector<const v1::Resource*>& resources, bool& needed) {
  v1::ReplaceEpochsRequest request;
  request.set_validate_only(true);
  for (const v1::Resource* resource : resources) *request.add_resources() = *resource;
  v1::ReplaceEpochsResponse response;
  const grpc::Status status = session.Change(&v1::Admin::Stub::ReplaceEpochs, request, &response);
  if (!status.ok()) return session.FailUnchanged(status);
  needed = !response.losses().empty();
  if (!needed) {
    session.out() << "no data plane runs the policies of another epoch\n";
    return ExitCode::kOk;
  }
  for (const v1::EpochLoss& loss : response.losses()) PrintLoss(loss, session);
  return ExitCode::kOk;
}

ExitCode ReplaceEpochs(Session& session) {
  v1::ReplaceEpochsRequest request;
  v1::ReplaceEpochsResponse response;
  const grpc::Status status = session.Change(&v1::Admin::Stub::ReplaceEpochs, request, &response);
  return status.ok() ? ExitCode::kOk : session.Fail(status);
}

}  // namespace sluice::ctl
