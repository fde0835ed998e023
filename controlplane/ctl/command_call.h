// One query or command to data planes, as breaker and top need it: sent, waited
// for, and told who did not do it. One thread.
#ifndef SLUICE_CONTROLPLANE_CTL_COMMAND_CALL_H_
#define SLUICE_CONTROLPLANE_CTL_COMMAND_CALL_H_

#include <vector>

#include "controlplane/ctl/session.h"

namespace sluice::ctl {

// Asks every node, or the one that the request names, within the session's
// timeout. Not kOk: said why on err, and there is no response.
ExitCode CallNodes(Session& session, v1::CommandRequest request, v1::CommandResponse& response);

// Those that did what they were asked.
std::vector<const v1::NodeAnswer*> Done(const v1::CommandResponse& response);

// Says on err which nodes did not answer, refused or are not there, and why; a
// refusal that all share only once. The exit status of the whole: of a command
// kOk means that every data plane did it, lost ones included.
ExitCode TellFailures(Session& session, const v1::CommandRequest& request, const v1::CommandResponse& response);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_COMMAND_CALL_H_
