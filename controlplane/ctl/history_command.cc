// history: who changed what, when and why.
#include <limits>
#include <memory>

#include "absl/strings/str_cat.h"
#include "controlplane/ctl/change_text.h"
#include "controlplane/ctl/commands.h"
#include "controlplane/ctl/table.h"
#include "proto/policy/duration_text.h"

namespace sluice::ctl {
namespace {

constexpr int kChangesShown = 3;

struct HistoryOptions {
  std::vector<std::string> ref;
  int limit = 20;
  uint64_t before = 0;
};

std::string ReasonText(const v1::Revision& revision) {
  if (revision.rollback_of() == 0) return revision.reason();
  const std::string what = absl::StrCat("rollback to ", revision.rollback_of());
  return revision.reason().empty() ? what : absl::StrCat(what, ": ", revision.reason());
}

ExitCode History(Session& session, const HistoryOptions& options) {
  v1::HistoryRequest request;
  if (!options.ref.empty()) {
    const std::optional<v1::ResourceRef> ref = ParseRef(options.ref, session);
    if (!ref.has_value()) return ExitCode::kUsage;
    *request.mutable_resource() = *ref;
  }
  request.set_limit(options.limit);
  request.set_before_revision(options.before);
  v1::HistoryResponse response;
  const grpc::Status status = session.Call(&v1::Admin::Stub::History, request, &response);
  if (!status.ok()) return session.Fail(status);
  session.Show(response);
  if (response.revisions().empty()) {
    session.err() << "nothing found\n";
    return ExitCode::kOk;
  }
  const bool wide = session.form() == Form::kWide;
  Table table({"REVISION", "WHEN", "AUTHOR", "CHANGES", "REASON"});
  for (const v1::Revision& revision : response.revisions()) {
    session.Name(absl::StrCat("revision/", revision.revision()));
    table.AddRow({absl::StrCat(revision.revision()),
                  AgoCell(ToAbsl(revision.created()), session.clock()), revision.author(),
                  Summary(revision.changes(), wide ? std::numeric_limits<int>::max() : kChangesShown),
                  ReasonText(revision)});
  }
  table.Print(session);
  return ExitCode::kOk;
}

}  // namespace

void AddHistory(CommandSet& commands) {
  auto options = std::make_shared<HistoryOptions>();
  CLI::App& app = commands.Add("history", "Who changed what, when and why; the newest first",
                               "sluicectl history\n"
                               "sluicectl history retrypolicy/default\n"
                               "sluicectl history --before 100 --limit 50\n"
                               "sluicectl history -o wide                 every resource that a revision touched\n"
                               "sluicectl diff --from 7 --to 8            a revision field by field",
                               [options](Session& session) { return History(session, *options); });
  app.add_option("resource", options->ref, "Only what touched KIND/NAME")->expected(0, 2);
  app.add_option("--limit", options->limit, "Revisions to show")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--before", options->before, "Only revisions before this one");
}

}  // namespace sluice::ctl
