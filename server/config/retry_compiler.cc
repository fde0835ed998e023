#include "server/config/retry_compiler.h"

#include "proto/policy/defaults.h"
#include "proto/policy/duration_text.h"

namespace sluice {
namespace {

// The validator refuses JITTER_UNSPECIFIED; the default is FULL.
Jitter JitterOf(v1::Jitter jitter) {
  switch (jitter) {
    case v1::JITTER_NONE: return Jitter::kNone;
    case v1::JITTER_EQUAL: return Jitter::kEqual;
    case v1::JITTER_DECORRELATED: return Jitter::kDecorrelated;
    case v1::JITTER_PROPORTIONAL: return Jitter::kProportional;
    default: return Jitter::kFull;
  }
}

FailureKind KindOf(v1::RetryableKind kind) {
  switch (kind) {
    case v1::RETRYABLE_KIND_CONNECT: return FailureKind::kConnect;
    case v1::RETRYABLE_KIND_RESET: return FailureKind::kReset;
    case v1::RETRYABLE_KIND_TIMEOUT: return FailureKind::kTimeout;
    case v1::RETRYABLE_KIND_OVERLOAD: return FailureKind::kOverload;
    case v1::RETRYABLE_KIND_SERVER_ERROR: return FailureKind::kServerError;
    case v1::RETRYABLE_KIND_RATE_LIMITED: return FailureKind::kRateLimited;
    case v1::RETRYABLE_KIND_PROTOCOL: return FailureKind::kProtocol;
    case v1::RETRYABLE_KIND_QUOTA: return FailureKind::kQuota;
    case v1::RETRYABLE_KIND_AUTH: return FailureKind::kAuth;
    case v1::RETRYABLE_KIND_NOT_FOUND: return FailureKind::kNotFound;
    default: return FailureKind::kNone;
  }
}

BackoffPolicy BackoffOf(const v1::Backoff& backoff) {
  switch (backoff.kind_case()) {
    case v1::Backoff::kFixed: return FixedBackoff{ToAbsl(backoff.fixed().delay())};
    case v1::Backoff::kReactor:
      return ReactorBackoff{ToAbsl(backoff.reactor().min()), ToAbsl(backoff.reactor().max()),
                            backoff.reactor().jitter_factor()};
    case v1::Backoff::kCustom: {
      CustomBackoff custom;
      for (const auto& delay : backoff.custom().delays()) custom.delays.push_back(ToAbsl(delay));
      return custom;
    }
    default: break;
  }
  const v1::ExponentialBackoff& exponential = backoff.exponential();
  return ExponentialBackoff{ToAbsl(exponential.base()), ToAbsl(exponential.max()), exponential.multiplier(),
                            JitterOf(exponential.jitter()), exponential.jitter_factor()};
}

Exhaustion ExhaustionOf(v1::Exhaustion exhaustion) {
  switch (exhaustion) {
    case v1::EXHAUSTION_ERROR: return Exhaustion::kError;
    case v1::EXHAUSTION_QUEUE: return Exhaustion::kQueue;
    default: return Exhaustion::kFallback;
  }
}

}  // namespace

std::set<FailureKind> CompileKinds(const google::protobuf::RepeatedField<int>& kinds) {
  std::set<FailureKind> out;
  for (int kind : kinds) {
    const FailureKind compiled = KindOf(static_cast<v1::RetryableKind>(kind));
    if (compiled != FailureKind::kNone) out.insert(compiled);
  }
  return out;
}

RetryPolicy CompileRetryPolicy(v1::RetryPolicy policy) {
  if (policy.backoff().kind_case() == v1::Backoff::KIND_NOT_SET) policy.mutable_backoff()->mutable_exponential();
  // Defaults fill only the messages that are there.
  policy.mutable_budget();
  FillDefaults(policy);
  RetryPolicy out;
  out.max_attempts = static_cast<int>(policy.max_attempts());
  out.backoff = BackoffOf(policy.backoff());
  out.retry_on = CompileKinds(policy.retry_on());
  for (uint32_t status : policy.retry_on_status()) out.retry_on_status.insert(static_cast<int>(status));
  out.backoff_before_failover = policy.backoff_before_failover();
  out.on_exhaustion = ExhaustionOf(policy.on_exhaustion());
  out.transient = policy.transient();
  const v1::RetryBudget& budget = policy.budget();
  out.budget = {budget.max_tokens(), budget.token_ratio(), budget.retry_percent(), budget.min_retries()};
  if (policy.has_adaptive()) {
    const v1::AdaptiveRetry& adaptive = policy.adaptive();
    out.adaptive = AdaptiveRetryConfig{ToAbsl(adaptive.latency_above()), adaptive.failure_percent_above(),
                                       ToAbsl(adaptive.window())};
  }
  return out;
}

}  // namespace sluice
