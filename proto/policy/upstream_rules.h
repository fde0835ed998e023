// What the fields of an upstream, of its breaker and of its limits must be to
// each other. Called by the validator, through cross_rules.
#ifndef SLUICE_PROTO_POLICY_UPSTREAM_RULES_H_
#define SLUICE_PROTO_POLICY_UPSTREAM_RULES_H_

#include <string>

#include "sluice/v1/policy.pb.h"

#include "proto/policy/violations.h"

namespace sluice {

void Check(const v1::Upstream& upstream, const std::string& path, Violations& out);
void Check(const v1::EndpointList& list, const std::string& path, Violations& out);
void Check(const v1::ConnectionPool& pool, const std::string& path, Violations& out);
void Check(const v1::ConcurrencyLimits& limits, const std::string& path, Violations& out);
void Check(const v1::HealthCheck& check, const std::string& path, Violations& out);
void Check(const v1::OutlierDetection& outlier, const std::string& path, Violations& out);
void Check(const v1::CircuitBreaker& breaker, const std::string& path, Violations& out);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_UPSTREAM_RULES_H_
