// What can be written in a policy, read from the descriptors and their rules:
// a new field explains itself. No network, no thread.
#ifndef SLUICE_CONTROLPLANE_CTL_EXPLAIN_H_
#define SLUICE_CONTROLPLANE_CTL_EXPLAIN_H_

#include <string>

#include "absl/status/statusor.h"

namespace sluice::ctl {

// "" → all kinds; "retrypolicy"; "retrypolicy.backoff.exponential.max"; "retry",
// "endpoints.weight": a field, of the kinds that have it. NOT_FOUND names the
// part that is wrong and what there is in its place.
absl::StatusOr<std::string> Explain(const std::string& path);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_EXPLAIN_H_
