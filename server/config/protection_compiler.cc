#include "server/config/protection_compiler.h"

#include <algorithm>
#include <cstdint>

#include "proto/policy/defaults.h"
#include "proto/policy/duration_text.h"

namespace sluice {
namespace {

// `low` is to be at most `high`. Where only one of them was written, the other
// is a default and yields; where both were, the validator has seen to it.
template <typename T>
void Yield(bool low_written, T& low, T& high) {
  if (low <= high) return;
  (low_written ? high : low) = low_written ? low : high;
}

BreakerMode ModeOf(v1::BreakerMode mode) {
  switch (mode) {
    case v1::BREAKER_MODE_DISABLED: return BreakerMode::kDisabled;
    case v1::BREAKER_MODE_FORCED_OPEN: return BreakerMode::kForcedOpen;
    case v1::BREAKER_MODE_OBSERVE_ONLY: return BreakerMode::kObserveOnly;
    default: return BreakerMode::kAutomatic;
  }
}

void CompileKind(v1::Balance& balance, BalanceConfig& out) {
  switch (balance.kind_case()) {
    case v1::Balance::kLeastRequest:
      out.kind = BalanceConfig::Kind::kLeastRequest;
      out.choices = balance.least_request().choices();
      return;
    case v1::Balance::kPeakEwma:
      out.kind = BalanceConfig::Kind::kPeakEwma;
      out.decay = ToAbsl(balance.peak_ewma().decay());
      return;
    case v1::Balance::kRingHash:
      out.kind = BalanceConfig::Kind::kRingHash;
      out.min_ring_size = balance.ring_hash().min_size();
      return;
    case v1::Balance::kWeighted:
    case v1::Balance::KIND_NOT_SET: return;
  }
}

}  // namespace

CircuitBreakerConfig CompileBreaker(v1::CircuitBreaker breaker) {
  const bool open_written = breaker.has_open();
  FillDefaults(breaker);
  CircuitBreakerConfig out;
  out.failure_percent = breaker.failure_percent();
  out.slow_percent = breaker.slow_percent();
  out.slow_after = ToAbsl(breaker.slow_after());
  out.count_window = breaker.window_case() == v1::CircuitBreaker::kCountWindow;
  if (out.count_window) out.count = breaker.count_window();
  if (breaker.has_time_window()) out.time_window = ToAbsl(breaker.time_window());
  out.min_calls = breaker.min_calls();
  out.open = ToAbsl(breaker.open());
  out.max_open = ToAbsl(breaker.max_open());
  Yield(open_written, out.open, out.max_open);
  out.half_open_permits = breaker.half_open_permits();
  out.max_half_open = ToAbsl(breaker.max_half_open());
  out.mode = ModeOf(breaker.mode());
  out.verify_after = breaker.verify_after();
  return out;
}

ConcurrencyConfig CompileLimits(v1::ConcurrencyLimits limits) {
  const bool min_written = limits.has_adaptive_min();
  ConcurrencyConfig out;
  if (limits.has_max_requests()) out.max_requests = limits.max_requests();
  if (limits.has_max_pending()) out.max_pending = limits.max_pending();
  if (limits.has_max_tokens_in_flight()) out.max_tokens = limits.max_tokens_in_flight();
  FillDefaults(limits);
  out.adaptive = limits.adaptive();
  out.adaptive_min = limits.adaptive_min();
  out.adaptive_max = limits.adaptive_max();
  Yield(min_written, out.adaptive_min, out.adaptive_max);
  return out;
}

OutlierConfig CompileOutlier(v1::OutlierDetection outlier) {
  const bool base_written = outlier.has_base_ejection();
  FillDefaults(outlier);
  OutlierConfig out;
  out.consecutive_failures = outlier.consecutive_failures();
  out.base_ejection = ToAbsl(outlier.base_ejection());
  out.max_ejection = ToAbsl(outlier.max_ejection());
  Yield(base_written, out.base_ejection, out.max_ejection);
  out.interval = ToAbsl(outlier.interval());
  out.max_ejected_percent = outlier.max_ejected_percent();
  return out;
}

HealthCheckConfig CompileHealthCheck(v1::HealthCheck check) {
  const bool timeout_written = check.has_timeout();
  FillDefaults(check);
  HealthCheckConfig out;
  out.path = check.path();
  out.interval = ToAbsl(check.interval());
  out.timeout = ToAbsl(check.timeout());
  Yield(timeout_written, out.timeout, out.interval);
  out.unhealthy_after = static_cast<int>(check.unhealthy_after());
  out.healthy_after = static_cast<int>(check.healthy_after());
  return out;
}

ClientThrottleConfig CompileThrottle(v1::Throttle throttle) {
  FillDefaults(throttle);
  return {throttle.k(), ToAbsl(throttle.window())};
}

BalanceConfig CompileBalance(v1::Balance balance) {
  FillDefaults(balance);
  BalanceConfig out;
  CompileKind(balance, out);
  out.panic_percent = balance.panic_percent();
  if (balance.has_slow_start()) {
    out.slow_start = SlowStartConfig{ToAbsl(balance.slow_start().window()), balance.slow_start().min_percent()};
  }
  out.prefer_same_zone = balance.prefer_same_zone();
  return out;
}

}  // namespace sluice
