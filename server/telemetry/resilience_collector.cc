#include "server/telemetry/resilience_collector.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "absl/types/span.h"
#include "server/telemetry/families.h"
#include "server/telemetry/observer_names.h"

namespace sluice {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

using Families = std::vector<MetricFamily>;

constexpr BreakerState kBreakerStates[] = {BreakerState::kClosed,   BreakerState::kOpen,
                                           BreakerState::kHalfOpen, BreakerState::kDisabled,
                                           BreakerState::kForcedOpen, BreakerState::kObserveOnly};

struct ConditionName {
  EndpointCondition condition;
  const char* name;
};
constexpr ConditionName kConditions[] = {
    {EndpointCondition::kAvailable, "available"},    {EndpointCondition::kCooling, "cooling"},
    {EndpointCondition::kBreakerOpen, "breaker_open"}, {EndpointCondition::kEjected, "ejected"},
    {EndpointCondition::kUnhealthy, "unhealthy"},    {EndpointCondition::kInactive, "inactive"}};

MetricLabels PlaceLabels(const std::string& upstream, const std::string& endpoint) {
  return {{"upstream", upstream}, {"endpoint", endpoint}};
}

template <typename Sample>
absl::Span<const Sample> FirstOf(const std::vector<Sample>& all, size_t max) {
  return absl::MakeConstSpan(all).subspan(0, std::min(max, all.size()));
}

double AsNumber(uint64_t value) { return static_cast<double>(value); }

void AddBreakers(absl::Span<const BreakerSample> samples, Families& out) {
  MetricFamily state{"sluice_breaker_state",
                     "1 for the state of a circuit breaker; no endpoint: the upstream's as a whole.",
                     MetricType::Gauge, {}};
  MetricFamily ratio{"sluice_breaker_failure_ratio", "Share of the calls in a breaker's window that failed.",
                     MetricType::Gauge, {}};
  MetricFamily calls{"sluice_breaker_window_calls", "Calls in a breaker's window.", MetricType::Gauge, {}};
  MetricFamily refused{"sluice_breaker_refused_total", "Attempts that a breaker did not let through.",
                       MetricType::Counter, {}};
  for (const BreakerSample& each : samples) {
    for (BreakerState known : kBreakerStates) {
      MetricLabels labels = PlaceLabels(each.upstream, each.endpoint);
      labels.push_back({"state", std::string(NameOf(known))});
      AddSample(state, std::move(labels), known == each.state ? 1 : 0);
    }
    AddSample(ratio, PlaceLabels(each.upstream, each.endpoint), each.failure_ratio);
    AddSample(calls, PlaceLabels(each.upstream, each.endpoint), AsNumber(each.calls));
    AddSample(refused, PlaceLabels(each.upstream, each.endpoint), AsNumber(each.refused));
  }
  for (MetricFamily* family : {&state, &ratio, &calls, &refused}) out.push_back(std::move(*family));
}

void AddEndpoints(absl::Span<const EndpointSample> samples, Families& out) {
  MetricFamily state{"sluice_endpoint_state", "1 for whether an endpoint can be given an attempt, or why not.",
                     MetricType::Gauge, {}};
  MetricFamily in_flight{"sluice_endpoint_in_flight", "Attempts under way at an endpoint.", MetricType::Gauge, {}};
  for (const EndpointSample& each : samples) {
    for (const ConditionName& known : kConditions) {
      MetricLabels labels = PlaceLabels(each.upstream, each.endpoint);
      labels.push_back({"state", known.name});
      AddSample(state, std::move(labels), known.condition == each.condition ? 1 : 0);
    }
    AddSample(in_flight, PlaceLabels(each.upstream, each.endpoint), each.in_flight);
  }
  out.push_back(std::move(state));
  out.push_back(std::move(in_flight));
}

// Of all endpoints, also those that are not told apart.
void AddEndpointCounts(const std::vector<EndpointSample>& all, size_t max_upstreams, Families& out) {
  std::map<std::string_view, std::map<EndpointCondition, int>> counts;
  for (const EndpointSample& each : all) {
    if (counts.size() < max_upstreams || counts.count(each.upstream) != 0) ++counts[each.upstream][each.condition];
  }
  MetricFamily family{"sluice_upstream_endpoints", "Endpoints of an upstream, by whether they can be given an attempt.",
                      MetricType::Gauge, {}};
  for (auto& [upstream, by_condition] : counts) {
    for (const ConditionName& known : kConditions) {
      AddSample(family, {{"upstream", std::string(upstream)}, {"state", known.name}}, by_condition[known.condition]);
    }
  }
  out.push_back(std::move(family));
}

void AddUpstreams(absl::Span<const UpstreamSample> samples, Families& out) {
  MetricFamily in_flight{"sluice_upstream_in_flight", "Attempts under way at an upstream.", MetricType::Gauge, {}};
  MetricFamily pending{"sluice_upstream_pending", "Attempts under way that are not connected yet.",
                       MetricType::Gauge, {}};
  MetricFamily tokens{"sluice_upstream_tokens_in_flight", "Tokens that the attempts under way may cost.",
                      MetricType::Gauge, {}};
  MetricFamily limit{"sluice_upstream_concurrency_limit", "Most attempts at a time, where there is such a limit.",
                     MetricType::Gauge, {}};
  MetricFamily throttled{"sluice_upstream_throttled_total", "Attempts not made because the upstream refuses many.",
                         MetricType::Counter, {}};
  for (const UpstreamSample& each : samples) {
    const MetricLabels labels = {{"upstream", each.upstream}};
    AddSample(in_flight, labels, each.in_flight);
    AddSample(pending, labels, each.pending);
    AddSample(tokens, labels, AsNumber(each.tokens));
    if (each.limit > 0) AddSample(limit, labels, each.limit);
    AddSample(throttled, labels, AsNumber(each.throttled));
  }
  for (MetricFamily* family : {&in_flight, &pending, &tokens, &limit, &throttled}) out.push_back(std::move(*family));
}

void AddBudgets(absl::Span<const BudgetSample> samples, Families& out) {
  MetricFamily tokens{"sluice_retry_budget_tokens", "Tokens left for retries; they stop at half of the most.",
                      MetricType::Gauge, {}};
  MetricFamily most{"sluice_retry_budget_max_tokens", "The most tokens that a budget holds.", MetricType::Gauge, {}};
  MetricFamily retries{"sluice_retry_budget_retries", "Retries and hedges scheduled or under way.",
                       MetricType::Gauge, {}};
  MetricFamily limit{"sluice_retry_budget_limit", "The most of them, by the calls of this moment.",
                     MetricType::Gauge, {}};
  for (const BudgetSample& each : samples) {
    const MetricLabels labels = {{"route", each.route}, {"upstream", each.upstream}};
    AddSample(tokens, labels, each.tokens);
    AddSample(most, labels, each.max_tokens);
    AddSample(retries, labels, AsNumber(each.retries));
    AddSample(limit, labels, AsNumber(each.limit));
  }
  for (MetricFamily* family : {&tokens, &most, &retries, &limit}) out.push_back(std::move(*family));
}

void AddQueues(absl::Span<const QueueSample> samples, Families& out) {
  MetricFamily length{"sluice_queue_length", "Calls that wait in the queue of a route.", MetricType::Gauge, {}};
  MetricFamily oldest{"sluice_queue_oldest_seconds", "How long the one that waits longest has waited.",
                      MetricType::Gauge, {}};
  for (const QueueSample& each : samples) {
    AddSample(length, {{"route", each.route}}, AsNumber(each.length));
    AddSample(oldest, {{"route", each.route}}, absl::ToDoubleSeconds(each.oldest));
  }
  out.push_back(std::move(length));
  out.push_back(std::move(oldest));
}

void AddRateLimits(absl::Span<const RateLimitSample> samples, Families& out) {
  MetricFamily refused{"sluice_rate_limit_refused_total", "Times that a rate limit did not let a call pass at once.",
                       MetricType::Counter, {}};
  MetricFamily keys{"sluice_rate_limit_keys", "Routes, tenants or upstreams that have used a rate limit lately.",
                    MetricType::Gauge, {}};
  MetricFamily evicted{"sluice_rate_limit_evictions_total", "Of them, those forgotten for want of room.",
                       MetricType::Counter, {}};
  for (const RateLimitSample& each : samples) {
    AddSample(refused, {{"limit", each.limit}}, AsNumber(each.refused));
    AddSample(keys, {{"limit", each.limit}}, AsNumber(each.keys));
    AddSample(evicted, {{"limit", each.limit}}, AsNumber(each.evicted));
  }
  for (MetricFamily* family : {&refused, &keys, &evicted}) out.push_back(std::move(*family));
}

void AddIdempotency(const IdempotencySample& sample, Families& out) {
  out.push_back(SingleFamily("sluice_idempotency_entries", "Calls remembered by their idempotency key.",
                             MetricType::Gauge, AsNumber(sample.entries)));
  out.push_back(SingleFamily("sluice_idempotency_bytes", "Memory that they take.", MetricType::Gauge,
                             AsNumber(sample.bytes)));
  MetricFamily hits{"sluice_idempotency_hits_total",
                    "Calls with a known key: joined a running call, replayed a finished one, or refused.",
                    MetricType::Counter, {}};
  AddSample(hits, {{"result", "joined"}}, AsNumber(sample.joined));
  AddSample(hits, {{"result", "replayed"}}, AsNumber(sample.replayed));
  AddSample(hits, {{"result", "conflict"}}, AsNumber(sample.conflicts));
  AddSample(hits, {{"result", "not_kept"}}, AsNumber(sample.not_kept));
  out.push_back(std::move(hits));
  out.push_back(SingleFamily("sluice_idempotency_evictions_total", "Calls forgotten before their time, for room.",
                             MetricType::Counter, AsNumber(sample.evicted)));
}

void AddLoad(const LoadSample& sample, Families& out) {
  out.push_back(SingleFamily("sluice_request_bytes", "Size of the requests of all calls under way.",
                             MetricType::Gauge, AsNumber(sample.request_bytes)));
  MetricFamily shed{"sluice_shed_total", "Calls refused at once, to serve well what was taken.", MetricType::Counter, {}};
  AddSample(shed, {{"reason", "calls"}}, AsNumber(sample.shed_by_calls));
  AddSample(shed, {{"reason", "memory"}}, AsNumber(sample.shed_by_memory));
  AddSample(shed, {{"reason", "lag"}}, AsNumber(sample.shed_by_lag));
  out.push_back(std::move(shed));
}

}  // namespace

std::vector<MetricFamily> ResilienceCollector::Collect() const {
  const ResilienceFigures figures = figures_();
  Families out;
  AddBreakers(FirstOf(figures.breakers, max_items_), out);
  AddEndpoints(FirstOf(figures.endpoints, max_items_), out);
  AddEndpointCounts(figures.endpoints, max_items_, out);
  AddUpstreams(FirstOf(figures.upstreams, max_items_), out);
  AddBudgets(FirstOf(figures.budgets, max_items_), out);
  AddQueues(FirstOf(figures.queues, max_items_), out);
  AddRateLimits(FirstOf(figures.rate_limits, max_items_), out);
  if (figures.idempotency) AddIdempotency(*figures.idempotency, out);
  if (figures.load) AddLoad(*figures.load, out);
  return out;
}

}  // namespace sluice
