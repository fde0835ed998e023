#include "tests/sim/impatient_system.h"

#include <algorithm>
#include <utility>

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;

constexpr int kChunks = 12;
constexpr Duration kLongestChunk = Milliseconds(400);

}  // namespace

struct ImpatientSystem::Caller {
  explicit Caller(Loop& loop) : leaves(loop), reads(loop) {}

  FakeSink sink;
  std::unique_ptr<Call> call;
  Timer leaves;
  Timer reads;
};

ImpatientSystem::ImpatientSystem(uint64_t seed, int calls)
    : dice_(seed),
      h_(dice_.Seed()),
      context_{h_.loop, h_.transport, h_.random, *this},
      calls_(calls),
      patient_(dice_.Chance(0.6)),
      streams_only_(dice_.Chance(0.5)),
      gap_(dice_.Time(Milliseconds(20), Milliseconds(400))),
      next_arrival_(h_.loop) {
  RouteTimeouts& timeouts = h_.route.timeouts;
  timeouts.connect = Seconds(1);
  timeouts.first_content = dice_.Time(Seconds(1), Seconds(6));
  timeouts.idle = Seconds(2);
  timeouts.unary_total = timeouts.first_content + Seconds(20);
  bound_ = timeouts.connect + timeouts.first_content;
  RetryPolicy& retry = h_.route.retry;
  retry.max_attempts = dice_.Number(1, 3);
  retry.budget = {.max_tokens = 1000, .token_ratio = 0.1, .retry_percent = 100, .min_retries = 50};
  if (dice_.Chance(0.3)) retry.adaptive = AdaptiveRetryConfig{};
  if (dice_.Chance(0.3)) {
    h_.route.hedge = HedgeConfig{.delay = dice_.Time(Milliseconds(100), Seconds(2)), .max_percent = 20};
    if (dice_.Chance(0.5)) h_.route.hedge->delay.reset();
  }
  h_.route.stream.max_pending_bytes = 8;
  MakePlaces();
  h_.transport.script = [this](const HttpRequest& request, size_t) {
    return ScriptFor(places_.at(request.endpoint->host));
  };
}

ImpatientSystem::~ImpatientSystem() = default;

void ImpatientSystem::MakePlaces() {
  const bool all_well = dice_.Chance(0.5);
  std::vector<std::string> names;
  const int upstreams = dice_.Number(1, 2);
  for (int u = 0; u < upstreams; ++u) {
    const std::string upstream = "u" + std::to_string(u);
    const int endpoints = dice_.Number(1, 3);
    for (int e = 0; e < endpoints; ++e) names.push_back(upstream + "/" + std::to_string(e));
  }
  for (const std::string& name : names) h_.Add(name);
  for (TargetConfig& target : h_.route.targets) target.priority = 0;
  for (const std::string& name : names) {
    UpstreamConfig& upstream = h_.upstream(name.substr(0, 2));
    if (upstream.breaker.mode == BreakerMode::kDisabled) SwitchOn(upstream);
    Place place{&upstream, &h_.endpoint(name), {}, {}, absl::InfiniteFuture(), {}, absl::InfinitePast(), 0};
    place.least = dice_.Time(Milliseconds(5), h_.route.timeouts.first_content * 0.5);
    place.most = place.least + dice_.Time(Milliseconds(1), h_.route.timeouts.first_content * 0.4);
    if (!all_well && dice_.Chance(0.5)) place.silent_from = h_.loop.Now() + dice_.Time(absl::ZeroDuration(), Seconds(10));
    had_silent_[&upstream] |= place.silent_from != absl::InfiniteFuture();
    places_.emplace(name, std::move(place));
  }
  h_.PutInForce();
}

void ImpatientSystem::SwitchOn(UpstreamConfig& upstream) {
  upstream.breaker = MakeBreaker();
  if (dice_.Chance(0.6)) upstream.overall_breaker = MakeBreaker();
  upstream.outlier = OutlierConfig{.consecutive_failures = static_cast<uint32_t>(dice_.Number(1, 5))};
  if (dice_.Chance(0.5)) upstream.throttle = ClientThrottleConfig{1.0 + dice_.Number(0, 10) / 10.0, Seconds(20)};
  if (dice_.Chance(0.3)) upstream.limits = ConcurrencyConfig{.adaptive = true, .adaptive_min = 50};
  using Kind = BalanceConfig::Kind;
  upstream.balance.kind = dice_.OneOf({Kind::kWeighted, Kind::kLeastRequest, Kind::kPeakEwma});
}

CircuitBreakerConfig ImpatientSystem::MakeBreaker() {
  CircuitBreakerConfig breaker;
  breaker.count_window = dice_.Chance(0.5);
  breaker.count = static_cast<uint32_t>(dice_.Number(1, 100));
  breaker.min_calls = static_cast<uint32_t>(dice_.Number(1, 40));
  breaker.failure_percent = dice_.Number(1, 100);
  breaker.half_open_permits = static_cast<uint32_t>(dice_.Number(1, 3));
  breaker.open = dice_.Time(Seconds(1), Seconds(20));
  breaker.verify_after = static_cast<uint32_t>(dice_.Number(1, 6));
  return breaker;
}

// What comes after its silence began does not come.
Script ImpatientSystem::ScriptFor(Place& place) {
  Script script = Script().Connect(dice_.Time(absl::ZeroDuration(), Milliseconds(20))).Head(200);
  script.Body("text x\n", dice_.Time(place.least, place.most) - Milliseconds(2));
  for (int i = 1; i < kChunks; ++i) script.Body("text y\n", dice_.Time(absl::ZeroDuration(), kLongestChunk));
  script.Body("done\n").End();
  TimePoint at = h_.loop.Now();
  for (size_t i = 0; i < script.steps.size(); ++i) {
    at += script.steps[i].after;
    if (at < place.silent_from) continue;
    script.steps.resize(std::max<size_t>(i, dice_.Chance(0.8) ? 1 : 0));
    break;
  }
  return script;
}

void ImpatientSystem::Arrive() {
  if (calls_-- <= 0) return;
  next_arrival_.Set(h_.loop.Now() + dice_.Time(absl::ZeroDuration(), gap_), [this] { Arrive(); });
  Caller& caller = *callers_.emplace_back(std::make_unique<Caller>(h_.loop));
  caller.sink.shows = streams_only_ || dice_.Chance(0.5);
  // One that reads nothing is ended by the route's bound, when everything is over.
  caller.sink.slow = dice_.Chance(0.05);
  const Duration patience = patient_ && dice_.Chance(0.4) ? absl::InfiniteDuration()
                                                          : dice_.Time(Milliseconds(10), h_.route.timeouts.first_content);
  CallParams params;
  params.info.streaming = caller.sink.shows;
  params.route = std::make_shared<const RouteConfig>(h_.route);
  params.request = NewChatCallRequest(h_.request);
  const bool by_deadline = dice_.Chance(0.5);
  if (by_deadline) params.deadline = h_.loop.Now() + patience;
  caller.call = NewCall(context_, std::move(params), caller.sink);
  caller.call->Start();
  if (!by_deadline && patience != absl::InfiniteDuration()) Patience(caller, patience);
}

void ImpatientSystem::Patience(Caller& caller, Duration patience) {
  const int how = dice_.Number(0, 9);
  caller.leaves.Set(h_.loop.Now() + patience, [this, &caller, how] {
    if (caller.sink.finishes > 0) return;
    if (how > 1) return caller.call->Cancel();
    by_gateway_ = true;
    how == 0 ? caller.call.reset() : caller.call->Stop();
    by_gateway_ = false;
  });
}

// --- what is heard ----------------------------------------------------------

void ImpatientSystem::AttemptEnded(const CallInfo&, const AttemptRecord& attempt) {
  ++coverage_["attempts"];
  const bool left = attempt.outcome == AttemptOutcome::kCancelled || attempt.outcome == AttemptOutcome::kAbandoned;
  coverage_["left after content"] += left && attempt.time_to_first_token;
  if (!left || attempt.time_to_first_token || by_gateway_) return;
  ++coverage_["left in silence"];
  Place& place = PlaceOf(attempt);
  if (h_.loop.Now() >= place.silent_from) place.left.push_back({attempt.started, h_.loop.Now()});
}

void ImpatientSystem::VerifyingStarted(const CallInfo&, const AttemptRecord& attempt) {
  findings_.Check(++PlaceOf(attempt).going_on <= 2, "more attempts go on at once than there are breakers");
}

void ImpatientSystem::VerifyingEnded(const CallInfo&, const AttemptRecord& attempt) {
  Place& place = PlaceOf(attempt);
  --place.going_on;
  ++coverage_[attempt.outcome == AttemptOutcome::kOk ? "verified: ok" : "verified: failed"];
  findings_.Check(attempt.duration <= bound_, "an attempt goes on beyond its bound");
  if (attempt.started < place.silent_from) place.last_verdict = h_.loop.Now();
  const bool well = place.silent_from > h_.loop.Now();
  findings_.Check(!well || attempt.outcome == AttemptOutcome::kOk, "a verdict against who is well");
}

void ImpatientSystem::CallEnded(const CallInfo&, const CallRecord& record) {
  ++coverage_["calls"];
  coverage_["complete"] += record.outcome == CallOutcome::kComplete;
  coverage_["past their deadline"] += record.error.reason == "DEADLINE_EXCEEDED";
}

// --- what must hold ---------------------------------------------------------

bool ImpatientSystem::AllWell(const UpstreamConfig& upstream) const { return !had_silent_.at(&upstream); }

void ImpatientSystem::CheckTheWell() {
  const TimePoint now = h_.loop.Now();
  for (const auto& [name, place] : places_) {
    const UpstreamState& upstream = *place.upstream->state;
    if (AllWell(*place.upstream)) {
      const auto overall = upstream.breaker_figures(now);
      findings_.Check(!overall || overall->opened_total == 0, name + ": its upstream is well and was opened");
    }
    if (place.silent_from <= now) continue;
    const BreakerFigures figures = place.config->state->breaker_figures(now);
    findings_.Check(figures.opened_total == 0, name + " is well and was opened: " + figures.last_trip.reason);
    findings_.Check(place.config->state->ejections() == 0, name + " is well and was ejected");
    findings_.Check(place.config->cooldowns[0]->until() == absl::InfinitePast(), name + " is well and was rested");
  }
}

// Enough callers left, and the one whose attempt must have gone on then came within
// the first bound.
bool ImpatientSystem::MustBeOpen(const Place& place) const {
  const uint32_t after = place.upstream->breaker.verify_after;
  if (place.left.size() <= after) return false;
  const auto goes_on = std::find_if(place.left.begin() + after, place.left.end(),
                                    [&](const Left& left) { return left.ended > place.last_verdict; });
  return goes_on != place.left.end() && goes_on->began <= place.silent_from + bound_;
}

void ImpatientSystem::CheckTheSilent(const std::string& name, const Place& place) {
  if (!MustBeOpen(place)) return;
  ++coverage_["silent ones that had to be opened"];
  findings_.Check(place.config->state->breaker_figures(h_.loop.Now()).opened_total > 0,
                  name + " is silent and was not opened");
}

std::vector<std::string> ImpatientSystem::Run() {
  Arrive();
  for (const auto& [name, place] : places_) {
    if (place.silent_from == absl::InfiniteFuture()) continue;
    checks_.push_back(std::make_unique<Timer>(h_.loop));
    checks_.back()->Set(TwoBoundsAfter(place.silent_from) + Milliseconds(1),
                        [this, n = &name, p = &place] { CheckTheSilent(*n, *p); });
  }
  while (findings_.found().empty() && h_.loop.RunOne()) CheckTheWell();
  findings_.Check(!findings_.found().empty() || h_.transport.live == 0, "an exchange is left");
  ++coverage_["systems"];
  return findings_.found();
}

}  // namespace sluice
