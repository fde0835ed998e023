#include "tests/ctl/fake_admin.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <set>

#include "proto/policy/duration_text.h"
#include "proto/policy/kinds.h"
#include "proto/policy/policy_diff.h"
#include "proto/policy/validator.h"
#include "proto/policy/yaml_loader.h"

namespace sluice::testing {
namespace {

using grpc::Status;
using grpc::StatusCode;

std::vector<v1::Change> Changes(const std::map<std::string, v1::Resource>& before,
                                const std::map<std::string, v1::Resource>& after) {
  std::vector<v1::Change> changes;
  for (const auto& [id, resource] : after) {
    const auto old = before.find(id);
    changes.push_back(DiffResources(old == before.end() ? nullptr : &old->second, &resource));
  }
  for (const auto& [id, resource] : before) {
    if (!after.contains(id)) changes.push_back(DiffResources(&resource, nullptr));
  }
  return changes;
}

bool InScope(const v1::Resource& resource, const v1::Prune& prune) {
  const auto& kinds = prune.kinds();
  if (!kinds.empty() && std::find(kinds.begin(), kinds.end(), std::string(KindOf(resource))) == kinds.end()) return false;
  return std::all_of(prune.labels().begin(), prune.labels().end(), [&](const auto& wanted) {
    const auto label = resource.meta().labels().find(wanted.first);
    return label != resource.meta().labels().end() && label->second == wanted.second;
  });
}

std::string AuthorizationOf(const grpc::ServerContext& context) {
  const auto found = context.client_metadata().find("authorization");
  return found == context.client_metadata().end() ? "" : std::string(found->second.data(), found->second.size());
}

}  // namespace

FakeAdmin::FakeAdmin() {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  await.set_acked(2);
  await.mutable_elapsed()->set_nanos(41'000'000);
}

FakeAdmin::~FakeAdmin() { server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1)); }

template <class Request>
Status FakeAdmin::Enter(const Request& request) {
  author = request.author();
  reason = request.reason();
  request_ids.push_back(request.request_id());
  if (broken_calls > 0) {
    --broken_calls;
    return Status(StatusCode::UNAVAILABLE, "going away");
  }
  return refusal;
}

// What the real one says (AdminHistoryTest.RollbackToWhatIsNotThereIsRefused).
Status FakeAdmin::NoRevision(uint64_t revision) const {
  return Status(StatusCode::OUT_OF_RANGE, "revision " + std::to_string(revision) + " does not exist; the newest is " +
                                              std::to_string(revisions_.size() - 1));
}

std::vector<v1::Violation> FakeAdmin::Check(const Set_& set) const {
  std::vector<const v1::Resource*> all;
  for (const auto& [id, resource] : set) all.push_back(&resource);
  return ValidatePolicies(all);
}

void FakeAdmin::Commit(Set_ next, const std::vector<v1::Change>& changes, const std::string& who) {
  const uint64_t number = revisions_.size();
  v1::Revision revision;
  revision.set_revision(number);
  *revision.mutable_created() = ToProto(absl::UnixEpoch() + absl::Seconds(60 * number));
  revision.set_author(who);
  revision.set_reason(reason);
  for (const v1::Change& change : changes) {
    if (change.action() == v1::CHANGE_ACTION_UNCHANGED) continue;
    *revision.add_changes() = change;
    const auto changed = next.find(ResourceId(change.resource().kind(), change.resource().name()));
    if (changed == next.end()) continue;
    changed->second.mutable_meta()->set_revision(number);
    changed->second.mutable_meta()->set_etag("etag-" + std::to_string(number));
  }
  history_.insert(history_.begin(), revision);
  revisions_.push_back(std::move(next));
}

Status FakeAdmin::Apply(grpc::ServerContext*, const v1::ApplyRequest* request, v1::ApplyResponse* response) {
  std::lock_guard lock(mutex_);
  applied.push_back(*request);
  if (const Status status = Enter(*request); !status.ok()) return status;
  Set_ next = revisions_.back();
  std::vector<v1::Change> changes;
  for (const v1::Resource& resource : request->resources()) {
    const auto old = next.find(ResourceId(resource));
    const std::string& etag = resource.meta().etag();
    if (!request->force() && !etag.empty() && (old == next.end() || old->second.meta().etag() != etag)) {
      return Status(StatusCode::ABORTED, ResourceId(resource) + ": etag \"" + etag + "\" is out of date");
    }
    changes.push_back(DiffResources(old == next.end() ? nullptr : &old->second, &resource));
    // What did not change keeps its bookkeeping.
    if (changes.back().action() != v1::CHANGE_ACTION_UNCHANGED) next[ResourceId(resource)] = resource;
  }
  if (request->has_prune()) Prune(*request, next, changes);
  if (!Check(next).empty()) return Status(StatusCode::INVALID_ARGUMENT, "the policies are not valid");
  for (const v1::Change& change : changes) *response->add_changes() = change;
  const bool differs = std::any_of(changes.begin(), changes.end(), [](const v1::Change& change) {
    return change.action() != v1::CHANGE_ACTION_UNCHANGED;
  });
  if (request->ask_nodes()) {
    for (const v1::NodeFindings& node : node_findings) *response->add_nodes() = node;
  }
  if (differs && !request->validate_only()) Commit(std::move(next), changes, request->author());
  response->set_revision(revisions_.size() - 1);
  return Status::OK;
}

template <class Request>
void FakeAdmin::Prune(const Request& request, Set_& next, std::vector<v1::Change>& changes) {
  std::set<std::string> named;
  for (const v1::Resource& resource : request.resources()) named.insert(ResourceId(resource));
  for (auto each = next.begin(); each != next.end();) {
    const bool goes = named.count(each->first) == 0 && InScope(each->second, request.prune());
    if (goes) changes.push_back(DiffResources(&each->second, nullptr));
    each = goes ? next.erase(each) : std::next(each);
  }
}

Status FakeAdmin::Validate(grpc::ServerContext*, const v1::ValidateRequest* request, v1::ValidateResponse* response) {
  std::lock_guard lock(mutex_);
  Set_ next = revisions_.back();
  for (const v1::Resource& resource : request->resources()) next[ResourceId(resource)] = resource;
  for (const v1::Violation& violation : Check(next)) *response->add_violations() = violation;
  return Status::OK;
}

Status FakeAdmin::Get(grpc::ServerContext*, const v1::GetRequest* request, v1::GetResponse* response) {
  std::lock_guard lock(mutex_);
  const uint64_t revision = request->revision() == 0 ? revisions_.size() - 1 : request->revision();
  const std::string id = ResourceId(request->resource().kind(), request->resource().name());
  if (revision >= revisions_.size()) return NoRevision(revision);
  if (!revisions_[revision].contains(id)) return Status(StatusCode::NOT_FOUND, id + " does not exist");
  *response->mutable_resource() = revisions_[revision][id];
  return Status::OK;
}

// Pages of one, so that the client's paging is used.
Status FakeAdmin::List(grpc::ServerContext*, const v1::ListRequest* request, v1::ListResponse* response) {
  std::lock_guard lock(mutex_);
  response->set_revision(revisions_.size() - 1);
  for (const auto& [id, resource] : revisions_.back()) {
    if (id <= request->page_token()) continue;
    if (!request->kind().empty() && KindOf(resource) != request->kind()) continue;
    bool matches = true;
    for (const auto& [key, value] : request->labels()) {
      const auto label = resource.meta().labels().find(key);
      matches &= label != resource.meta().labels().end() && label->second == value;
    }
    if (!matches) continue;
    if (response->resources_size() == 1) {
      response->set_next_page_token(ResourceId(response->resources(0)));
      return Status::OK;
    }
    *response->add_resources() = resource;
  }
  return Status::OK;
}

Status FakeAdmin::Delete(grpc::ServerContext*, const v1::DeleteRequest* request, v1::DeleteResponse* response) {
  std::lock_guard lock(mutex_);
  if (const Status status = Enter(*request); !status.ok()) return status;
  Set_ next = revisions_.back();
  std::vector<v1::Change> changes;
  for (const v1::ResourceRef& ref : request->resources()) {
    const auto old = next.find(ResourceId(ref.kind(), ref.name()));
    if (old == next.end()) return Status(StatusCode::NOT_FOUND, ResourceId(ref.kind(), ref.name()) + " does not exist");
    changes.push_back(DiffResources(&old->second, nullptr));
    next.erase(old);
  }
  for (const v1::Change& change : changes) *response->add_changes() = change;
  if (!request->validate_only()) Commit(std::move(next), changes, request->author());
  response->set_revision(revisions_.size() - 1);
  return Status::OK;
}

Status FakeAdmin::Set(grpc::ServerContext*, const v1::SetRequest* request, v1::SetResponse* response) {
  std::lock_guard lock(mutex_);
  if (const Status status = Enter(*request); !status.ok()) return status;
  const std::string id = ResourceId(request->resource().kind(), request->resource().name());
  Set_ next = revisions_.back();
  if (!next.contains(id)) return Status(StatusCode::NOT_FOUND, id + " does not exist");
  const v1::Resource before = next[id];
  if (!request->etag().empty() && request->etag() != before.meta().etag()) {
    return Status(StatusCode::ABORTED, id + " was changed by somebody else");
  }
  for (const v1::FieldAssignment& assignment : request->assignments()) {
    const absl::Status set = SetPolicyField(next[id], assignment.path(), assignment.value());
    if (!set.ok()) return Status(StatusCode::INVALID_ARGUMENT, std::string(set.message()));
  }
  if (const auto violations = Check(next); !violations.empty()) {
    return Status(StatusCode::INVALID_ARGUMENT, id + ": " + violations[0].path() + ": " + violations[0].message());
  }
  *response->mutable_change() = DiffResources(&before, &next[id]);
  *response->mutable_resource() = next[id];
  if (!request->validate_only()) Commit(std::move(next), {response->change()}, request->author());
  response->set_revision(revisions_.size() - 1);
  return Status::OK;
}

Status FakeAdmin::Diff(grpc::ServerContext*, const v1::DiffRequest* request, v1::DiffResponse* response) {
  std::lock_guard lock(mutex_);
  Set_ before = revisions_.back();
  Set_ after = before;
  if (request->from_revision() != 0) {
    const uint64_t to = request->to_revision() == 0 ? revisions_.size() - 1 : request->to_revision();
    for (const uint64_t revision : {request->from_revision(), to}) {
      if (revision >= revisions_.size()) return NoRevision(revision);
    }
    before = revisions_[request->from_revision()];
    after = revisions_[to];
  }
  for (const v1::Resource& resource : request->resources()) after[ResourceId(resource)] = resource;
  std::vector<v1::Change> pruned;
  if (request->has_prune()) Prune(*request, after, pruned);
  for (const v1::Change& change : Changes(before, after)) *response->add_changes() = change;
  for (const v1::Violation& violation : Check(after)) *response->add_violations() = violation;
  return Status::OK;
}

Status FakeAdmin::History(grpc::ServerContext*, const v1::HistoryRequest* request, v1::HistoryResponse* response) {
  std::lock_guard lock(mutex_);
  const std::string wanted = ResourceId(request->resource().kind(), request->resource().name());
  for (const v1::Revision& revision : history_) {
    const bool touched = std::any_of(revision.changes().begin(), revision.changes().end(), [&](const v1::Change& change) {
      return ResourceId(change.resource().kind(), change.resource().name()) == wanted;
    });
    if (response->revisions_size() < request->limit() && (touched || !request->has_resource())) {
      *response->add_revisions() = revision;
    }
  }
  return Status::OK;
}

Status FakeAdmin::Rollback(grpc::ServerContext*, const v1::RollbackRequest* request, v1::RollbackResponse* response) {
  std::lock_guard lock(mutex_);
  if (const Status status = Enter(*request); !status.ok()) return status;
  if (request->to_revision() >= revisions_.size()) return NoRevision(request->to_revision());
  const auto changes = Changes(revisions_.back(), revisions_[request->to_revision()]);
  for (const v1::Change& change : changes) {
    if (change.action() != v1::CHANGE_ACTION_UNCHANGED) *response->add_changes() = change;
  }
  if (!request->validate_only()) {
    Commit(revisions_[request->to_revision()], changes, request->author());
    history_.front().set_rollback_of(request->to_revision());
  }
  response->set_revision(revisions_.size() - 1);
  return Status::OK;
}

Status FakeAdmin::ListNodes(grpc::ServerContext* context, const v1::ListNodesRequest*, v1::ListNodesResponse* response) {
  std::lock_guard lock(mutex_);
  authorization = AuthorizationOf(*context);
  *response = nodes;
  return Status::OK;
}

Status FakeAdmin::AwaitRevision(grpc::ServerContext*, const v1::AwaitRevisionRequest* request,
                                v1::AwaitRevisionResponse* response) {
  std::lock_guard lock(mutex_);
  awaited_ms = absl::ToInt64Milliseconds(ToAbsl(request->timeout()));
  *response = await;
  return await_status;
}

Status FakeAdmin::GetInfo(grpc::ServerContext*, const v1::GetInfoRequest*, v1::GetInfoResponse* response) {
  std::lock_guard lock(mutex_);
  if (!info.has_value()) return Status(StatusCode::UNIMPLEMENTED, "");
  *response = *info;
  return Status::OK;
}

Status FakeAdmin::Adopt(grpc::ServerContext*, const v1::AdoptRequest* request, v1::AdoptResponse* response) {
  std::lock_guard lock(mutex_);
  adopt = *request;
  if (const Status status = Enter(*request); !status.ok()) return status;
  *response = adopt_answer;
  return Status::OK;
}

Status FakeAdmin::ReplaceEpochs(grpc::ServerContext*, const v1::ReplaceEpochsRequest* request,
                                v1::ReplaceEpochsResponse* response) {
  std::lock_guard lock(mutex_);
  replaces.push_back(*request);
  if (const Status status = Enter(*request); !status.ok()) return status;
  *response = replace_answer;
  return Status::OK;
}

Status FakeAdmin::ForgetNode(grpc::ServerContext*, const v1::ForgetNodeRequest* request, v1::ForgetNodeResponse*) {
  std::lock_guard lock(mutex_);
  const auto node = known_nodes.find(request->node_id());
  if (node == known_nodes.end()) return Status(StatusCode::NOT_FOUND, "no data plane is called " + request->node_id());
  if (node->second) return Status(StatusCode::FAILED_PRECONDITION, request->node_id() + " is connected");
  known_nodes.erase(node);
  return Status::OK;
}

Status FakeAdmin::Backup(grpc::ServerContext*, const v1::BackupRequest*, grpc::ServerWriter<v1::BackupResponse>* writer) {
  std::lock_guard lock(mutex_);
  for (const v1::BackupResponse& piece : backup) writer->Write(piece);
  return Status::OK;
}

Status FakeAdmin::Command(grpc::ServerContext*, const v1::CommandRequest* request, v1::CommandResponse* response) {
  std::lock_guard lock(mutex_);
  command = *request;
  *response = command_answer;
  return command_status;
}

}  // namespace sluice::testing
