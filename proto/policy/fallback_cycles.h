// Fallbacks that lead to each other in a circle: a call that fails everywhere
// would go round for ever. Called by the validator, through cross_rules.
#ifndef SLUICE_PROTO_POLICY_FALLBACK_CYCLES_H_
#define SLUICE_PROTO_POLICY_FALLBACK_CYCLES_H_

#include "proto/policy/policy_set.h"
#include "proto/policy/violations.h"

namespace sluice {

// One violation a circle, at its route whose name comes first, naming the
// whole way.
void CheckFallbackCycles(const PolicySet& set, Violations& out);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_FALLBACK_CYCLES_H_
