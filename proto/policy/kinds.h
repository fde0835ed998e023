// The kinds of resources, read from the descriptor of sluice.v1.Resource, so
// that a new kind is added in policy.proto and nowhere else.
#ifndef SLUICE_PROTO_POLICY_KINDS_H_
#define SLUICE_PROTO_POLICY_KINDS_H_

#include <string>
#include <string_view>
#include <vector>

#include "sluice/v1/control.pb.h"
#include "sluice/v1/policy.pb.h"

namespace sluice {

// Members of Resource.spec, in the order in which they must be pushed: what is
// referred to before what refers to it.
const std::vector<const google::protobuf::FieldDescriptor*>& Kinds();

// Any case, with or without '_' or '-' ("retrypolicy", "retry_policy",
// "RetryPolicy"), the plural, and short names; null if there is none.
const google::protobuf::FieldDescriptor* FindKind(std::string_view name);

// How people write a kind: "retrypolicy", "retrypolicies", {"rp"}.
struct KindNames {
  std::string single;
  std::string plural;
  std::vector<std::string> shorts;
};
KindNames NamesOf(const google::protobuf::FieldDescriptor& kind);

// "RetryPolicy", or "" if no spec is set.
std::string_view KindOf(const v1::Resource& resource);

// The message of the kind that is set. Requires that one is.
const google::protobuf::Message& SpecOf(const v1::Resource& resource);
google::protobuf::Message& MutableSpecOf(v1::Resource& resource);

// "retrypolicy/default": how resources are called towards people.
std::string ResourceId(std::string_view kind, std::string_view name);
std::string ResourceId(const v1::Resource& resource);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_KINDS_H_
