// What a failed attempt means for its call: again, anew after a cut, fallback,
// or the error.
#include <algorithm>
#include <utility>

#include "absl/strings/str_replace.h"
#include "server/engine/call_error.h"
#include "server/engine/call_impl.h"

namespace sluice {
namespace {

// What a failure of a call that was let go first says to those behind it.
RouteQueue::Outcome WordOf(FailureKind kind) {
  const FailureTraits& traits = TraitsOf(kind);
  if (traits.counts_for_breaker || traits.cools_down) return RouteQueue::Outcome::kFailure;
  return kind == FailureKind::kShed ? RouteQueue::Outcome::kLost : RouteQueue::Outcome::kSuccess;
}

}  // namespace

CallImpl::Step CallImpl::Failed(RunningAttempt& running) {
  const AttemptFailure failure = running.attempt->failure();
  const FailedAttempt failed{failure.kind, running.attempt->http_status(),
                             failure.context_exceeded && running.plan.upstream().context_tokens > 0};
  const Plan plan = running.plan;
  const size_t index = running.index;
  const FormParts form = running.form;
  const bool won = winner_ == &running;
  const bool cut = won && sink_.shows_content();
  last_upstream_ = plan.upstream().state.get();
  winner_ = nullptr;
  attempts_.End(running, {AttemptOutcome::kFailed, cut ? FailureKind::kTruncated : failure.kind, failure.message});
  RestAfter(*route_, plan, failure, Now(), context_.random, record_.attempts[index]);
  if (failure.kind == FailureKind::kRateLimited && failure.retry_after) planner_->Excuse(plan);
  Learn(plan, failed);
  released_.Tell(WordOf(failure.kind), Now());

  if (won && !cut) {
    sink_.Discard();
    collected_bytes_ = 0;
    record_.time_to_first_token.reset();
  }
  if (failure.too_large) return End(ResponseTooLarge(route_name(), record_.attempts[index]));
  if (cut) {
    if (!MayBeginAnew()) return End(Truncated(route_name(), record_.attempts[index]));
    cut_index_ = index;
    if (route_->retry.transient) {
      attempts_before_ = record_.attempts.size();
      backoff_->Reset();
    }
  }
  if (Now() < deadline_ && TakesOtherForm(plan, form, failure)) return attempts_.empty() ? RepeatInOtherForm(plan) : Step::kStay;
  // The other side of a hedge may still answer, unless the request is wrong.
  const bool request_is_wrong =
      TraitsOf(failure.kind).fault == Fault::kCaller && ScopeOf(route_->retry, failed) == RetryScope::kNever;
  if (!attempts_.empty() && !request_is_wrong) return Step::kStay;
  attempts_.EndAll(
      {AttemptOutcome::kAbandoned, FailureKind::kNone, "another attempt showed that the request is wrong"});
  return Decide(failed, index, failure.field);
}

// What this failure rules out for the rest of the call.
void CallImpl::Learn(const Plan& plan, const FailedAttempt& failed) {
  const RetryScope scope = ScopeOf(route_->retry, failed);
  if (scope == RetryScope::kOtherUpstream) planner_->BarCredential(plan);
  if (failed.kind == FailureKind::kRateLimited || scope == RetryScope::kOtherUpstream) {
    planner_->BlameCredential(plan);
  }
  if (failed.context_exceeded) {
    planner_->RequireContextAbove(plan.upstream().context_tokens);
  } else if (scope == RetryScope::kOtherPlace) {
    planner_->Bar(plan);
  }
}

bool CallImpl::MayBeginAnew() const {
  return params_.request != nullptr && route_->after_cut == AfterCut::kRestart &&
         params_.request->allows_restart() && record_.restarts < route_->max_restarts;
}

CallImpl::Step CallImpl::Decide(const FailedAttempt& failed, size_t index, std::string field) {
  using Verdict = RetryDecision::Verdict;
  const int max_attempts = MaxAttempts();
  const EndpointsLeft left = planner_->Left(Now());
  const RetryDecision decision = DecideRetry(route_->retry, AttemptsMade(), max_attempts, failed, left, Now(),
                                             deadline_, *backoff_, context_.random);
  if (decision.retry()) return Retry(decision.delay, index);
  CallError error = AttemptsFailed(route_name(), record_.attempts, decision, std::move(field));
  if (decision.verdict == Verdict::kAllCooling) return RetryAfterRest(left, index, std::move(error));
  if (decision.verdict != Verdict::kAttemptsExhausted) return GiveUp(std::move(error));
  if (AttemptsMade() < route_->retry.max_attempts) {
    context_.observer.RetryRefused(params_.info, record_.attempts[index].upstream, RetryRefusal::kAdaptive);
  }
  return Exhausted(std::move(error));
}

CallImpl::Step CallImpl::Exhausted(CallError error) {
  if (route_->retry.on_exhaustion != Exhaustion::kQueue || shown()) return GiveUp(std::move(error));
  // Anew, but not at once: the backoff goes on from where it is.
  attempts_before_ = record_.attempts.size();
  planner_->ForgetTries();
  next_backoff_ = backoff_->Next(context_.random);
  // The attempts between the waits take their time too.
  if (anew_until_ == absl::InfiniteFuture()) anew_until_ = Now() + WaitLeft();
  not_before_ = Now() + next_backoff_;
  if (not_before_ >= anew_until_) return GiveUp(std::move(error));
  return WaitHere({not_before_, Hold::kShared}, std::move(error));
}

CallImpl::Step CallImpl::GiveUp(CallError error) {
  // What was shown of an answer that may begin anew gives way to a fallback's.
  const bool stands = shown() && !cut_index_;
  if (!stands && FallbackTakes(error)) return EnterFallback(std::move(error));
  return End(shown() ? Truncated(route_name(), record_.attempts[*shown_index_]) : std::move(error));
}

bool CallImpl::FallbackTakes(const CallError& error) const {
  // A limit that another route could answer for would be none.
  if (!charges_.HasPassed(*route_)) return false;
  const FallbackConfig* fallback = route_->fallback.get();
  if (fallback == nullptr || route_->retry.on_exhaustion == Exhaustion::kError) return false;
  if (TraitsOf(error.kind).fault == Fault::kCaller) return false;
  if (!fallback->causes.empty() && !fallback->causes.contains(error.kind)) return false;
  return fallback->route ? Now() < deadline_ : params_.request->takes_static_answer();
}

CallImpl::Step CallImpl::EnterFallback(CallError cause) {
  const FallbackConfig& fallback = *route_->fallback;
  if (seat_.taken()) LeaveQueue(QueueExit::kTimedOut);
  record_.fallback = fallback.name.empty() ? route_->name : fallback.name;
  context_.observer.FallbackEntered(params_.info, record_.fallback, cause.kind);
  // The first cause is the one that the caller should know.
  if (record_.error.message.empty()) record_.error = std::move(cause);
  if (!fallback.route) return ServeStatic(fallback);
  EnterRoute(*fallback.route);
  return Go();
}

CallImpl::Step CallImpl::ServeStatic(const FallbackConfig& fallback) {
  const std::string model(params_.request->model());
  const std::string cause(TraitsOf(record_.error.kind).name);
  const std::string text =
      absl::StrReplaceAll(fallback.static_answer, {{"{cause}", cause}, {"{model}", model}});
  record_.served_by = "fallback/" + record_.fallback;
  if (!record_.time_to_first_token) record_.time_to_first_token = Now() - started_;
  VoidWhatWasShown();
  sink_.Started(record_.served_by, model);
  for (int choice = 0; choice < params_.request->choices(); ++choice) {
    StreamEvent event;
    event.choice = choice;
    event.kind = StreamEvent::Kind::kContent;
    event.text = text;
    sink_.Write(event);
    event.text = {};
    event.kind = StreamEvent::Kind::kPartEnd;
    sink_.Write(event);
    event.kind = StreamEvent::Kind::kChoiceEnd;
    event.finish_reason = FinishReason::kStop;
    sink_.Write(event);
  }
  record_.outcome = CallOutcome::kFallback;
  return Step::kEnd;
}

CallImpl::Step CallImpl::End(CallError error) {
  if (seat_.taken()) LeaveQueue(QueueExit::kTimedOut);
  record_.outcome = shown() ? CallOutcome::kTruncated : CallOutcome::kFailed;
  record_.error = std::move(error);
  return Step::kEnd;
}

}  // namespace sluice
