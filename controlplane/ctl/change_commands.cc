// delete, set and rollback: changes that need no file.
#include <memory>

#include "absl/strings/str_cat.h"
#include "controlplane/ctl/await.h"
#include "controlplane/ctl/change_text.h"
#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/policy_input.h"
#include "proto/policy/kinds.h"

namespace sluice::ctl {
namespace {

struct DeleteOptions {
  std::vector<std::string> refs;
  std::vector<std::string> files;
  bool dry_run = false;
};

struct SetOptions {
  std::string ref;
  std::vector<std::string> assignments;
  std::string etag;
  bool dry_run = false;
};

struct RollbackOptions {
  uint64_t to = 0;
  bool dry_run = false;
};

// What every change ends with.
ExitCode Conclude(Session& session, const grpc::Status& status, const Changes& changes, uint64_t revision,
                  bool dry_run) {
  if (!status.ok()) {
    const ExitCode code = session.Fail(status);
    if (code != ExitCode::kUnreachable) session.err() << "nothing was changed\n";
    return code;
  }
  PrintResults(changes, dry_run, session.out());
  if (dry_run) {
    session.out() << "nothing was changed (dry run)\n";
    return ExitCode::kOk;
  }
  if (!AnyDifference(changes)) {
    session.out() << "revision " << revision << " · nothing to change\n";
    return ExitCode::kOk;
  }
  return AwaitRevision(session, revision);
}

ExitCode Delete(Session& session, const DeleteOptions& options) {
  if (options.refs.empty() == options.files.empty()) {
    return session.Fail(ExitCode::kUsage, "delete: name resources as KIND/NAME, or files with -f");
  }
  v1::DeleteRequest request;
  for (const std::string& word : options.refs) {
    const std::optional<v1::ResourceRef> ref = ParseRef({word}, session);
    if (!ref.has_value()) return ExitCode::kUsage;
    *request.add_resources() = *ref;
  }
  const PolicyInput input = PolicyInput::Read(options.files);
  if (!input.ok()) {
    input.PrintErrors(session.err());
    session.err() << "nothing was changed\n";
    return ExitCode::kInvalidPolicy;
  }
  for (const v1::Resource* resource : input.resources()) {
    v1::ResourceRef* ref = request.add_resources();
    ref->set_kind(std::string(KindOf(*resource)));
    ref->set_name(resource->meta().name());
  }
  request.set_validate_only(options.dry_run);
  v1::DeleteResponse response;
  const grpc::Status status = session.Change(&v1::Admin::Stub::Delete, request, &response);
  return Conclude(session, status, response.changes(), response.revision(), options.dry_run);
}

ExitCode Set(Session& session, const SetOptions& options) {
  const std::optional<v1::ResourceRef> ref = ParseRef({options.ref}, session);
  if (!ref.has_value()) return ExitCode::kUsage;
  v1::SetRequest request;
  *request.mutable_resource() = *ref;
  request.set_etag(options.etag);
  request.set_validate_only(options.dry_run);
  for (const std::string& text : options.assignments) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return session.Fail(ExitCode::kUsage,
                          absl::StrCat("set: \"", text, "\" sets nothing; write field=value, as in max_attempts=4"));
    }
    v1::FieldAssignment* assignment = request.add_assignments();
    assignment->set_path(text.substr(0, equals));
    assignment->set_value(text.substr(equals + 1));
  }
  v1::SetResponse response;
  const grpc::Status status = session.Change(&v1::Admin::Stub::Set, request, &response);
  Changes changes;
  if (status.ok()) *changes.Add() = response.change();
  return Conclude(session, status, changes, response.revision(), options.dry_run);
}

ExitCode Rollback(Session& session, const RollbackOptions& options) {
  v1::RollbackRequest request;
  request.set_to_revision(options.to);
  request.set_validate_only(options.dry_run);
  v1::RollbackResponse response;
  const grpc::Status status = session.Change(&v1::Admin::Stub::Rollback, request, &response);
  return Conclude(session, status, response.changes(), response.revision(), options.dry_run);
}

}  // namespace

void AddDelete(CommandSet& commands) {
  auto options = std::make_shared<DeleteOptions>();
  CLI::App& app = commands.Add("delete", "Delete resources: all of them or none; refused while others refer to them",
                               "sluicectl delete route/old\n"
                               "sluicectl delete route/old upstream/old --reason \"provider left\"\n"
                               "sluicectl delete -f old/ --dry-run",
                               [options](Session& session) { return Delete(session, *options); });
  app.add_option("resources", options->refs, "KIND/NAME …");
  app.add_option("-f,--file", options->files, "What these files name; may be repeated");
  app.add_flag("--dry-run", options->dry_run, "Check and show what would go; change nothing");
}

void AddSet(CommandSet& commands) {
  auto options = std::make_shared<SetOptions>();
  CLI::App& app = commands.Add("set", "Change single fields of one resource",
                               "sluicectl set retrypolicy/default max_attempts=4\n"
                               "sluicectl set retrypolicy/default backoff.exponential.max=2s max_attempts=2\n"
                               "sluicectl set upstream/openai endpoints[backup].state=draining --reason \"provider incident\"\n"
                               "sluicectl set route/chat timeouts.idle=null          back to the default",
                               [options](Session& session) { return Set(session, *options); });
  app.add_option("resource", options->ref, "KIND/NAME")->required();
  app.add_option("assignments", options->assignments, "path=value …, values as in YAML; null unsets")->required();
  app.add_option("--etag", options->etag, "Only if the resource still has this etag (get --with-etag)");
  app.add_flag("--dry-run", options->dry_run, "Check and show what would change; change nothing");
}

void AddRollback(CommandSet& commands) {
  auto options = std::make_shared<RollbackOptions>();
  CLI::App& app = commands.Add("rollback", "Make a new revision with the content of an old one",
                               "sluicectl history\n"
                               "sluicectl rollback --to 7 --dry-run\n"
                               "sluicectl rollback --to 7 --reason \"errors since 8\"",
                               [options](Session& session) { return Rollback(session, *options); });
  app.add_option("--to", options->to, "The revision to go back to")->required()->check(IsRevision());
  app.add_flag("--dry-run", options->dry_run, "Show what would change; change nothing");
}

}  // namespace sluice::ctl
