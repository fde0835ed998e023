// What can stand where the cursor is: commands and options from the command
// line's own description, names from the control plane. Called by the hidden
// `__complete`, which the scripts of `completion` call. One thread.
#ifndef SLUICE_CONTROLPLANE_CTL_COMPLETION_H_
#define SLUICE_CONTROLPLANE_CTL_COMPLETION_H_

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "controlplane/ctl/session.h"

namespace sluice::ctl {

// A line that ends in this is to be completed with names of files.
inline constexpr char kCompleteFiles[] = ":files";

// `line`: the command line up to the cursor, the program's name first. Never an
// error: nothing is offered then.
std::vector<std::string> Complete(const CLI::App& root, const std::string& line, const Environment& environment);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_COMPLETION_H_
