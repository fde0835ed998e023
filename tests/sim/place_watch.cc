#include "tests/sim/place_watch.h"

#include <algorithm>
#include <utility>

namespace sluice {
namespace {

// The least that a jittered open time lasts.
constexpr double kLeastOpen = 0.8;

}  // namespace

void PlaceWatch::SawMode(const CircuitBreakerConfig& config, const std::string& name) {
  const auto [known, fresh] = modes_.try_emplace(name, config.mode);
  if (fresh || known->second == config.mode) return;
  known->second = config.mode;
  breakers_.erase(name);
}

void PlaceWatch::InForce(const RouteTable& table, TimePoint now) {
  for (const auto& upstream : table.upstreams()) {
    const auto& before = upstreams_[upstream->name];
    if (before && before->overall_breaker && !upstream->overall_breaker) breakers_.erase(upstream->name + "/");
    upstreams_[upstream->name] = upstream;
    for (const EndpointConfig& endpoint : upstream->endpoints) {
      const std::string place = upstream->name + "/" + endpoint.name;
      endpoints_[place] = endpoint.state;
      SawMode(upstream->breaker, place);
      thresholds_[place] = upstream->breaker;
    }
  }
  for (const auto& route : table.routes()) {
    for (const RateLimitUse& use : route->rate_limits) {
      RateLimitConfig& most = most_.try_emplace(use.name, use.config).first->second;
      if (!use.config.requests || !most.requests) {
        most.requests.reset();
      } else {
        most.requests = std::max(*most.requests, *use.config.requests);
      }
      most.per = std::min(most.per, use.config.per);
    }
  }
  coverage["revisions"] += now > absl::InfinitePast();
}

void PlaceWatch::Began(uint64_t attempt, const RouteConfig& route, const AttemptRecord& record, TimePoint now) {
  const std::string place = record.upstream + "/" + record.endpoint;
  ++at_upstream_[record.upstream];
  ++at_place_[place];
  running_[attempt] = {record.upstream, place, record.credential};
  const UpstreamConfig& upstream = *upstreams_.at(record.upstream);
  CheckBreaker(breakers_[place], endpoints_.at(place)->breaker_figures(now), thresholds_.at(place), place, attempt, now);
  if (const auto overall = upstream.state->breaker_figures(now)) {
    CheckBreaker(breakers_[record.upstream + "/"], *overall, *upstream.overall_breaker, record.upstream, attempt, now);
  }
  CheckRoom(upstream);
  CheckEven(record.upstream);
  const auto rest = rests_.find(place + " " + record.credential);
  findings_.Check(rest == rests_.end() || rest->second <= now + absl::Nanoseconds(1), place + " was not left to rest");
  for (const RateLimitUse& use : route.rate_limits) {
    if (use.scope == RateLimitUse::Scope::kUpstream) CheckRateLimit(use, record.upstream, now);
  }
}

void PlaceWatch::CheckBreaker(Breaker& breaker, const BreakerFigures& figures, const CircuitBreakerConfig& config,
                              const std::string& name, uint64_t attempt, TimePoint now) {
  if (config.mode != BreakerMode::kAutomatic) {
    findings_.Check(config.mode != BreakerMode::kForcedOpen, name + " is forced open and was asked");
    return;
  }
  findings_.Check(figures.state != BreakerState::kOpen, name + " is open and was asked");
  findings_.Check(now >= breaker.closed_until, name + " was asked while its open time lasts");
  if (figures.state != BreakerState::kHalfOpen) return;
  if (breaker.phase != figures.since) breaker.probes.clear();
  breaker.phase = figures.since;
  breaker.probes.insert(attempt);
  ++coverage["probes"];
  findings_.Check(breaker.probes.size() <= config.half_open_permits, name + " has more probes than permits");
  findings_.Check(figures.permits_used <= config.half_open_permits, name + " gave more permits than it has");
}

void PlaceWatch::CheckRoom(const UpstreamConfig& upstream) {
  if (!upstream.limits) return;
  const UpstreamFigures figures = upstream.state->figures();
  const auto& limits = *upstream.limits;
  const int running = at_upstream_[upstream.name];
  if (limits.max_requests) {
    findings_.Check(running <= static_cast<int>(*limits.max_requests), upstream.name + " has more requests than allowed");
    coverage["at the limit"] += running == static_cast<int>(*limits.max_requests);
  }
  if (limits.adaptive) {
    findings_.Check(running <= static_cast<int>(figures.limit), upstream.name + " is over its adaptive limit");
  }
  if (limits.max_pending) {
    findings_.Check(figures.pending <= static_cast<int>(*limits.max_pending), upstream.name + " has too many pending");
  }
  if (limits.max_tokens && running > 1) {
    findings_.Check(figures.tokens <= *limits.max_tokens, upstream.name + " has too many tokens in flight");
  }
}

void PlaceWatch::CheckRateLimit(const RateLimitUse& use, const std::string& key, TimePoint now) {
  const RateLimitConfig& most = most_.at(use.name);
  if (!most.requests) return;
  // New limits keep the proportion of what is left.
  Bucket& bucket = buckets_.try_emplace(use.name + " " + key, Bucket{1, now}).first->second;
  bucket.level = std::min(1.0, bucket.level + absl::FDivDuration(now - bucket.at, most.per));
  bucket.at = now;
  bucket.level -= 1 / static_cast<double>(*most.requests);
  ++coverage["attempts under a rate limit"];
  findings_.Check(bucket.level > -1e-6, use.name + " let more attempts to " + key + " than it allows");
}

// What is counted there is what runs.
void PlaceWatch::CheckEven(const std::string& upstream) {
  const UpstreamFigures figures = upstreams_.at(upstream)->state->figures();
  findings_.Check(figures.requests == at_upstream_[upstream], upstream + " counts other requests than run");
  findings_.Check(figures.pending >= 0 && figures.pending <= figures.requests, upstream + " counts odd pending ones");
}

void PlaceWatch::FirstContent(uint64_t attempt) {
  for (auto& [name, breaker] : breakers_) breaker.probes.erase(attempt);
}

void PlaceWatch::Ended(uint64_t attempt, const AttemptRecord& record, TimePoint now) {
  const auto found = running_.find(attempt);
  findings_.Check(found != running_.end(), "an attempt ended twice");
  if (found == running_.end()) return;
  if (std::exchange(found->second.goes_on, false)) return;
  --at_upstream_[found->second.upstream];
  --at_place_[found->second.place];
  FirstContent(attempt);
  CheckEven(record.upstream);
  findings_.Check(endpoints_.at(found->second.place)->in_flight() == at_place_[found->second.place],
                  found->second.place + " counts other attempts than run");
  if (record.outcome == AttemptOutcome::kFailed && record.retry_after && TraitsOf(record.failure).cools_down) {
    TimePoint& rest = rests_.try_emplace(found->second.place + " " + record.credential, now).first->second;
    rest = std::max(rest, now + *record.retry_after);
    ++coverage["cooldowns"];
  }
  // One without a time rests for a backoff, of which there is a least.
  if (record.outcome == AttemptOutcome::kFailed && record.failure == FailureKind::kRateLimited && !record.retry_after) {
    TimePoint& rest = rests_.try_emplace(found->second.place + " " + record.credential, now).first->second;
    rest = std::max(rest, now + absl::Milliseconds(250));
    ++coverage["cooldowns without a time"];
  }
  running_.erase(found);
}

void PlaceWatch::BreakerChanged(const std::string& upstream, const std::string& endpoint, BreakerState to,
                                TimePoint now) {
  const std::string place = upstream + "/" + endpoint;
  const CircuitBreakerConfig& breaker =
      endpoint.empty() ? *upstreams_.at(upstream)->overall_breaker : thresholds_.at(place);
  Breaker& model = breakers_[place];
  if (to == BreakerState::kOpen) {
    ++coverage[endpoint.empty() ? "upstreams' breakers opened" : "breakers opened"];
    model.closed_until = now + breaker.open * kLeastOpen;
    model.probes.clear();
  } else if (to == BreakerState::kClosed) {
    ++coverage["breakers closed"];
    model.closed_until = absl::InfinitePast();
  }
}

void PlaceWatch::Ejected(const std::string&, Duration lasting, TimePoint) {
  ++coverage["ejections"];
  findings_.Check(lasting > absl::ZeroDuration() && lasting <= absl::Seconds(10), "an odd ejection");
}

void PlaceWatch::AllOver(TimePoint now) {
  findings_.Check(running_.empty(), "attempts never ended");
  for (const auto& [name, upstream] : upstreams_) {
    const UpstreamFigures figures = upstream->state->figures();
    findings_.Check(figures.requests == 0 && figures.pending == 0 && figures.tokens == 0,
                    name + " has something in flight");
    coverage["throttled"] += figures.throttled;
    if (const auto overall = upstream->state->breaker_figures(now); overall && overall->state == BreakerState::kHalfOpen) {
      findings_.Check(overall->permits_used == overall->counts.calls, name + " lost a permit");
    }
  }
  for (const auto& [place, state] : endpoints_) {
    findings_.Check(state->in_flight() == 0, place + " has something in flight");
    const BreakerFigures figures = state->breaker_figures(now);
    if (figures.state != BreakerState::kHalfOpen) continue;
    findings_.Check(figures.permits_used == figures.counts.calls, place + " lost a permit");
  }
}

void PlaceWatch::AllRested(TimePoint now) {
  for (const auto& [name, upstream] : upstreams_) {
    findings_.Check(upstream->state->admits_at(now) <= now, name + " is stuck");
    if (upstream->breaker.mode == BreakerMode::kForcedOpen) continue;
    for (const EndpointConfig& endpoint : upstream->endpoints) {
      const EndpointView view = endpoint.state->View(now);
      findings_.Check(view.admits_at <= now && view.ejected_until <= now, name + "/" + endpoint.name + " is stuck");
    }
  }
}

}  // namespace sluice
