// The one policy validator, used by the control plane before it accepts and by
// the data plane before it applies. Reports all violations, in a stable order.
#ifndef SLUICE_PROTO_POLICY_VALIDATOR_H_
#define SLUICE_PROTO_POLICY_VALIDATOR_H_

#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "sluice/v1/control.pb.h"
#include "sluice/v1/policy.pb.h"

namespace sluice {

// Checks a whole set, as it would be in force: every field by its rules,
// references, names, and what no single field can say (base above max, two
// routes with the same match, endpoints and endpoint_list both set, no target
// with a weight, …). Empty: valid.
std::vector<v1::Violation> ValidatePolicies(absl::Span<const v1::Resource* const> all);

// What this binary does not know of a message that a newer one wrote: unknown
// fields and enum values, unless marked ignorable.
std::vector<v1::Violation> FindUnknown(const v1::Resource& resource);

// The resources that refer to one, as "route/chat".
std::vector<std::string> ReferrersOf(std::string_view kind, std::string_view name,
                                     absl::Span<const v1::Resource* const> all);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_VALIDATOR_H_
