// A Route's own fields, and a RateLimit's, in the form that calls use. Pure.
#ifndef SLUICE_SERVER_CONFIG_ROUTE_COMPILER_H_
#define SLUICE_SERVER_CONFIG_ROUTE_COMPILER_H_

#include <memory>
#include <string>

#include "server/engine/route_table.h"
#include "sluice/v1/policy.pb.h"

namespace sluice {

// What a route says by itself: its match, times, bounds, hedge, queue, affinity
// and what follows a cut. Targets, retry, limits, fallback and state are the
// caller's to add. Takes a valid route; what is not set is taken by its
// documented default.
std::shared_ptr<RouteConfig> CompileRouteFields(const std::string& name, v1::Route route);

// The route that a fallback to a target is: what the failed route's policies
// say, at that target, with no further fallback. Its state is the caller's to
// add.
std::shared_ptr<RouteConfig> MakeFallbackRoute(const RouteConfig& failed, TargetConfig target);

RateLimitConfig CompileRateLimit(v1::RateLimit limit);
RateLimitUse::Scope ScopeOf(const v1::RateLimit& limit);

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_ROUTE_COMPILER_H_
