// After a change: waits for the data planes and says what they made of it.
#ifndef SLUICE_CONTROLPLANE_CTL_AWAIT_H_
#define SLUICE_CONTROLPLANE_CTL_AWAIT_H_

#include <cstdint>

#include "controlplane/ctl/session.h"

namespace sluice::ctl {

// "revision 8 · acked by 2/2 data planes in 41 ms". Refusals go to err, one
// line per node and violation. With --no-wait only names the revision.
ExitCode AwaitRevision(Session& session, uint64_t revision);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_AWAIT_H_
