// What is legal in a set of policies and most likely not meant: routes and
// targets that can take no call, what nothing uses, limits that are never met.
// Called by `analyze`. Pure.
#ifndef SLUICE_CONTROLPLANE_CTL_ANALYSIS_H_
#define SLUICE_CONTROLPLANE_CTL_ANALYSIS_H_

#include <vector>

#include "absl/types/span.h"
#include "sluice/v1/control.pb.h"

namespace sluice::ctl {

// Beside what the validator finds. Codes: DEAD_ROUTE, DEAD_TARGET, UNUSED,
// NEVER_MET. In order of the resources.
std::vector<v1::Violation> AnalyzePolicies(absl::Span<const v1::Resource* const> all);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_ANALYSIS_H_
