// Single endpoints of a list that change: how an endpoint is called, and how a
// change is applied. Both planes must do the same, so both call this. Pure.
#ifndef SLUICE_PROTO_POLICY_ENDPOINT_CHANGE_H_
#define SLUICE_PROTO_POLICY_ENDPOINT_CHANGE_H_

#include <string>

#include "sluice/v1/control.pb.h"
#include "sluice/v1/policy.pb.h"

namespace sluice {

// The name that an endpoint has or that its url gives it ("host:port"). A url
// that is none names by itself.
std::string EndpointName(const v1::Endpoint& endpoint);

// Known names are replaced in place, new ones appended, removals removed.
void ApplyEndpointChange(const v1::EndpointChange& change,
                         google::protobuf::RepeatedPtrField<v1::Endpoint>& endpoints);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_ENDPOINT_CHANGE_H_
