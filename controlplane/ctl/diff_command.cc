// diff: files against what is in force, or one revision against another.
#include <memory>

#include "controlplane/ctl/change_text.h"
#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/policy_input.h"
#include "controlplane/ctl/prune_scope.h"

namespace sluice::ctl {
namespace {

struct DiffOptions {
  std::vector<std::string> files;
  uint64_t from = 0;
  uint64_t to = 0;
  bool exit_code = false;
  PruneOptions prune;
};

ExitCode Diff(Session& session, const DiffOptions& options) {
  if (options.files.empty() == (options.from == 0)) {
    return session.Fail(ExitCode::kUsage, "diff: name files with -f, or revisions with --from and --to");
  }
  std::optional<v1::Prune> prune;
  if (!ReadPrune(options.prune, session, prune)) return ExitCode::kUsage;
  if (options.files.empty() && prune.has_value()) {
    return session.Fail(ExitCode::kUsage, "diff: --prune is about what is not in the files: name them with -f");
  }
  PolicyInput input = PolicyInput::Read(options.files);
  if (!input.ok()) {
    input.PrintErrors(session.output());
    return ExitCode::kInvalidPolicy;
  }
  v1::DiffRequest request;
  for (const v1::Resource* resource : input.resources()) *request.add_resources() = *resource;
  request.set_from_revision(options.from);
  request.set_to_revision(options.to);
  if (prune.has_value()) *request.mutable_prune() = *prune;
  v1::DiffResponse response;
  const grpc::Status status = session.Call(&v1::Admin::Stub::Diff, request, &response);
  if (!status.ok()) return session.Fail(status);
  session.Show(response);
  PrintDiff(response.changes(), session.color(), session.out());
  if (!response.violations().empty()) {
    input.AddViolations(response.violations());
    input.PrintErrors(session.output());
    return ExitCode::kInvalidPolicy;
  }
  if (!AnyDifference(response.changes())) {
    session.out() << "no differences\n";
    return ExitCode::kOk;
  }
  return options.exit_code ? ExitCode::kDifferent : ExitCode::kOk;
}

}  // namespace

void AddDiff(CommandSet& commands) {
  auto options = std::make_shared<DiffOptions>();
  CLI::App& app = commands.Add("diff", "Show what apply would change, or what changed between two revisions",
                               "sluicectl diff -f policies/\n"
                               "sluicectl diff --from 7 --to 8\n"
                               "sluicectl diff --from 7                 against the newest\n"
                               "sluicectl diff -f policies/ --prune --all   what apply --prune --all would delete too\n"
                               "sluicectl diff -f policies/ --exit-code status 9 if anything differs",
                               [options](Session& session) { return Diff(session, *options); });
  app.add_option("-f,--file", options->files, "A file, a folder, or -; may be repeated");
  app.add_option("--from", options->from, "Older revision")->check(IsRevision());
  app.add_option("--to", options->to, "Newer revision; left out: the newest")->check(IsRevision())->needs("--from");
  AddPruneOptions(app, options->prune);
  app.add_flag("--exit-code", options->exit_code, "Exit with 9 if there are differences");
}

}  // namespace sluice::ctl
