// What a route's own fields, the retry policy it takes, the fallback it takes
// and the upstreams it names must be to each other. Called by the validator,
// through cross_rules.
#ifndef SLUICE_PROTO_POLICY_CHOICE_RULES_H_
#define SLUICE_PROTO_POLICY_CHOICE_RULES_H_

#include "absl/types/span.h"
#include "sluice/v1/policy.pb.h"

#include "proto/policy/policy_set.h"
#include "proto/policy/violations.h"

namespace sluice {

// Hedges, restarts, queues and fallbacks that the route's retry policy leaves
// nothing to do; upstreams that hash by an affinity that no route has.
void CheckChoices(const PolicySet& set, absl::Span<const v1::Resource* const> all, Violations& out);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_CHOICE_RULES_H_
