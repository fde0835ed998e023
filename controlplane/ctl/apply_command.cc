// apply and validate: policies from files, checked by the control plane or here.
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "controlplane/ctl/await.h"
#include "controlplane/ctl/change_text.h"
#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/epoch_steps.h"
#include "controlplane/ctl/node_findings.h"
#include "controlplane/ctl/policy_input.h"
#include "controlplane/ctl/prune_scope.h"
#include "proto/policy/kinds.h"
#include "proto/policy/validator.h"

namespace sluice::ctl {
namespace {

// As --dry-run alone is read.
constexpr char kPlainDryRun[] = "plain";

struct ApplyOptions {
  std::vector<std::string> files;
  // Empty: the real run. "plain", "server" (the data planes are asked too), or
  // "client" (nobody is asked).
  std::string dry_run;
  PruneOptions prune;
  bool force = false;
  bool adopt = false;
  bool new_epoch = false;
  bool yes = false;
};

constexpr char kFilesHelp[] = "A file, a folder (its *.yaml, *.yml, *.json), or - for standard input; may be repeated";

ExitCode Refuse(const PolicyInput& input, Session& session) {
  input.PrintErrors(session.output());
  session.err() << "nothing was changed\n";
  return ExitCode::kInvalidPolicy;
}

// Adds what the control plane finds. False: it could not be asked, or found
// nothing.
bool AskForViolations(Session& session, PolicyInput& input) {
  v1::ValidateRequest request;
  for (const v1::Resource* resource : input.resources()) *request.add_resources() = *resource;
  v1::ValidateResponse response;
  if (!session.Call(&v1::Admin::Stub::Validate, request, &response).ok()) return false;
  input.AddViolations(response.violations());
  return !response.violations().empty();
}

ExitCode CheckHere(Session& session, PolicyInput& input) {
  const std::vector<const v1::Resource*> all = input.resources();
  input.AddViolations(ValidatePolicies(all));
  if (!input.ok()) {
    input.PrintErrors(session.output());
    return ExitCode::kInvalidPolicy;
  }
  session.out() << all.size() << (all.size() == 1 ? " resource is valid\n" : " resources are valid\n");
  return ExitCode::kOk;
}

// One run of apply, from files that could be read.
class Application {
 public:
  Application(Session& session, const ApplyOptions& options, PolicyInput& input, std::optional<v1::Prune> prune)
      : session_(session), options_(options), input_(input), prune_(std::move(prune)) {}

  ExitCode Run() {
    if (const ExitCode code = PrepareEpoch(); code != ExitCode::kOk) return code;
    if (input_.resources().empty()) return adopted_ == 0 ? Done() : AwaitRevision(session_, adopted_);
    if (const ExitCode code = ShowPruned(); code != ExitCode::kOk) return code;
    v1::ApplyRequest request = Request();
    request.set_validate_only(dry_run());
    request.set_ask_nodes(options_.dry_run == "server");
    v1::ApplyResponse response;
    if (const ExitCode code = Send(request, response); code != ExitCode::kOk) return code;
    PrintResults(response.changes(), dry_run(), session_.out());
    session_.Show(response);
    for (const v1::Change& change : response.changes()) {
      session_.Name(ResourceId(change.resource().kind(), change.resource().name()));
    }
    if (dry_run()) {
      const ExitCode code = PrintNodeFindings(response.nodes(), session_.err());
      Done();
      return code;
    }
    if (replaces_) {
      if (const ExitCode code = ReplaceEpochs(session_); code != ExitCode::kOk) return code;
    }
    if (!AnyDifference(response.changes()) && adopted_ == 0 && !replaces_) {
      session_.out() << "revision " << response.revision() << " · nothing to change\n";
      return ExitCode::kOk;
    }
    return AwaitRevision(session_, response.revision());
  }

 private:
  bool dry_run() const { return !options_.dry_run.empty(); }

  v1::ApplyRequest Request() const {
    v1::ApplyRequest request;
    for (const v1::Resource* resource : input_.resources()) *request.add_resources() = *resource;
    request.set_force(options_.force);
    if (prune_.has_value()) *request.mutable_prune() = *prune_;
    return request;
  }

  ExitCode PrepareEpoch() {
    if (options_.adopt) return AdoptPolicies(session_, dry_run(), adopted_);
    if (!options_.new_epoch) return ExitCode::kOk;
    const ExitCode code = ShowEpochLosses(session_, input_.resources(), replaces_);
    if (code != ExitCode::kOk || !replaces_ || dry_run()) return code;
    return session_.Confirm("Replace the policies of these data planes?", "--new-epoch", options_.yes);
  }

  // What --prune deletes is shown before it is done.
  ExitCode ShowPruned() {
    if (!prune_.has_value() || dry_run()) return ExitCode::kOk;
    v1::ApplyRequest request = Request();
    request.set_validate_only(true);
    v1::ApplyResponse response;
    if (const ExitCode code = Send(request, response); code != ExitCode::kOk) return code;
    int deleted = 0;
    for (const v1::Change& change : response.changes()) {
      if (change.action() != v1::CHANGE_ACTION_DELETED) continue;
      if (deleted++ == 0) session_.out() << "not in the files, to be deleted (" << ScopeText(*prune_) << "):\n";
      session_.out() << "  " << ResourceId(change.resource().kind(), change.resource().name()) << "\n";
    }
    if (deleted == 0 || options_.yes || !session_.interactive()) return ExitCode::kOk;
    return session_.Confirm(absl::StrCat("Delete ", deleted, deleted == 1 ? " resource?" : " resources?"), "--prune",
                            false);
  }

  ExitCode Send(v1::ApplyRequest& request, v1::ApplyResponse& response) {
    const grpc::Status status = session_.Change(&v1::Admin::Stub::Apply, request, &response);
    if (status.ok()) return ExitCode::kOk;
    if (status.error_code() == grpc::StatusCode::INVALID_ARGUMENT && AskForViolations(session_, input_)) {
      return Refuse(input_, session_);
    }
    const ExitCode code = session_.Fail(status);
    const bool refused = code == ExitCode::kInvalidPolicy || code == ExitCode::kConflict;
    if (refused && adopted_ == 0) session_.err() << "nothing was changed\n";
    if (refused && status.error_code() == grpc::StatusCode::ABORTED) {
      session_.err() << "sluicectl diff shows what the files would change; --force overwrites what others did\n";
    }
    return code;
  }

  ExitCode Done() {
    session_.out() << "nothing was changed (dry run)\n";
    return ExitCode::kOk;
  }

  Session& session_;
  const ApplyOptions& options_;
  PolicyInput& input_;
  const std::optional<v1::Prune> prune_;
  // The revision that --adopt made; 0: none.
  uint64_t adopted_ = 0;
  bool replaces_ = false;
};

ExitCode Apply(Session& session, const ApplyOptions& options) {
  if (options.files.empty() && !options.adopt) {
    return session.Fail(ExitCode::kUsage, "apply: name files or folders with -f");
  }
  std::optional<v1::Prune> prune;
  if (!ReadPrune(options.prune, session, prune)) return ExitCode::kUsage;
  if (options.files.empty() && prune.has_value()) {
    return session.Fail(ExitCode::kUsage, "apply: --prune deletes what is not in the files: name them with -f");
  }
  PolicyInput input = PolicyInput::Read(options.files);
  if (!input.ok()) {
    // One round for all that is wrong; without a control plane, for what can
    // be seen here.
    if (!input.resources().empty() && options.dry_run != "client") AskForViolations(session, input);
    return Refuse(input, session);
  }
  if (options.dry_run == "client") {
    const ExitCode code = CheckHere(session, input);
    if (code == ExitCode::kOk) session.out() << "nothing was changed (dry run)\n";
    return code;
  }
  return Application(session, options, input, std::move(prune)).Run();
}

ExitCode ValidateHere(Session& session, const ApplyOptions& options) {
  PolicyInput input = PolicyInput::Read(options.files);
  return CheckHere(session, input);
}

}  // namespace

void AddApply(CommandSet& commands) {
  auto options = std::make_shared<ApplyOptions>();
  CLI::App& app = commands.Add("apply", "Put policies in place: all of them or none, as one revision",
                               "sluicectl apply -f policy.yaml\n"
                               "sluicectl apply -f policies/ --reason \"new provider\"\n"
                               "sluicectl apply -f policies/ --dry-run=server      asks the data planes too\n"
                               "sluicectl apply -f policies/ --prune -l team=search\n"
                               "sluicectl apply -f policies/ --adopt               go on from what data planes run\n"
                               "kubectl get cm sluice -o jsonpath={.data.policy} | sluicectl apply -f -",
                               [options](Session& session) { return Apply(session, *options); });
  app.add_option("-f,--file", options->files, kFilesHelp);
  app.add_flag(absl::StrCat("--dry-run{", kPlainDryRun, "}"), options->dry_run,
               "Check and show what would change; change nothing. =server: would the data planes take it? =client: "
               "check here only")
      ->check(CLI::IsMember({kPlainDryRun, "server", "client"}));
  AddPruneOptions(app, options->prune);
  app.add_flag("--force", options->force, "Overwrite what others changed since the files were written by get");
  CLI::Option* adopt = app.add_flag("--adopt", options->adopt,
                                    "First make what the data planes run, of another epoch, the newest revision here");
  app.add_flag("--new-epoch", options->new_epoch, "Replace the policies of data planes that run another epoch")
      ->excludes(adopt);
  app.add_flag("--yes", options->yes, "Do not ask");
}

void AddValidate(CommandSet& commands) {
  auto options = std::make_shared<ApplyOptions>();
  CLI::App& app = commands.Add("validate",
                               "Check files here, as one whole set; apply --dry-run checks against what is in force",
                               "sluicectl validate -f policies/\n"
                               "sluicectl validate -f policy.yaml || exit 1",
                               [options](Session& session) { return ValidateHere(session, *options); });
  commands.NeedsNoServer(app);
  app.add_option("-f,--file", options->files, kFilesHelp)->required();
}

}  // namespace sluice::ctl
