// A command line that cannot be understood, in words: which word, and which
// one may have been meant.
#ifndef SLUICE_CONTROLPLANE_CTL_USAGE_ERROR_H_
#define SLUICE_CONTROLPLANE_CTL_USAGE_ERROR_H_

#include <string>

#include "CLI/CLI.hpp"

namespace sluice::ctl {

// One line. `root` is what threw the error.
std::string UsageErrorText(const CLI::App& root, const CLI::ParseError& error);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_USAGE_ERROR_H_
