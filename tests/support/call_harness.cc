#include "tests/support/call_harness.h"

#include <algorithm>
#include <stdexcept>

#include "server/engine/endpoint_index.h"

namespace sluice {
namespace {

// "openai/primary failed overload"
std::string Describe(const AttemptRecord& attempt) {
  static constexpr const char* kOutcomes[] = {"running", "ok", "failed", "cancelled", "abandoned"};
  std::string text =
      attempt.upstream + "/" + attempt.endpoint + " " + kOutcomes[static_cast<int>(attempt.outcome)];
  if (attempt.failure != FailureKind::kNone) text += " " + std::string(TraitsOf(attempt.failure).name);
  return text;
}

}  // namespace

void FakeSink::Started(std::string_view served_by, std::string_view model) {
  if (finishes > 0) violations.push_back("Started after Finish");
  if (shows && started.size() != static_cast<size_t>(restarts)) violations.push_back("Started twice");
  started.push_back(std::string(served_by) + " " + std::string(model));
}

void FakeSink::Write(const StreamEvent& event) {
  if (finishes > 0) violations.push_back("Write after Finish");
  if (started.size() != static_cast<size_t>(discards + restarts) + 1) violations.push_back("Write before Started");
  kinds.push_back(event.kind);
  if (event.citation != nullptr) sources.push_back(event.citation->url);
  if (event.is_content()) text += event.text;
  if (!slow) return;
  pending += event.text.size();
  most_pending = std::max(most_pending, pending);
}

void FakeSink::Discard() {
  if (shows) violations.push_back("Discard of what was shown");
  if (finishes > 0) violations.push_back("Discard after Finish");
  ++discards;
  text.clear();
  kinds.clear();
}

void FakeSink::Restart() {
  if (!shows || started.empty()) violations.push_back("Restart of what was not shown");
  if (finishes > 0) violations.push_back("Restart after Finish");
  ++restarts;
  text.clear();
  kinds.clear();
}

void FakeSink::Finish(const CallRecord& r) {
  if (++finishes > 1) violations.push_back("Finish twice");
  record = r;
}

void FakeObserver::AttemptStarted(const CallInfo&, const AttemptRecord& attempt) {
  if (attempts_started != attempts_ended && !attempt.hedge) violations.push_back("two attempts at once");
  ++attempts_started;
}

void FakeObserver::AttemptEnded(const CallInfo&, const AttemptRecord& attempt) {
  ++attempts_ended;
  if (attempt.outcome == AttemptOutcome::kRunning) violations.push_back("an ended attempt runs");
}

void FakeObserver::VerifyingStarted(const CallInfo&, const AttemptRecord& attempt) {
  verifying.push_back(attempt.upstream + "/" + attempt.endpoint + " goes on");
}

void FakeObserver::VerifyingEnded(const CallInfo&, const AttemptRecord& attempt) {
  verifying.push_back(Describe(attempt));
}

void FakeObserver::RetryScheduled(const CallInfo&, const AttemptRecord& failed, Duration delay, bool failover) {
  retries.push_back(failed.upstream + "/" + failed.endpoint + " +" + absl::FormatDuration(delay) +
                    (failover ? " failover" : ""));
}

void FakeObserver::RetryRefused(const CallInfo&, std::string_view, RetryRefusal why) { refusals.push_back(why); }

void FakeObserver::Restarted(const CallInfo&, const AttemptRecord& cut) {
  restarts.push_back(cut.upstream + "/" + cut.endpoint);
}

void FakeObserver::FallbackEntered(const CallInfo&, std::string_view fallback, FailureKind cause) {
  fallbacks.push_back(std::string(fallback) + ": " + std::string(TraitsOf(cause).name));
}

void FakeObserver::LeftQueue(const CallInfo&, QueueExit exit, Duration) { left_queue.push_back(exit); }

void FakeObserver::BreakerChanged(std::string_view upstream, std::string_view endpoint, BreakerState from,
                                  BreakerState to) {
  changes.push_back(std::string(upstream) + "/" + std::string(endpoint) + " " +
                    std::to_string(static_cast<int>(from)) + ">" + std::to_string(static_cast<int>(to)));
}

void FakeObserver::EndpointEjected(std::string_view upstream, std::string_view endpoint, Duration lasting) {
  changes.push_back(std::string(upstream) + "/" + std::string(endpoint) + " ejected " +
                    absl::FormatDuration(lasting));
}

void FakeObserver::FormLearned(std::string_view upstream, std::string_view model, std::string_view refused) {
  learned.push_back(std::string(upstream) + " " + std::string(model) + ": " + std::string(refused));
}

CallHarness::CallHarness(uint64_t seed) : random(seed) {
  route.name = "chat";
  route.model = "chat";
  // Exact waits, unless a test is about chance.
  route.retry.backoff = FixedBackoff{absl::Milliseconds(100)};
  request.set_model("chat");
  route.state = std::make_shared<RouteState>();
  transport.script = [this](const HttpRequest& request, size_t) {
    const std::string& place = request.endpoint->host;
    const std::vector<Script>& scripts = scripts_.at(place);
    return scripts[std::min(asked_[place]++, scripts.size() - 1)];
  };
}

EndpointConfig& CallHarness::Add(const std::string& place, uint32_t priority) {
  const size_t slash = place.find('/');
  std::shared_ptr<UpstreamConfig>& upstream = upstreams_[place.substr(0, slash)];
  if (!upstream) {
    upstream = std::make_shared<UpstreamConfig>();
    upstream->name = place.substr(0, slash);
    upstream->format = &format;
    upstream->credentials.emplace_back();
    upstream->state = std::make_shared<UpstreamState>();
    // What a test is about is not cut short by a breaker, unless it asks for one.
    upstream->breaker.mode = BreakerMode::kDisabled;
    TargetConfig target;
    target.upstream = upstream;
    target.priority = static_cast<uint32_t>(route.targets.size());
    route.targets.push_back(target);
  }
  auto http = std::make_shared<HttpEndpoint>();
  http->host = place;
  EndpointConfig endpoint;
  endpoint.name = place.substr(slash + 1);
  endpoint.http = std::move(http);
  endpoint.priority = priority;
  endpoint.state = std::make_shared<EndpointState>();
  endpoint.cooldowns.push_back(std::make_shared<Cooldown>());
  return upstream->endpoints.emplace_back(std::move(endpoint));
}

EndpointConfig& CallHarness::endpoint(const std::string& place) {
  const size_t slash = place.find('/');
  for (EndpointConfig& endpoint : upstreams_.at(place.substr(0, slash))->endpoints) {
    if (endpoint.name == place.substr(slash + 1)) return endpoint;
  }
  throw std::out_of_range(place);
}

RateLimitUse& CallHarness::Limit(const std::string& name, RateLimitConfig config, RateLimitUse::Scope scope) {
  RateLimitUse use;
  use.name = name;
  use.scope = scope;
  use.config = config;
  use.state = std::make_shared<RateLimitState>(config, use.max_keys);
  return route.rate_limits.emplace_back(std::move(use));
}

void CallHarness::PutInForce() {
  in_force_ = true;
  std::vector<std::shared_ptr<const UpstreamConfig>> upstreams;
  for (const auto& [name, upstream] : upstreams_) {
    upstream->index = EndpointIndex::Make(*upstream);
    upstreams.push_back(upstream);
  }
  RouteTable("test", 1, {std::make_shared<const RouteConfig>(route)}, upstreams).ConfigureStates(loop.Now());
}

void CallHarness::Start(TimePoint deadline) {
  call = Make(sink, deadline);
  call->Start();
}

std::unique_ptr<Call> CallHarness::Make(FakeSink& to, TimePoint deadline) {
  if (!in_force_) PutInForce();
  CallParams params;
  params.info.tenant = tenant;
  params.info.streaming = streaming;
  params.info.route = route.name;
  params.route = std::make_shared<const RouteConfig>(route);
  params.request = NewChatCallRequest(request);
  kept_request = params.request;
  kept_route = params.route;
  params.deadline = deadline;
  params.trace = TraceContext{std::string(31, '0') + "1", std::string(15, '0') + "2", 1};
  return NewCall(context, std::move(params), to);
}

void CallHarness::Drain() {
  sink.pending = 0;
  call->SinkDrained();
}

std::string CallHarness::Attempts() const {
  std::string text;
  for (const AttemptRecord& attempt : sink.record.attempts) {
    if (!text.empty()) text += "; ";
    text += Describe(attempt);
  }
  return text;
}

std::vector<std::string> CallHarness::Places() const {
  std::vector<std::string> places;
  for (const auto& started : transport.started) places.push_back(started.host);
  return places;
}

std::vector<std::string> CallHarness::Violations() const {
  std::vector<std::string> found = sink.violations;
  found.insert(found.end(), observer.violations.begin(), observer.violations.end());
  const auto check = [&](bool holds, const char* what) {
    if (!holds) found.push_back(what);
  };
  const CallRecord& record = sink.record;
  check(sink.finishes == 1, "Finish did not come once");
  check(observer.calls_started == 1 && observer.calls_ended == 1, "CallStarted and CallEnded are not even");
  check(observer.attempts_started == observer.attempts_ended, "AttemptStarted and AttemptEnded are not even");
  check(transport.started.size() == record.attempts.size(), "requests at the transport are not the attempts told");
  const bool counts_anew = route.retry.transient || route.retry.on_exhaustion == Exhaustion::kQueue || route.fallback;
  check(counts_anew || static_cast<int>(record.attempts.size()) <= route.retry.max_attempts,
        "more attempts than allowed");
  check(transport.live == 0, "an exchange is left");
  check(loop.timers() == 0, "a timer is left");
  check(context.lingerer->size() == 0, "an exchange lingers");
  check(context.verifying->size() == 0, "an attempt goes on");
  const auto winners = std::count_if(record.attempts.begin(), record.attempts.end(),
                                     [](const auto& a) { return a.outcome == AttemptOutcome::kOk; });
  const bool answered = record.outcome == CallOutcome::kComplete || record.outcome == CallOutcome::kFallback;
  const bool by_upstream = answered && !record.served_by.starts_with("fallback/");
  check(winners == (by_upstream ? 1 : 0), "not one winner");
  check((record.outcome == CallOutcome::kComplete) == (record.error.grpc_code == 0), "no error, or one too many");
  check(route.state->figures(loop.Now()).queue.length == 0, "a call is left in the queue");
  for (const auto& [upstream, budget] : route.state->figures(loop.Now()).budgets) {
    check(budget.calls == 0, "a call is left in the budget");
    check(budget.retries == 0, "a retry is left in the budget");
  }
  check(record.error.message.size() <= 1024, "a long message");
  for (const auto& [name, upstream] : upstreams_) {
    const UpstreamFigures figures = upstream->state->figures();
    check(figures.requests == 0 && figures.pending == 0 && figures.tokens == 0, "an upstream has something in flight");
    for (const EndpointConfig& endpoint : upstream->endpoints) {
      check(endpoint.state->in_flight() == 0, "an endpoint has something in flight");
    }
  }
  return found;
}

}  // namespace sluice
