// What no single field can say: fields of one message that contradict each
// other, and resources that do. Called by the validator.
#ifndef SLUICE_PROTO_POLICY_CROSS_RULES_H_
#define SLUICE_PROTO_POLICY_CROSS_RULES_H_

#include <string>

#include "absl/types/span.h"
#include "google/protobuf/message.h"
#include "sluice/v1/policy.pb.h"

#include "proto/policy/violations.h"

namespace sluice {

// One message at `path`, whatever its type.
void CheckTogether(const google::protobuf::Message& message, const std::string& path,
                   Violations& out);

// Resources against each other: names given twice, routes with one match,
// choices that leave each other nothing to do, fallbacks in a circle.
void CheckAcross(absl::Span<const v1::Resource* const> all, Violations& out);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_CROSS_RULES_H_
