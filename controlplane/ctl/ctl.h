// sluicectl as a function, so that tests run all of it in their process.
#ifndef SLUICE_CONTROLPLANE_CTL_CTL_H_
#define SLUICE_CONTROLPLANE_CTL_CTL_H_

#include <string>
#include <vector>

#include "controlplane/ctl/session.h"

namespace sluice::ctl {

// `args` without the program's name. Environment that it reads: that of
// ResolveConnection, and USER.
ExitCode RunCtl(const std::vector<std::string>& args, CtlIo io);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_CTL_H_
