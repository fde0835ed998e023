// What the fields of a route, a rate limit and a fallback must be to each
// other, each looked at alone. Called by the validator, through cross_rules.
#ifndef SLUICE_PROTO_POLICY_ROUTE_RULES_H_
#define SLUICE_PROTO_POLICY_ROUTE_RULES_H_

#include <string>

#include "sluice/v1/policy.pb.h"

#include "proto/policy/violations.h"

namespace sluice {

void Check(const v1::Match& match, const std::string& path, Violations& out);
void Check(const v1::Target& target, const std::string& path, Violations& out);
void Check(const v1::Timeouts& timeouts, const std::string& path, Violations& out);
void Check(const v1::Hedge& hedge, const std::string& path, Violations& out);
void Check(const v1::Queue& queue, const std::string& path, Violations& out);
void Check(const v1::Route& route, const std::string& path, Violations& out);
void Check(const v1::RateLimit& limit, const std::string& path, Violations& out);
void Check(const v1::Fallback& fallback, const std::string& path, Violations& out);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_ROUTE_RULES_H_
