#include "server/config/route_compiler.h"

#include <algorithm>
#include <utility>

#include "proto/policy/defaults.h"
#include "proto/policy/duration_text.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {
namespace {

HedgeConfig HedgeOf(const v1::Hedge& hedge) {
  HedgeConfig out;
  if (hedge.has_delay()) out.delay = ToAbsl(hedge.delay());
  out.max_percent = hedge.max_hedge_percent();
  out.max_hedges = static_cast<int>(hedge.max_hedges());
  return out;
}

// With defaults filled in. A max_wait that was not written yields to the
// window: nobody could wait for the first batch.
QueueConfig QueueOf(const v1::Queue& queue, bool wait_written) {
  QueueConfig out;
  out.max_length = queue.max_length();
  out.max_wait = ToAbsl(queue.max_wait());
  if (queue.has_window()) out.window = ToAbsl(queue.window());
  out.max_bytes = queue.max_bytes();
  if (!wait_written) out.max_wait = std::max(out.max_wait, out.window);
  return out;
}

AffinityConfig AffinityOf(const v1::Affinity& affinity) {
  return {affinity.metadata_key(), affinity.prompt_prefix_bytes()};
}

// Of the gateway's own bounds those that the route sets; the face knows its own.
std::shared_ptr<const v1::Model> OfferOf(const v1::Route& route) {
  auto out = std::make_shared<v1::Model>();
  const v1::ModelOffer& offer = route.offer();
  out->set_description(offer.description());
  if (offer.has_abilities()) *out->mutable_abilities() = offer.abilities();
  v1::ModelLimits& limits = *out->mutable_limits();
  if (offer.has_context_tokens()) limits.set_context_tokens(offer.context_tokens());
  if (offer.has_max_output_tokens()) limits.set_max_output_tokens(offer.max_output_tokens());
  limits.set_max_response_bytes(route.stream().max_response_bytes());
  *limits.mutable_max_duration() = route.timeouts().overall();
  return out;
}

}  // namespace

std::shared_ptr<RouteConfig> CompileRouteFields(const std::string& name, v1::Route route) {
  const bool wait_written = route.queue().has_max_wait();
  // Defaults fill only the messages that are there.
  route.mutable_timeouts();
  route.mutable_stream();
  FillDefaults(route);
  auto out = std::make_shared<RouteConfig>();
  out->name = name;
  out->model = route.match().model();
  out->metadata = {route.match().metadata().begin(), route.match().metadata().end()};
  out->tenant = route.match().tenant();
  out->timeouts = {ToAbsl(route.timeouts().connect()), ToAbsl(route.timeouts().first_content()),
                   ToAbsl(route.timeouts().idle()), ToAbsl(route.timeouts().unary_total()),
                   ToAbsl(route.timeouts().overall()), ToAbsl(route.timeouts().end_grace())};
  out->stream = {route.stream().max_pending_bytes(), route.stream().max_event_bytes(),
                 route.stream().max_response_bytes(), ToAbsl(route.stream().coalesce())};
  if (route.has_hedge()) out->hedge = HedgeOf(route.hedge());
  if (route.has_queue()) out->queue = QueueOf(route.queue(), wait_written);
  if (route.has_affinity()) out->affinity = AffinityOf(route.affinity());
  out->after_cut = route.after_cut() == v1::AFTER_CUT_RESTART ? AfterCut::kRestart : AfterCut::kFail;
  out->max_restarts = static_cast<int>(route.max_restarts());
  out->offer = OfferOf(route);
  return out;
}

std::shared_ptr<RouteConfig> MakeFallbackRoute(const RouteConfig& failed, TargetConfig target) {
  auto out = std::make_shared<RouteConfig>();
  out->name = failed.name;
  out->model = failed.model;
  out->targets.push_back(std::move(target));
  out->timeouts = failed.timeouts;
  out->retry = failed.retry;
  out->retry.on_exhaustion = Exhaustion::kError;  // this was the last resort
  out->stream = failed.stream;
  out->after_cut = failed.after_cut;
  out->max_restarts = failed.max_restarts;
  out->queue = failed.queue;
  out->affinity = failed.affinity;
  // The call has passed the others when it came; this one is charged by attempts.
  for (const RateLimitUse& use : failed.rate_limits) {
    if (use.scope == RateLimitUse::Scope::kUpstream) out->rate_limits.push_back(use);
  }
  return out;
}

RateLimitConfig CompileRateLimit(v1::RateLimit limit) {
  RateLimitConfig out;
  if (limit.has_requests()) out.requests = limit.requests();
  if (limit.has_tokens()) out.tokens = limit.tokens();
  FillDefaults(limit);
  out.per = ToAbsl(limit.per());
  return out;
}

RateLimitUse::Scope ScopeOf(const v1::RateLimit& limit) {
  switch (limit.scope()) {
    case v1::RATE_LIMIT_SCOPE_TENANT: return RateLimitUse::Scope::kTenant;
    case v1::RATE_LIMIT_SCOPE_UPSTREAM: return RateLimitUse::Scope::kUpstream;
    default: return RateLimitUse::Scope::kRoute;
  }
}

}  // namespace sluice
