// The rules that stand beside a field in the proto (options.proto), applied to
// its value. Called by the validator for every field of every message.
#ifndef SLUICE_PROTO_POLICY_FIELD_RULES_H_
#define SLUICE_PROTO_POLICY_FIELD_RULES_H_

#include <map>
#include <string>
#include <vector>

#include "google/protobuf/message.h"

#include "proto/policy/violations.h"

namespace sluice {

// Names by kind ("Upstream"), sorted.
using KnownNames = std::map<std::string, std::vector<std::string>, std::less<>>;

// `path` is the field's. False when the field is not set or not served: then
// there is nothing in it to look into.
bool CheckField(const google::protobuf::Message& message,
                const google::protobuf::FieldDescriptor& field, const std::string& path,
                const KnownNames& names, Violations& out);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_FIELD_RULES_H_
