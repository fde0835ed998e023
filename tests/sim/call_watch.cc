#include "tests/sim/call_watch.h"

#include <algorithm>
#include <utility>

#include "tests/sim/weather.h"

namespace sluice {

CallWatch::CallWatch(Loop& loop, FakeTransport& transport) : loop_(loop), transport_(transport) {}

RouteWatch& CallWatch::RouteOf(const RouteState* state) {
  return routes_.try_emplace(state, findings_, coverage_).first->second;
}

void CallWatch::InForce(const RouteTable& table) {
  places_.InForce(table, loop_.Now());
  for (const auto& route : table.routes()) {
    kept_.push_back(route);
    for (const RouteConfig* each = route.get(); each; each = each->fallback ? each->fallback->route.get() : nullptr) {
      if (in_force_[each->state.get()] == each) continue;
      in_force_[each->state.get()] = each;
      RouteOf(each->state.get()).InForce(*each);
    }
  }
}

WatchedCall& CallWatch::NewCall() {
  const uint64_t id = calls_.size() + 1;
  auto& call = calls_[id] = std::make_unique<WatchedCall>();
  call->id = id;
  call->started = loop_.Now();
  return *call;
}

void CallWatch::Check(const WatchedCall& call, bool holds, const std::string& what) {
  if (!holds) findings_.Check(false, "call " + std::to_string(call.id) + ": " + what);
}

void CallWatch::CallStarted(const CallInfo& info) {
  WatchedCall& call = Of(info);
  Check(call, call.at == nullptr, "started twice");
  call.at = call.route.get();
  At(call).CallEntered();
}

// --- attempts ---------------------------------------------------------------

void CallWatch::AttemptStarted(const CallInfo& info, const AttemptRecord& record) {
  WatchedCall& call = Of(info);
  Check(call, asking_ == nullptr, "an attempt was told and not made");
  asking_ = &call;
  CheckStart(call, record);
  CheckRepeat(call, record);
}

void CallWatch::CheckStart(WatchedCall& call, const AttemptRecord& record) {
  Check(call, !call.over, "an attempt after the end");
  const bool committed = call.sink->shows && !call.sink->started.empty();
  const RouteConfig& cut = call.cut_at != nullptr ? *call.cut_at : *call.at;
  Check(call, !committed || (cut.after_cut == AfterCut::kRestart && call.allows_restart &&
                             call.sink->restarts < cut.max_restarts),
        "an attempt after content was shown");
  const int running = static_cast<int>(
      std::count_if(call.attempts.begin(), call.attempts.end(), [](const auto& tried) { return tried.running; }));
  Check(call, record.hedge == (running > 0), "a hedge alone, or two attempts that are none");
  Check(call, ++call.counted <= call.at->retry.max_attempts, "more attempts than allowed");
  Check(call, record.number == static_cast<int>(call.attempts.size()) + 1, "attempts are not numbered in a row");
  if (!record.hedge && !call.attempts.empty()) {
    Check(call, loop_.Now() - call.last_end >= record.backoff, "the backoff was not waited");
  }
  if (record.hedge) {
    Check(call, call.at->hedge && ++call.hedges <= call.at->hedge->max_hedges, "more hedges than allowed");
    At(call).Hedged();
  }
  RouteWatch& route = At(call);
  // One that came with another revision may go to other places.
  const bool first = call.counted == 1 && call.attempts.empty() && in_force_[call.at->state.get()] == call.at;
  Check(call, !first || call.at->waiting().max_length == 0 || route.waits(call.id) || !route.MustNotOvertake(call.tenant, loop_.Now()),
        "overtook those who wait");
}

// Only what certainly repeats: an endpoint that failed by its own fault.
void CallWatch::CheckRepeat(WatchedCall& call, const AttemptRecord& record) {
  const std::string place = record.upstream + "/" + record.endpoint;
  const bool charged = record.hedge || call.places.contains(place);
  const int calls_then = std::exchange(call.calls_then, 0);
  call.attempts.push_back({transport_.started.size(), record.upstream, place, charged, true, false,
                           std::max(calls_then, At(call).calls()), call.at->state.get()});
  At(call).Began(record.upstream, charged, calls_then);
  places_.Began(transport_.started.size(), *call.at, record, loop_.Now());
}

WatchedCall* CallWatch::Asked(const HttpRequest& request, uint64_t number) {
  WatchedCall* call = asking_;
  asking_ = nullptr;
  findings_.Check(call != nullptr, "a request without an attempt");
  if (call == nullptr) return nullptr;
  Check(*call, call->attempts.back().request == number, "a request is not the attempt's");
  Check(*call, request.endpoint->host == call->attempts.back().place, "a request goes elsewhere than told");
  return call;
}

void CallWatch::AttemptEnded(const CallInfo& info, const AttemptRecord& record) {
  WatchedCall& call = Of(info);
  WatchedCall::Tried& tried = call.attempts.at(static_cast<size_t>(record.number) - 1);
  Check(call, tried.running, "an attempt ended twice");
  Check(call, record.outcome != AttemptOutcome::kRunning, "an ended attempt runs");
  tried.running = false;
  call.last_end = loop_.Now();
  RouteOf(tried.route).Ended(tried.upstream, tried.charged && !tried.goes_on);
  places_.Ended(tried.request, record, loop_.Now());
  ++coverage_["attempts"];
  const std::string kind(TraitsOf(record.failure).name);
  if (!kind.empty()) ++coverage_["failed: " + kind];
  const std::string place = record.upstream + "/" + record.endpoint;
  const auto fault = TraitsOf(record.failure).fault;
  if (fault == Fault::kAccount || fault == Fault::kConfiguration) {
    call.places.erase(place);
  } else {
    call.places.insert(place);
  }
  call.particular |= record.outcome == AttemptOutcome::kFailed &&
                     (fault == Fault::kConfiguration || record.failure == FailureKind::kQuota);
  if (record.failure == FailureKind::kTruncated && call.at->retry.transient) call.counted = 0;
}

// Charged as a retry now, or when it was made: only what certainly repeats is known.
void CallWatch::VerifyingStarted(const CallInfo& info, const AttemptRecord& record) {
  WatchedCall::Tried& tried = Of(info).attempts.at(static_cast<size_t>(record.number) - 1);
  Check(Of(info), tried.running, "an attempt goes on that has ended");
  tried.goes_on = true;
  if (!tried.charged) RouteOf(tried.route).Began(tried.upstream, /*charged=*/true, tried.calls);
  places_.GoesOn(tried.request);
  ++coverage_["attempts that went on"];
}

void CallWatch::VerifyingEnded(const CallInfo& info, const AttemptRecord& record) {
  WatchedCall::Tried& tried = Of(info).attempts.at(static_cast<size_t>(record.number) - 1);
  Check(Of(info), std::exchange(tried.goes_on, false), "a verdict of what did not go on");
  RouteOf(tried.route).Ended(tried.upstream, /*charged=*/true);
  places_.Ended(tried.request, record, loop_.Now());
  ++coverage_[record.outcome == AttemptOutcome::kOk ? "verified: ok" : "verified: failed"];
}

void CallWatch::RetryScheduled(const CallInfo& info, const AttemptRecord& failed, Duration delay, bool failover) {
  WatchedCall& call = Of(info);
  Check(call, failed.outcome == AttemptOutcome::kFailed, "a retry of what did not fail");
  call.calls_then = At(call).calls();
  ++coverage_[failover ? "failovers" : "repeats at the same place"];
  coverage_["backoffs"] += delay > absl::ZeroDuration();
}

void CallWatch::HedgeStarted(const CallInfo&, const AttemptRecord&) { ++coverage_["hedges"]; }
void CallWatch::HedgeWon(const CallInfo&, const AttemptRecord&) { ++coverage_["hedges won"]; }

void CallWatch::RetryRefused(const CallInfo& info, std::string_view, RetryRefusal why) {
  Of(info).budget_refused = true;
  static constexpr const char* kWhy[] = {"refused: budget's tokens", "refused: budget's share", "refused: adaptive",
                                         "refused: hedge share"};
  ++coverage_[kWhy[static_cast<int>(why)]];
}

void CallWatch::Restarted(const CallInfo& info, const AttemptRecord&) {
  WatchedCall& call = Of(info);
  ++coverage_["restarts"];
  const RouteConfig& cut = call.cut_at != nullptr ? *call.cut_at : *call.at;
  Check(call, call.allows_restart && cut.after_cut == AfterCut::kRestart, "a restart that nobody allowed");
  Check(call, call.sink->restarts < cut.max_restarts, "more restarts than allowed");
  call.cut_at = nullptr;
}

void CallWatch::FallbackEntered(const CallInfo& info, std::string_view, FailureKind cause) {
  WatchedCall& call = Of(info);
  Check(call, call.at->fallback != nullptr, "a fallback that is none");
  Check(call, TraitsOf(cause).fault != Fault::kCaller, "a fallback for a caller's error");
  // What was shown and then cut may begin anew at the fallback too.
  if (call.sink->shows && !call.sink->started.empty()) {
    if (call.cut_at == nullptr) call.cut_at = call.at;
    Check(call, call.allows_restart && call.cut_at->after_cut == AfterCut::kRestart, "a fallback after content");
  }
  const RouteConfig* next = call.at->fallback->route.get();
  ++coverage_[next ? "fallbacks to a route" : "static answers"];
  if (next == nullptr) return;
  coverage_["fallbacks' fallbacks"] += call.at != call.route.get();
  At(call).CallLeft();
  call.at = next;
  call.counted = call.hedges = 0;
  call.budget_refused = call.particular = false;
  call.places.clear();
  At(call).CallEntered();
}

// --- limits and queues ------------------------------------------------------

void CallWatch::Limited(const CallInfo& info, const LimitRefusal& refusal) {
  if (refusal.own) At(Of(info)).OverOwnLimit(Of(info).tenant, loop_.Now());
  ++coverage_[refusal.limit.starts_with("limit") ? "limited: rate" : "limited: " + refusal.limit];
}

void CallWatch::Queued(const CallInfo& info) {
  WatchedCall& call = Of(info);
  Check(call, call.at->waiting().max_length > 0, "waits in a queue that is none");
  Check(call, !call.sink->shows || call.sink->started.empty() || call.allows_restart, "waits after content was shown");
  if (!call.at->queue) {
    Check(call, call.counted < call.at->retry.max_attempts, "waits without an attempt left");
    ++coverage_["waits by default"];
  }
  const bool in_force = in_force_[call.at->state.get()] == call.at;
  const bool fresh = call.attempts.empty() && in_force;
  coverage_["queued anew"] += !call.attempts.empty();
  // At exhaustion a call may wait and start anew; else it goes on counting.
  const bool exhausted = call.counted >= call.at->retry.max_attempts || call.at->retry.adaptive || call.budget_refused;
  if (call.at->retry.on_exhaustion == Exhaustion::kQueue && exhausted) {
    call.counted = 0;
    call.places.clear();
  }
  At(call).Queued({call.id, call.tenant, call.estimated, fresh, in_force && !call.particular, loop_.Now()});
}

void CallWatch::LeftQueue(const CallInfo& info, QueueExit exit, Duration waited) {
  WatchedCall& call = Of(info);
  const Duration most = call.at->waiting().max_wait;
  call.waited += waited;
  Check(call, call.waited <= most, "its waits add up to more than max_wait");
  At(call).LeftQueue(call.id, exit, waited, most, call.waited == most, loop_.Now());
}

void CallWatch::BreakerChanged(std::string_view upstream, std::string_view endpoint, BreakerState, BreakerState to) {
  places_.BreakerChanged(std::string(upstream), std::string(endpoint), to, loop_.Now());
}

void CallWatch::EndpointEjected(std::string_view upstream, std::string_view endpoint, Duration lasting) {
  places_.Ejected(std::string(upstream) + "/" + std::string(endpoint), lasting, loop_.Now());
}

// --- the end ----------------------------------------------------------------

void CallWatch::CallEnded(const CallInfo& info, const CallRecord& record) {
  WatchedCall& call = Of(info);
  Check(call, !call.over, "ended twice");
  call.over = true;
  At(call).CallLeft();
  Check(call, !At(call).waits(call.id), "ended and waits");
  CheckEnd(call, record);
  CheckText(call, record);
  CountOutcome(call, record);
}

void CallWatch::CheckEnd(const WatchedCall& call, const CallRecord& record) {
  Check(call, call.attempts.size() == record.attempts.size(), "requests at the transport are not the attempts told");
  for (const auto& tried : call.attempts) Check(call, !tried.running, "an attempt outlives its call");
  Check(call, record.queued == call.waited, "tells other waits than it had");
  Check(call, loop_.Now() <= call.deadline, "outlived the caller's deadline");
  Check(call, record.total <= call.route->timeouts.overall, "outlived the route's bound");
  const auto winners = std::count_if(record.attempts.begin(), record.attempts.end(),
                                     [](const auto& a) { return a.outcome == AttemptOutcome::kOk; });
  const bool answered = record.outcome == CallOutcome::kComplete || record.outcome == CallOutcome::kFallback;
  const bool by_static = record.outcome == CallOutcome::kFallback && record.served_by.starts_with("fallback/");
  Check(call, winners == (answered && !by_static ? 1 : 0), "not one winner");
  Check(call, (record.outcome == CallOutcome::kComplete) == (record.error.grpc_code == 0), "no error, or one too many");
  Check(call, record.outcome != CallOutcome::kUnspecified, "no outcome");
  Check(call, record.error.message.size() <= 1024, "a long message");
  Check(call, (record.outcome == CallOutcome::kTruncated) == (!answered && call.sink->shows && !call.sink->started.empty()),
        "TRUNCATED is not what was shown in part");
}

std::string CallWatch::TextOf(const WatchedCall& call, size_t attempt, int tokens) const {
  std::string text;
  for (int i = 0; i < tokens; ++i) text += Weather::Token(call.attempts[attempt].request, i);
  return text;
}

void CallWatch::CheckText(const WatchedCall& call, const CallRecord& record) {
  const std::string& text = call.sink->text;
  const auto winner = std::find_if(record.attempts.begin(), record.attempts.end(),
                                   [](const auto& a) { return a.outcome == AttemptOutcome::kOk; });
  if (winner != record.attempts.end()) {
    const size_t index = static_cast<size_t>(winner - record.attempts.begin());
    Check(call, text == TextOf(call, index, call.tokens), "a whole answer is not the winner's: " + text);
  } else if (record.outcome == CallOutcome::kFallback) {
    Check(call, text == "sorry: " + std::string(TraitsOf(record.error.kind).name), "not the static answer: " + text);
  } else if (call.sink->shows && !text.empty()) {
    // The number in its first token tells whose it is.
    const uint64_t request = std::stoull(text);
    size_t index = 0;
    while (index < call.attempts.size() && call.attempts[index].request != request) ++index;
    Check(call, index < call.attempts.size(), "shows what is not its own: " + text);
    if (index == call.attempts.size()) return;
    Check(call, TextOf(call, index, call.tokens).starts_with(text), "a cut answer has odd tokens: " + text);
    Check(call, record.served_by == record.attempts[index].upstream + "/" + record.attempts[index].endpoint,
          "a cut answer is told of another");
  }
}

void CallWatch::CountOutcome(const WatchedCall& call, const CallRecord& record) {
  ++coverage_["calls"];
  static constexpr const char* kOutcomes[] = {"odd", "complete", "truncated", "fallback", "failed"};
  ++coverage_[kOutcomes[static_cast<int>(record.outcome)]];
  coverage_["cancelled or stopped"] += call.stopped;
  coverage_["destroyed"] += call.destroyed;
  coverage_["past their deadline"] +=
      record.error.reason == "DEADLINE_EXCEEDED" || record.error.reason == "ROUTE_TIMEOUT";
  coverage_["discards"] += static_cast<uint64_t>(call.sink->discards);
}

void CallWatch::InstantOver() {
  findings_.Check(asking_ == nullptr, "an attempt was told and not made");
  for (auto& [state, route] : routes_) route.InstantOver(loop_.Now());
}

void CallWatch::AllOver() {
  InstantOver();
  for (auto& [state, route] : routes_) route.AllOver(loop_.Now());
  places_.AllOver(loop_.Now());
  uint64_t attempts = 0;
  for (const auto& [id, call] : calls_) {
    Check(*call, call->over, "never ended");
    Check(*call, call->sink->finishes == (call->destroyed ? 0 : 1), "Finish did not come once");
    for (const std::string& violation : call->sink->violations) Check(*call, false, violation);
    attempts += call->attempts.size();
  }
  findings_.Check(attempts == transport_.started.size(), "requests at the transport are not the attempts told");
}

const Coverage& CallWatch::coverage() {
  for (const auto& [what, count] : std::exchange(places_.coverage, {})) coverage_[what] += count;
  return coverage_;
}

}  // namespace sluice
