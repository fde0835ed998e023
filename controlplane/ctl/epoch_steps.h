// The two ways past data planes that run the policies of another store: to take
// those policies over, or to replace them. Parts of `apply`.
#ifndef SLUICE_CONTROLPLANE_CTL_EPOCH_STEPS_H_
#define SLUICE_CONTROLPLANE_CTL_EPOCH_STEPS_H_

#include <cstdint>
#include <vector>

#include "controlplane/ctl/session.h"

namespace sluice::ctl {

// Makes what the data planes run the newest revision; says what that was.
// `revision` becomes it. Not kOk: said why.
ExitCode AdoptPolicies(Session& session, bool dry_run, uint64_t& revision);

// Shows what data planes of other epochs lose when they get `resources`;
// `needed`: there are some. Not kOk: said why.
ExitCode ShowEpochLosses(Session& session, const std::vector<const v1::Resource*>& resources, bool& needed);

// Lets the policies here replace theirs.
ExitCode ReplaceEpochs(Session& session);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_EPOCH_STEPS_H_
