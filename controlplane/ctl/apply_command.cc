// apply and validate: policies from files, checked by the control plane or here.
#include <memory>

#include "absl/strings/str_cat.h"
#include "controlplane/ctl/await.h"
#include "controlplane/ctl/change_text.h"
#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/policy_input.h"
#include "proto/policy/validator.h"

namespace sluice::ctl {
namespace {

struct ApplyOptions {
  std::vector<std::string> files;
  bool dry_run = false;
};

constexpr char kFilesHelp[] = "A file, a folder (its *.yaml, *.yml, *.json), or - for standard input; may be repeated";

ExitCode Refuse(const PolicyInput& input, Session& session) {
  input.PrintErrors(session.err());
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

ExitCode Apply(Session& session, const ApplyOptions& options) {
  PolicyInput input = PolicyInput::Read(options.files);
  if (!input.ok()) {
    // One round for all that is wrong; without a control plane, for what can
    // be seen here.
    if (!input.resources().empty()) AskForViolations(session, input);
    return Refuse(input, session);
  }
  v1::ApplyRequest request;
  for (const v1::Resource* resource : input.resources()) *request.add_resources() = *resource;
  request.set_validate_only(options.dry_run);
  v1::ApplyResponse response;
  const grpc::Status status = session.Change(&v1::Admin::Stub::Apply, request, &response);
  if (status.error_code() == grpc::StatusCode::INVALID_ARGUMENT && AskForViolations(session, input)) {
    return Refuse(input, session);
  }
  if (!status.ok()) {
    const ExitCode code = session.Fail(status);
    if (code == ExitCode::kInvalidPolicy || code == ExitCode::kConflict) session.err() << "nothing was changed\n";
    return code;
  }
  PrintResults(response.changes(), options.dry_run, session.out());
  if (options.dry_run) {
    session.out() << "nothing was changed (dry run)\n";
    return ExitCode::kOk;
  }
  if (!AnyDifference(response.changes())) {
    session.out() << "revision " << response.revision() << " · nothing to change\n";
    return ExitCode::kOk;
  }
  return AwaitRevision(session, response.revision());
}

ExitCode ValidateHere(Session& session, const ApplyOptions& options) {
  PolicyInput input = PolicyInput::Read(options.files);
  const std::vector<const v1::Resource*> all = input.resources();
  input.AddViolations(ValidatePolicies(all));
  if (!input.ok()) {
    input.PrintErrors(session.err());
    return ExitCode::kInvalidPolicy;
  }
  session.out() << all.size() << (all.size() == 1 ? " resource is valid\n" : " resources are valid\n");
  return ExitCode::kOk;
}

}  // namespace

void AddApply(CommandSet& commands) {
  auto options = std::make_shared<ApplyOptions>();
  CLI::App& app = commands.Add("apply", "Put policies in place: all of them or none, as one revision",
                               "sluicectl apply -f policy.yaml\n"
                               "sluicectl apply -f policies/ --reason \"new provider\"\n"
                               "sluicectl apply -f policies/ --dry-run\n"
                               "kubectl get cm sluice -o jsonpath={.data.policy} | sluicectl apply -f -",
                               [options](Session& session) { return Apply(session, *options); });
  app.add_option("-f,--file", options->files, kFilesHelp)->required();
  app.add_flag("--dry-run", options->dry_run, "Check and show what would change; change nothing");
}

void AddValidate(CommandSet& commands) {
  auto options = std::make_shared<ApplyOptions>();
  CLI::App& app = commands.Add("validate",
                               "Check files here, as one whole set; apply --dry-run checks against what is in force",
                               "sluicectl validate -f policies/\n"
                               "sluicectl validate -f policy.yaml || exit 1",
                               [options](Session& session) { return ValidateHere(session, *options); });
  app.add_option("-f,--file", options->files, kFilesHelp)->required();
}

}  // namespace sluice::ctl
