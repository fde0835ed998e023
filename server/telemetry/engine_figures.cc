#include "server/telemetry/engine_figures.h"

#include <algorithm>
#include <set>
#include <string>

namespace sluice {
namespace {

EndpointCondition ConditionOf(const EndpointConfig& endpoint, const EndpointView& view, TimePoint now) {
  if (!endpoint.active) return EndpointCondition::kInactive;
  if (!view.healthy) return EndpointCondition::kUnhealthy;
  if (view.ejected_until > now) return EndpointCondition::kEjected;
  if (view.admits_at > now) return EndpointCondition::kBreakerOpen;
  const bool rests = !endpoint.cooldowns.empty() &&
                     std::all_of(endpoint.cooldowns.begin(), endpoint.cooldowns.end(),
                                 [&](const auto& cooldown) { return cooldown->until() > now; });
  return rests ? EndpointCondition::kCooling : EndpointCondition::kAvailable;
}

BreakerSample SampleOf(std::string upstream, std::string endpoint, const BreakerFigures& figures) {
  return {std::move(upstream), std::move(endpoint), figures.state, figures.counts.calls,
          figures.failure_percent / 100, figures.refused_total};
}

void AddUpstream(const UpstreamConfig& upstream, TimePoint now, ResilienceFigures& out) {
  for (const EndpointConfig& endpoint : upstream.endpoints) {
    const EndpointView view = endpoint.state->View(now);
    out.endpoints.push_back({upstream.name, endpoint.name, ConditionOf(endpoint, view, now), view.in_flight});
    out.breakers.push_back(SampleOf(upstream.name, endpoint.name, endpoint.state->breaker_figures(now)));
  }
  if (upstream.state == nullptr) return;
  if (const auto breaker = upstream.state->breaker_figures(now)) {
    out.breakers.push_back(SampleOf(upstream.name, "", *breaker));
  }
  const UpstreamFigures figures = upstream.state->figures();
  out.upstreams.push_back(
      {upstream.name, figures.requests, figures.pending, figures.tokens, figures.limit, figures.throttled});
}

void AddRoute(const RouteConfig& route, TimePoint now, ResilienceFigures& out) {
  if (route.state == nullptr) return;
  const RouteFigures figures = route.state->figures(now);
  for (const RouteBudgetFigures& each : figures.budgets) {
    const RetryBudgetFigures& budget = each.budget;
    out.budgets.push_back(
        {route.name, each.upstream, budget.tokens, budget.max_tokens, budget.retries, budget.limit});
  }
  if (route.waiting().max_length > 0) out.queues.push_back({route.name, figures.queue.length, figures.queue.oldest});
}

}  // namespace

ResilienceFigures FiguresOf(const RouteTable& table, TimePoint now) {
  ResilienceFigures out;
  for (const auto& upstream : table.upstreams()) AddUpstream(*upstream, now, out);
  // Several routes may name one limit.
  std::set<const RateLimitState*> seen;
  for (const auto& route : table.routes()) {
    AddRoute(*route, now, out);
    for (const RateLimitUse& use : route->rate_limits) {
      if (use.state == nullptr || !seen.insert(use.state.get()).second) continue;
      const RateLimitFigures figures = use.state->figures();
      out.rate_limits.push_back({use.name, figures.refused, figures.keys, figures.evictions});
    }
  }
  return out;
}

}  // namespace sluice
