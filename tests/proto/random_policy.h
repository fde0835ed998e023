// Random messages by reflection: what the round trip of the printer and the
// loader is tested with. Only what YAML can say: no unknown enum numbers, no
// empty choice.
#ifndef SLUICE_TESTS_PROTO_RANDOM_POLICY_H_
#define SLUICE_TESTS_PROTO_RANDOM_POLICY_H_

#include <random>

#include "sluice/v1/policy.pb.h"

namespace sluice {

// A resource of a random kind; the same for the same state of `random`.
v1::Resource RandomResource(std::mt19937_64& random);

}  // namespace sluice

#endif  // SLUICE_TESTS_PROTO_RANDOM_POLICY_H_
