#include "tests/sim/random_policies.h"

#include <utility>

#include "server/engine/endpoint_index.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using Scope = RateLimitUse::Scope;

constexpr Scope kScopes[] = {Scope::kRoute, Scope::kTenant, Scope::kUpstream};

}  // namespace

RandomPolicies::RandomPolicies(uint64_t seed, const WireFormat& format) : dice_(seed), format_(format) {
  const int upstreams = dice_.Number(1, 4);
  for (int u = 0; u < upstreams; ++u) {
    upstream_traits_.push_back(MakeUpstreamTraits());
    for (int e = 0; e < upstream_traits_.back().endpoints; ++e) {
      places_.push_back("u" + std::to_string(u) + "/" + std::to_string(e));
    }
  }
  const int routes = dice_.Number(1, 3);
  const int limits = dice_.Chance(0.6) ? dice_.Number(1, 3) : 0;
  for (int r = 0; r < routes; ++r) route_traits_.push_back(MakeRouteTraits(limits));
}

RandomPolicies::UpstreamTraits RandomPolicies::MakeUpstreamTraits() {
  UpstreamTraits traits;
  traits.endpoints = dice_.Number(1, 4);
  traits.credentials = dice_.Number(1, 2);
  traits.overall_breaker = dice_.Chance(0.3);
  traits.limits = dice_.Chance(0.5);
  traits.adaptive_limit = dice_.Chance(0.2);
  traits.outlier = dice_.Chance(0.5);
  traits.throttle = dice_.Chance(0.15);
  const int mode = dice_.Number(0, 19);
  traits.mode = mode == 0   ? BreakerMode::kObserveOnly
                : mode == 1 ? BreakerMode::kForcedOpen
                : mode < 4  ? BreakerMode::kDisabled
                            : BreakerMode::kAutomatic;
  using Kind = BalanceConfig::Kind;
  traits.balance = dice_.OneOf({Kind::kWeighted, Kind::kLeastRequest, Kind::kPeakEwma, Kind::kRingHash});
  return traits;
}

RandomPolicies::RouteTraits RandomPolicies::MakeRouteTraits(int limits) {
  RouteTraits traits;
  traits.queue = dice_.Chance(0.55);
  traits.never_waits = !traits.queue && dice_.Chance(0.15);
  traits.window_ms = dice_.Chance(0.25) ? dice_.Number(50, 500) : 0;
  traits.hedge = dice_.Chance(0.4);
  traits.p95 = dice_.Chance(0.4);
  traits.restart = dice_.Chance(0.7);
  traits.at_exhaustion_queue = traits.queue && dice_.Chance(0.3);
  traits.backoff_first = dice_.Chance(0.3);
  traits.adaptive = dice_.Chance(0.2);
  traits.fallback = dice_.Number(0, 3);
  for (int l = 0; l < limits; ++l) {
    if (dice_.Chance(0.6)) traits.limits.push_back(l);
  }
  return traits;
}

template <typename State>
std::shared_ptr<State> RandomPolicies::Kept(std::map<std::string, std::shared_ptr<State>>& states,
                                            const std::string& name) {
  auto& state = states[name];
  if (!state) state = std::make_shared<State>();
  return state;
}

CircuitBreakerConfig RandomPolicies::MakeBreaker(BreakerMode mode) {
  CircuitBreakerConfig breaker;
  breaker.mode = mode;
  breaker.count_window = dice_.Chance(0.5);
  breaker.count = static_cast<uint32_t>(dice_.Number(3, 10));
  breaker.time_window = Seconds(dice_.Number(3, 10));
  breaker.min_calls = static_cast<uint32_t>(dice_.Number(2, 5));
  breaker.failure_percent = dice_.Number(30, 80);
  breaker.slow_after = dice_.Time(Milliseconds(200), Seconds(3));
  breaker.slow_percent = dice_.Number(60, 100);
  breaker.open = dice_.Time(Milliseconds(200), Seconds(3));
  breaker.max_open = Seconds(dice_.Number(4, 8));
  breaker.half_open_permits = static_cast<uint32_t>(dice_.Number(1, 3));
  breaker.max_half_open = dice_.Time(Milliseconds(500), Seconds(4));
  breaker.verify_after = static_cast<uint32_t>(dice_.Number(0, 2));
  return breaker;
}

ConcurrencyConfig RandomPolicies::MakeLimits(bool adaptive) {
  ConcurrencyConfig limits;
  if (dice_.Chance(0.8)) limits.max_requests = static_cast<uint32_t>(dice_.Number(1, 6));
  if (dice_.Chance(0.3)) limits.max_pending = static_cast<uint32_t>(dice_.Number(1, 3));
  if (dice_.Chance(0.3)) limits.max_tokens = static_cast<uint64_t>(dice_.Number(20, 300));
  limits.adaptive = adaptive;
  limits.adaptive_min = 1;
  limits.adaptive_max = 8;
  return limits;
}

EndpointConfig RandomPolicies::MakeEndpoint(const std::string& upstream, int number, int credentials) {
  const std::string place = upstream + "/" + std::to_string(number);
  auto http = std::make_shared<HttpEndpoint>();
  http->host = place;
  EndpointConfig endpoint;
  endpoint.name = std::to_string(number);
  endpoint.http = std::move(http);
  endpoint.weight = static_cast<uint32_t>(dice_.Number(0, 3));
  endpoint.priority = static_cast<uint32_t>(dice_.Number(0, 1));
  endpoint.active = dice_.Chance(0.93);
  endpoint.same_zone = dice_.Chance(0.5);
  endpoint.state = Kept(endpoint_states_, place);
  for (int c = 0; c < credentials; ++c) endpoint.cooldowns.push_back(Kept(cooldowns_, place + " " + std::to_string(c)));
  return endpoint;
}

std::shared_ptr<const UpstreamConfig> RandomPolicies::MakeUpstream(int number) {
  const UpstreamTraits& traits = upstream_traits_[static_cast<size_t>(number)];
  auto upstream = std::make_shared<UpstreamConfig>();
  upstream->name = "u" + std::to_string(number);
  upstream->format = &format_;
  for (int c = 0; c < traits.credentials; ++c) upstream->credentials.push_back({"env:KEY_" + std::to_string(c), "a secret"});
  upstream->balance.kind = traits.balance;
  upstream->balance.panic_percent = dice_.OneOf({0, 50});
  upstream->balance.prefer_same_zone = dice_.Chance(0.3);
  if (dice_.Chance(0.2)) upstream->balance.slow_start = SlowStartConfig{Seconds(5), 10};
  upstream->breaker = MakeBreaker(traits.mode);
  if (traits.overall_breaker && dice_.Chance(0.9)) upstream->overall_breaker = MakeBreaker(BreakerMode::kAutomatic);
  if (traits.limits) upstream->limits = MakeLimits(traits.adaptive_limit);
  if (traits.outlier) {
    upstream->outlier = OutlierConfig{.consecutive_failures = static_cast<uint32_t>(dice_.Number(2, 4)),
                                      .base_ejection = dice_.Time(Milliseconds(300), Seconds(4)),
                                      .max_ejection = Seconds(10)};
  }
  if (traits.throttle) upstream->throttle = ClientThrottleConfig{1.1 + dice_.Number(0, 10) / 10.0, Seconds(20)};
  upstream->state = Kept(upstream_states_, upstream->name);
  for (int e = 0; e < traits.endpoints; ++e) {
    const bool gone = revision_ > 1 && traits.endpoints > 1 && dice_.Chance(0.1);
    EndpointConfig endpoint = MakeEndpoint(upstream->name, e, traits.credentials);
    if (!gone) upstream->endpoints.push_back(std::move(endpoint));
  }
  upstream->index = EndpointIndex::Make(*upstream);
  return upstream;
}

RateLimitUse RandomPolicies::MakeRateLimit(int number) {
  RateLimitUse use;
  use.name = "limit" + std::to_string(number);
  use.scope = kScopes[number];
  if (dice_.Chance(0.8)) use.config.requests = static_cast<uint64_t>(dice_.Number(3, 30));
  if (!use.config.requests || dice_.Chance(0.3)) use.config.tokens = static_cast<uint64_t>(dice_.Number(100, 2000));
  use.config.per = Seconds(dice_.Number(1, 6));
  // So tight that a tenant waits for its own bucket, not for its deadline.
  if (use.scope == Scope::kTenant && dice_.Chance(0.6)) {
    use.config = {.requests = static_cast<uint64_t>(dice_.Number(1, 3)), .per = dice_.Time(Milliseconds(500), Seconds(3))};
  }
  auto& state = limit_states_[use.name];
  if (!state) state = std::make_shared<RateLimitState>(use.config, use.max_keys);
  use.state = state;
  return use;
}

RetryPolicy RandomPolicies::MakeRetry(const RouteTraits& traits) {
  RetryPolicy retry;
  retry.max_attempts = dice_.Number(1, 5);
  retry.backoff_before_failover = traits.backoff_first;
  switch (dice_.Number(0, 3)) {
    case 0:
      retry.backoff = FixedBackoff{dice_.Time(absl::ZeroDuration(), Seconds(1))};
      break;
    case 1:
      retry.backoff = ReactorBackoff{.min = Milliseconds(50), .max = Seconds(2)};
      break;
    case 2:
      retry.backoff = CustomBackoff{{Milliseconds(5), Milliseconds(500)}};
      break;
    default:
      retry.backoff = ExponentialBackoff{.base = Milliseconds(50),
                                         .max = Seconds(2),
                                         .jitter = dice_.OneOf({Jitter::kNone, Jitter::kFull, Jitter::kEqual,
                                                                Jitter::kDecorrelated, Jitter::kProportional})};
  }
  if (dice_.Chance(0.1)) retry.retry_on = {FailureKind::kConnect, FailureKind::kOverload, FailureKind::kReset};
  retry.transient = dice_.Chance(0.5);
  retry.on_exhaustion = traits.at_exhaustion_queue ? Exhaustion::kQueue
                        : dice_.Chance(0.15)       ? Exhaustion::kError
                                                   : Exhaustion::kFallback;
  retry.budget.max_tokens = dice_.OneOf({4, 10, 1000, 1000});
  retry.budget.retry_percent = dice_.Number(0, 60);
  retry.budget.min_retries = static_cast<uint32_t>(dice_.Number(0, 4));
  if (traits.adaptive) {
    retry.adaptive = AdaptiveRetryConfig{dice_.Time(Milliseconds(100), Seconds(1)), 60, Seconds(10)};
  }
  return retry;
}

TargetConfig RandomPolicies::MakeTarget(int upstream) {
  TargetConfig target;
  target.upstream = upstreams_[static_cast<size_t>(upstream)];
  target.model = "m" + std::to_string(upstream);
  target.weight = static_cast<uint32_t>(dice_.Number(1, 3));
  target.priority = static_cast<uint32_t>(dice_.Number(0, 1));
  return target;
}

std::shared_ptr<const FallbackConfig> RandomPolicies::MakeFallback(const RouteConfig& route, int kind,
                                                                   std::shared_ptr<const RouteConfig> next) {
  if (kind == 0) return nullptr;
  auto fallback = std::make_shared<FallbackConfig>();
  fallback->name = "fallback" + std::to_string(kind);
  if (dice_.Chance(0.1)) fallback->causes = {FailureKind::kConnect, FailureKind::kOverload, FailureKind::kTimeout};
  if (kind == 2) {
    auto own = std::make_shared<RouteConfig>(route);
    own->name = route.name + "/fallback";
    own->hedge.reset();
    own->queue.reset();
    own->rate_limits.clear();
    if (own->retry.on_exhaustion == Exhaustion::kQueue) own->retry.on_exhaustion = Exhaustion::kFallback;
    own->targets = {MakeTarget(dice_.Number(0, static_cast<int>(upstreams_.size()) - 1))};
    own->state = Kept(route_states_, own->name);
    fallback->route = std::move(own);
  } else if (kind == 3 && next) {
    fallback->route = std::move(next);
  } else {
    fallback->static_answer = "sorry: {cause}";
  }
  return fallback;
}

std::shared_ptr<const RouteConfig> RandomPolicies::MakeRoute(int number, std::shared_ptr<const RouteConfig> next) {
  const RouteTraits& traits = route_traits_[static_cast<size_t>(number)];
  auto route = std::make_shared<RouteConfig>();
  route->name = "r" + std::to_string(number);
  route->model = route->name;
  for (int u = 0; u < static_cast<int>(upstreams_.size()); ++u) {
    if (dice_.Chance(0.7)) route->targets.push_back(MakeTarget(u));
  }
  if (route->targets.empty()) route->targets.push_back(MakeTarget(0));
  route->timeouts.connect = dice_.Time(Milliseconds(500), Seconds(2));
  route->timeouts.first_content = dice_.Time(Seconds(1), Seconds(6));
  route->timeouts.idle = dice_.Time(Seconds(1), Seconds(5));
  route->timeouts.unary_total = dice_.Time(Seconds(3), Seconds(8));
  route->timeouts.overall = dice_.Time(Seconds(4), Seconds(25));
  route->retry = MakeRetry(traits);
  route->stream.max_pending_bytes = 8;
  if (traits.hedge) {
    route->hedge.emplace();
    route->hedge->max_percent = dice_.OneOf({2, 5, 30, 100});
    route->hedge->max_hedges = dice_.Number(1, 2);
    if (!traits.p95) route->hedge->delay = dice_.Time(Milliseconds(50), Milliseconds(800));
  }
  route->after_cut = traits.restart ? AfterCut::kRestart : AfterCut::kFail;
  route->max_restarts = dice_.Number(1, 3);
  if (traits.queue) {
    route->queue = QueueConfig{static_cast<size_t>(dice_.Number(1, traits.limits.empty() ? 20 : 5)), dice_.Time(Milliseconds(200), Seconds(5)),
                               Milliseconds(traits.window_ms)};
    if (dice_.Chance(0.2)) route->queue->max_bytes = static_cast<uint64_t>(dice_.Number(10, 100));
  }
  if (traits.never_waits) route->queue = QueueConfig{.max_length = 0};
  for (int limit : traits.limits) route->rate_limits.push_back(rate_limits_[static_cast<size_t>(limit)]);
  route->state = Kept(route_states_, route->name);
  route->fallback = MakeFallback(*route, traits.fallback, std::move(next));
  return route;
}

std::shared_ptr<const RouteTable> RandomPolicies::Next() {
  ++revision_;
  upstreams_.clear();
  rate_limits_.clear();
  for (int u = 0; u < static_cast<int>(upstream_traits_.size()); ++u) upstreams_.push_back(MakeUpstream(u));
  for (int l = 0; l < 3; ++l) rate_limits_.push_back(MakeRateLimit(l));
  // From the last on: a route may fall back to the one after it.
  std::vector<std::shared_ptr<const RouteConfig>> routes;
  for (int r = static_cast<int>(route_traits_.size()); r-- > 0;) {
    routes.push_back(MakeRoute(r, routes.empty() ? nullptr : routes.back()));
  }
  return std::make_shared<const RouteTable>("sim", revision_, std::move(routes), upstreams_);
}

}  // namespace sluice
