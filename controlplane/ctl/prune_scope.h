// What of the policies a set of files speaks for: the options of apply and diff
// that say which resources go when they are not among the files.
#ifndef SLUICE_CONTROLPLANE_CTL_PRUNE_SCOPE_H_
#define SLUICE_CONTROLPLANE_CTL_PRUNE_SCOPE_H_

#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "controlplane/ctl/session.h"

namespace sluice::ctl {

struct PruneOptions {
  bool prune = false;
  bool all = false;
  std::vector<std::string> labels;
  std::vector<std::string> kinds;
};

void AddPruneOptions(CLI::App& app, PruneOptions& options);

// Without --prune nothing is set in `prune`. False: said what is wrong (exit 2).
bool ReadPrune(const PruneOptions& options, const Session& session, std::optional<v1::Prune>& prune);

// "label team=search, kind route"; "everything".
std::string ScopeText(const v1::Prune& prune);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_PRUNE_SCOPE_H_
