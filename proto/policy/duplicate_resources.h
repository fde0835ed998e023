// The same resource written twice in one input. Used by the loader,
// and by sluicectl for several inputs.
#ifndef SLUICE_PROTO_POLICY_DUPLICATE_RESOURCES_H_
#define SLUICE_PROTO_POLICY_DUPLICATE_RESOURCES_H_

#include "proto/policy/yaml_loader.h"

namespace sluice {

// Adds an error, naming both places, for every resource that was there before,
// and takes the later one out.
void RefuseDuplicateResources(LoadResult& result);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_DUPLICATE_RESOURCES_H_
