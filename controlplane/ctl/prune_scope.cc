#include "controlplane/ctl/prune_scope.h"

#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controlplane/ctl/commands.h"
#include "proto/policy/wording.h"

namespace sluice::ctl {

void AddPruneOptions(CLI::App& app, PruneOptions& options) {
  app.add_flag("--prune", options.prune,
               "Delete in the same revision what is in force, in the scope below, and not in the files");
  app.add_option("-l,--label", options.labels, "With --prune: only what carries this label=value; may be repeated");
  app.add_option("--prune-kind", options.kinds, "With --prune: only of this kind; may be repeated");
  app.add_flag("--all", options.all, "With --prune: everything");
}

bool ReadPrune(const PruneOptions& options, const Session& session, std::optional<v1::Prune>& prune) {
  const bool scoped = options.all || !options.labels.empty() || !options.kinds.empty();
  if (options.prune != scoped) {
    session.Fail(ExitCode::kUsage,
                 options.prune ? "--prune needs a scope: -l label=value, --prune-kind KIND, or --all"
                               : "-l, --prune-kind and --all say what --prune may delete; add --prune, or leave them out");
    return false;
  }
  if (!options.prune) return true;
  v1::Prune scope;
  scope.set_all(options.all);
  for (const std::string& label : options.labels) {
    const size_t equals = label.find('=');
    if (equals == std::string::npos || equals == 0) {
      session.Fail(ExitCode::kUsage, absl::StrCat("-l: ", Shown(label), " is no condition; write label=value"));
      return false;
    }
    (*scope.mutable_labels())[label.substr(0, equals)] = label.substr(equals + 1);
  }
  for (const std::string& text : options.kinds) {
    const std::optional<std::string> kind = ParseKind(text, session);
    if (!kind.has_value()) return false;
    scope.add_kinds(*kind);
  }
  prune = scope;
  return true;
}

std::string ScopeText(const v1::Prune& prune) {
  std::vector<std::string> parts;
  for (const auto& [label, value] : std::map<std::string, std::string>(prune.labels().begin(), prune.labels().end())) {
    parts.push_back(absl::StrCat("label ", label, "=", value));
  }
  for (const std::string& kind : prune.kinds()) parts.push_back(absl::StrCat("kind ", absl::AsciiStrToLower(kind)));
  return parts.empty() ? "everything" : absl::StrJoin(parts, ", ");
}

}  // namespace sluice::ctl
