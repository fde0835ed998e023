// One scalar of YAML ↔ one value of a field: numbers, booleans, texts, enums,
// durations. Used inside proto/policy only; any thread.
#ifndef SLUICE_PROTO_POLICY_YAML_SCALARS_H_
#define SLUICE_PROTO_POLICY_YAML_SCALARS_H_

#include <string>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

#include "proto/policy/policy_node.h"

namespace sluice {

// Sets a singular field, or appends to a repeated one. INVALID_ARGUMENT says
// what is wrong with the value and what would be right.
absl::Status SetScalar(const PolicyNode& node, const google::protobuf::FieldDescriptor& field,
                       google::protobuf::Message& message);

// The value of a scalar (or duration) field as a node; `index` of a repeated
// field, -1 of a singular one.
PolicyNode GetScalar(const google::protobuf::Message& message,
                     const google::protobuf::FieldDescriptor& field, int index);

// "0.2": the shortest text that reads back as the same number.
std::string FormatNumber(double number);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_YAML_SCALARS_H_
