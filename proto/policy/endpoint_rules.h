// What the endpoints of one list must be to each other. Called by the
// validator for upstreams and endpoint lists.
#ifndef SLUICE_PROTO_POLICY_ENDPOINT_RULES_H_
#define SLUICE_PROTO_POLICY_ENDPOINT_RULES_H_

#include <string>

#include "sluice/v1/policy.pb.h"

#include "proto/policy/violations.h"

namespace sluice {

// Names and urls are there once, and one of the weights is not 0. That none is
// active is legal: so one drains. `path` is that of the list.
void CheckEndpoints(const google::protobuf::RepeatedPtrField<v1::Endpoint>& endpoints,
                    const std::string& path, Violations& out);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_ENDPOINT_RULES_H_
