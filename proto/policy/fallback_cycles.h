// Fallbacks that lead to each other in a circle or on and on: a call that fails
// everywhere would go round for ever, or through all of them. Called by the validator, through cross_rules.
#ifndef SLUICE_PROTO_POLICY_FALLBACK_CYCLES_H_
#define SLUICE_PROTO_POLICY_FALLBACK_CYCLES_H_

#include <cstddef>

#include "proto/policy/policy_set.h"
#include "proto/policy/violations.h"

namespace sluice {

// Each route tries all its attempts before its fallback is asked: the caller has
// long gone, and the load of a call has multiplied by as many.
inline constexpr std::size_t kMaxFallbacksInARow = 8;

// One violation a circle, at its route whose name comes first, naming the
// whole way.
void CheckFallbackCycles(const PolicySet& set, Violations& out);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_FALLBACK_CYCLES_H_
