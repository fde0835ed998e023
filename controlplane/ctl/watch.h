// --watch: the same look again and again until Ctrl-C.
#ifndef SLUICE_CONTROLPLANE_CTL_WATCH_H_
#define SLUICE_CONTROLPLANE_CTL_WATCH_H_

#include <functional>
#include <string>

#include "CLI/CLI.hpp"
#include "controlplane/ctl/session.h"

namespace sluice::ctl {

struct WatchOptions {
  bool watch = false;
  // As typed.
  std::string interval = "2s";
};

void AddWatchOptions(CLI::App& app, WatchOptions& options);

// Calls `look` once, or with --watch until it is stopped; the last look's code.
// On a terminal each look begins on a clean screen.
ExitCode Watch(Session& session, const WatchOptions& options, const std::function<ExitCode()>& look);

// For `look`, when it has got what it shows.
void BeginLook(Session& session, const WatchOptions& options);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_WATCH_H_
