// What an upstream is given to protect it and to share its load, in the form
// that calls use: breakers, limits, health checks, balancing. Pure.
#ifndef SLUICE_SERVER_CONFIG_PROTECTION_COMPILER_H_
#define SLUICE_SERVER_CONFIG_PROTECTION_COMPILER_H_

#include "server/engine/route_table.h"
#include "sluice/v1/policy.pb.h"

namespace sluice {

// Each takes a valid policy; what is not set is taken by its documented
// default, which yields where it would contradict what was set.
CircuitBreakerConfig CompileBreaker(v1::CircuitBreaker breaker);
ConcurrencyConfig CompileLimits(v1::ConcurrencyLimits limits);
OutlierConfig CompileOutlier(v1::OutlierDetection outlier);
HealthCheckConfig CompileHealthCheck(v1::HealthCheck check);
ClientThrottleConfig CompileThrottle(v1::Throttle throttle);
BalanceConfig CompileBalance(v1::Balance balance);

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_PROTECTION_COMPILER_H_
