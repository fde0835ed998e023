// --help on a terminal: long lines go on below their second column. Pure.
#ifndef SLUICE_CONTROLPLANE_CTL_HELP_TEXT_H_
#define SLUICE_CONTROLPLANE_CTL_HELP_TEXT_H_

#include <cstddef>
#include <string>

namespace sluice::ctl {

// `width` 0: as it is, for a pipe.
std::string Wrapped(const std::string& help, size_t width);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_HELP_TEXT_H_
