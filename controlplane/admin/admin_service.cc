#include "controlplane/admin/admin_service.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "controlplane/admin/command_check.h"
#include "controlplane/admin/node_check.h"
#include "controlplane/admin/rpc_status.h"
#include "proto/policy/duration_text.h"
#include "proto/policy/kinds.h"
#include "spdlog/spdlog.h"

namespace sluice {
namespace {

// gRPC clients refuse answers above 4 MiB: a page ends before.
constexpr size_t kMaxPageBytes = 3 << 20;
constexpr int kDefaultPage = 1000;
constexpr int kMaxPage = 10000;
constexpr int kDefaultHistory = 50;
constexpr int kMaxHistory = 1000;
constexpr absl::Duration kDefaultAwait = absl::Seconds(10);
constexpr absl::Duration kMaxAwait = absl::Seconds(60);

// Where the next page goes on, and in which revision: pages of one list are of
// one state, whatever happens between them. "7/Upstream/openai".
struct PageToken {
  uint64_t revision = 0;
  ResourceKey after;

  std::string ToString() const { return absl::StrCat(revision, "/", after.kind, "/", after.name); }

  static bool Parse(const std::string& text, PageToken& token) {
    std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits('/', 2));
    if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &token.revision)) return false;
    token.after = {parts[1], parts[2]};
    return true;
  }
};

}  // namespace

AdminService::Reactor* AdminService::Finish(Context* context, const char* method, const grpc::Status& status) {
  if (observer_ != nullptr) observer_->OnRequest(method, status.error_code());
  Reactor* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

grpc::Status AdminService::StateAt(uint64_t revision, PolicyStatePtr& state) {
  absl::StatusOr<PolicyStatePtr> result = revision == 0 ? store_.Current() : store_.At(revision);
  if (!result.ok()) return ToGrpcStatus(result.status());
  state = *std::move(result);
  return grpc::Status::OK;
}

AdminService::Reactor* AdminService::Apply(Context* context, const v1::ApplyRequest* request,
                                           v1::ApplyResponse* response) {
  if (request->ask_nodes()) return ApplyOnNodes(context, *request, response);
  return Finish(context, "Apply", DoApply(*request, *response));
}

AdminService::Reactor* AdminService::ApplyOnNodes(Context* context, const v1::ApplyRequest& request,
                                                  v1::ApplyResponse* response) {
  v1::PolicyCheckQuery query;
  if (grpc::Status status = DoApply(request, *response, &query); !status.ok()) return Finish(context, "Apply", status);
  Reactor* reactor = context->DefaultReactor();
  CheckOnNodes(fleet_, response->revision(), std::move(query),
               [this, reactor, response](std::vector<v1::NodeFindings> findings) {
                 for (v1::NodeFindings& finding : findings) *response->add_nodes() = std::move(finding);
                 if (observer_ != nullptr) observer_->OnRequest("Apply", grpc::StatusCode::OK);
                 reactor->Finish(grpc::Status::OK);
               });
  return reactor;
}

Backups::Reactor* AdminService::Backup(Context* context, const v1::BackupRequest*) { return backups_.Begin(context); }

AdminService::Reactor* AdminService::GetInfo(Context* context, const v1::GetInfoRequest*,
                                             v1::GetInfoResponse* response) {
  PolicyStatePtr state;
  grpc::Status status = StateAt(0, state);
  if (!status.ok()) return Finish(context, "GetInfo", status);
  const Lineage lineage = store_.lineage();
  response->set_version(program_.version);
  response->set_epoch(store_.epoch());
  response->set_revision(state->revision);
  response->set_store(store_.location());
  response->set_parent_epoch(lineage.parent_epoch);
  response->set_parent_revision(lineage.parent_revision);
  for (const std::string& epoch : lineage.replaces_epochs) response->add_replaces_epochs(epoch);
  *response->mutable_started() = ToProto(program_.started);
  return Finish(context, "GetInfo", grpc::Status::OK);
}

AdminService::Reactor* AdminService::Validate(Context* context, const v1::ValidateRequest* request,
                                              v1::ValidateResponse* response) {
  return Finish(context, "Validate", DoValidate(*request, *response));
}

AdminService::Reactor* AdminService::Get(Context* context, const v1::GetRequest* request,
                                         v1::GetResponse* response) {
  return Finish(context, "Get", DoGet(*request, *response));
}

AdminService::Reactor* AdminService::List(Context* context, const v1::ListRequest* request,
                                          v1::ListResponse* response) {
  return Finish(context, "List", DoList(*request, *response));
}

AdminService::Reactor* AdminService::Delete(Context* context, const v1::DeleteRequest* request,
                                            v1::DeleteResponse* response) {
  return Finish(context, "Delete", DoDelete(*request, *response));
}

AdminService::Reactor* AdminService::Set(Context* context, const v1::SetRequest* request,
                                         v1::SetResponse* response) {
  return Finish(context, "Set", DoSet(*request, *response));
}

AdminService::Reactor* AdminService::Diff(Context* context, const v1::DiffRequest* request,
                                          v1::DiffResponse* response) {
  return Finish(context, "Diff", DoDiff(*request, *response));
}

AdminService::Reactor* AdminService::History(Context* context, const v1::HistoryRequest* request,
                                             v1::HistoryResponse* response) {
  return Finish(context, "History", DoHistory(*request, *response));
}

AdminService::Reactor* AdminService::Rollback(Context* context, const v1::RollbackRequest* request,
                                              v1::RollbackResponse* response) {
  return Finish(context, "Rollback", DoRollback(*request, *response));
}

AdminService::Reactor* AdminService::ListNodes(Context* context, const v1::ListNodesRequest* request,
                                               v1::ListNodesResponse* response) {
  PolicyStatePtr state;
  grpc::Status status = StateAt(0, state);
  if (status.ok()) {
    response->set_revision(state->revision);
    for (v1::NodeStatus& node : fleet_.ListNodes()) *response->add_nodes() = std::move(node);
  }
  return Finish(context, "ListNodes", status);
}

AdminService::Reactor* AdminService::AwaitRevision(Context* context, const v1::AwaitRevisionRequest* request,
                                                   v1::AwaitRevisionResponse* response) {
  absl::Duration timeout = request->has_timeout() ? ToAbsl(request->timeout()) : kDefaultAwait;
  if (timeout < absl::ZeroDuration()) {
    return Finish(context, "AwaitRevision", BadField("timeout", "is negative; must be 0s to 60s"));
  }
  if (request->revision() == 0) {
    return Finish(context, "AwaitRevision", BadField("revision", "missing; name the revision to wait for"));
  }
  // The reactor stays valid until Finish, also when the caller has gone.
  Reactor* reactor = context->DefaultReactor();
  absl::Status status = fleet_.Await(request->revision(), std::min(timeout, kMaxAwait),
                                     [this, reactor, response](v1::AwaitRevisionResponse result) {
                                       *response = std::move(result);
                                       if (observer_ != nullptr) {
                                         observer_->OnRequest("AwaitRevision", grpc::StatusCode::OK);
                                       }
                                       reactor->Finish(grpc::Status::OK);
                                     });
  if (!status.ok()) return Finish(context, "AwaitRevision", ToGrpcStatus(status));
  return reactor;
}

AdminService::Reactor* AdminService::Command(Context* context, const v1::CommandRequest* request,
                                             v1::CommandResponse* response) {
  if (grpc::Status status = CheckCommand(*request); !status.ok()) return Finish(context, "Command", status);
  absl::Duration timeout = request->has_timeout() ? ToAbsl(request->timeout()) : kDefaultCommandTimeout;
  Reactor* reactor = context->DefaultReactor();
  absl::Status status = fleet_.Command(
      *request, timeout, [this, reactor, response, text = CommandText(*request)](v1::CommandResponse result) {
        if (!text.empty()) {
          auto done = std::count_if(result.answers().begin(), result.answers().end(),
                                    [](const v1::NodeAnswer& answer) { return answer.answer().code() == 0; });
          spdlog::info("{}: done by {} of {} data planes", text, done, result.answers_size());
        }
        if (observer_ != nullptr) {
          observer_->OnRequest("Command", grpc::StatusCode::OK);
          for (const v1::NodeAnswer& answer : result.answers()) {
            observer_->OnNodeAnswer(static_cast<grpc::StatusCode>(answer.answer().code()));
          }
        }
        *response = std::move(result);
        reactor->Finish(grpc::Status::OK);
      });
  if (!status.ok()) return Finish(context, "Command", ToGrpcStatus(status));
  return reactor;
}

grpc::Status AdminService::DoGet(const v1::GetRequest& request, v1::GetResponse& response) {
  ResourceKey key;
  if (grpc::Status status = ParseRef(request.resource(), key); !status.ok()) return status;
  PolicyStatePtr state;
  if (grpc::Status status = StateAt(request.revision(), state); !status.ok()) return status;
  auto found = state->resources.find(key);
  if (found == state->resources.end()) {
    return MakeStatus(grpc::StatusCode::NOT_FOUND,
                      absl::StrCat(ResourceId(key.kind, key.name), " does not exist",
                                   request.revision() == 0 ? "" : absl::StrCat(" in revision ", request.revision())));
  }
  *response.mutable_resource() = *found->second;
  return grpc::Status::OK;
}

grpc::Status AdminService::DoList(const v1::ListRequest& request, v1::ListResponse& response) {
  std::string kind;
  if (!request.kind().empty()) {
    ResourceKey key;
    v1::ResourceRef ref;
    ref.set_kind(request.kind());
    ref.set_name("any");
    if (grpc::Status status = ParseRef(ref, key); !status.ok()) return status;
    kind = key.kind;
  }
  if (request.page_size() < 0) return BadField("page_size", "is negative; must be 0 to 10000");
  PageToken token;
  token.revision = request.revision();
  if (!request.page_token().empty() && !PageToken::Parse(request.page_token(), token)) {
    return BadField("page_token", absl::StrCat("\"", request.page_token(), "\" is none that List gave"));
  }
  PolicyStatePtr state;
  if (grpc::Status status = StateAt(token.revision, state); !status.ok()) return status;
  response.set_revision(state->revision);
  int page = request.page_size() == 0 ? kDefaultPage : std::min(request.page_size(), kMaxPage);
  auto it = request.page_token().empty() ? state->resources.begin() : state->resources.upper_bound(token.after);
  size_t bytes = 0;
  ResourceKey last;
  for (; it != state->resources.end(); ++it) {
    const auto& [key, resource] = *it;
    if ((!kind.empty() && key.kind != kind) || !HasLabels(*resource, request.labels())) continue;
    bytes += resource->ByteSizeLong();
    bool full = response.resources_size() >= page || (bytes > kMaxPageBytes && response.resources_size() > 0);
    if (full) {
      response.set_next_page_token(PageToken{state->revision, last}.ToString());
      break;
    }
    *response.add_resources() = *resource;
    last = key;
  }
  return grpc::Status::OK;
}

grpc::Status AdminService::DoHistory(const v1::HistoryRequest& request, v1::HistoryResponse& response) {
  HistoryQuery query;
  if (request.has_resource()) {
    ResourceKey key;
    if (grpc::Status status = ParseRef(request.resource(), key); !status.ok()) return status;
    query.resource = key;
  }
  if (request.limit() < 0) return BadField("limit", "is negative; must be 0 to 1000");
  query.limit = request.limit() == 0 ? kDefaultHistory : std::min(request.limit(), kMaxHistory);
  query.before_revision = request.before_revision();
  absl::StatusOr<std::vector<v1::Revision>> revisions = store_.History(query);
  if (!revisions.ok()) return ToGrpcStatus(revisions.status());
  size_t bytes = 0;
  for (v1::Revision& revision : *revisions) {
    bytes += revision.ByteSizeLong();
    if (bytes > kMaxPageBytes && response.revisions_size() > 0) break;
    *response.add_revisions() = std::move(revision);
  }
  return grpc::Status::OK;
}

}  // namespace sluice
