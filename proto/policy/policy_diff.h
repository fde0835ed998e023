// What differs between two versions of a resource, field by field.
#ifndef SLUICE_PROTO_POLICY_POLICY_DIFF_H_
#define SLUICE_PROTO_POLICY_POLICY_DIFF_H_

#include "sluice/v1/control.pb.h"
#include "sluice/v1/policy.pb.h"

namespace sluice {

// Null stands for "not there". Spec, labels and annotations count; etag and
// revision do not. Both null is a programming error.
v1::Change DiffResources(const v1::Resource* before, const v1::Resource* after);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_POLICY_DIFF_H_
