// What the fields of a retry policy must be to each other. Called by the
// validator, through cross_rules.
#ifndef SLUICE_PROTO_POLICY_RETRY_RULES_H_
#define SLUICE_PROTO_POLICY_RETRY_RULES_H_

#include <string>

#include "sluice/v1/policy.pb.h"

#include "proto/policy/violations.h"

namespace sluice {

void Check(const v1::ExponentialBackoff& backoff, const std::string& path, Violations& out);
void Check(const v1::ReactorBackoff& backoff, const std::string& path, Violations& out);
void Check(const v1::RetryPolicy& policy, const std::string& path, Violations& out);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_RETRY_RULES_H_
