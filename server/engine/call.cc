#include "server/engine/call.h"

#include <algorithm>
#include <utility>

#include "server/engine/attempt.h"
#include "server/engine/call_error.h"
#include "server/engine/call_message.h"
#include "server/engine/failure_text.h"
#include "server/engine/held_events.h"
#include "server/engine/lingerer.h"
#include "server/engine/planner.h"
#include "server/engine/request_cache.h"
#include "server/resilience/retry_decision.h"
#include "server/runtime/mailbox.h"
#include "server/runtime/task.h"

namespace sluice {
namespace {

// A client cancels at its deadline and then sees no end record: ours comes
// before, by what a local network takes, and by less where little time is left.
constexpr Duration kDeadlineMargin = absl::Milliseconds(10);
constexpr double kDeadlineMarginShare = 0.05;

// A used-up quota comes back when somebody pays, or at the turn of the period:
// one request a minute is enough to find out.
constexpr Duration kQuotaCooldown = absl::Minutes(1);

void Add(UsageCounts& sum, const UsageCounts& usage) {
  const auto add = [](std::optional<int32_t>& total, const std::optional<int32_t>& more) {
    if (more) total = total.value_or(0) + *more;
  };
  add(sum.input_tokens, usage.input_tokens);
  add(sum.output_tokens, usage.output_tokens);
  add(sum.total_tokens, usage.total_tokens);
  add(sum.cached_input_tokens, usage.cached_input_tokens);
  add(sum.reasoning_tokens, usage.reasoning_tokens);
}

class CallImpl final : public Call, private StreamEventHandler {
 public:
  CallImpl(const EngineContext& context, CallParams params, StreamSink& sink);
  ~CallImpl() override;

  void Start() override { task_.Start(); }
  void Cancel() override { Push(CallMessage::Kind::kCancel); }
  void Stop() override { Push(CallMessage::Kind::kStop); }
  void SinkDrained() override { Push(CallMessage::Kind::kDrained); }

 private:
  // What the coroutine does next.
  enum class Step { kAttempt, kStay, kEnd };

  Task<> Run();
  Step Begin();
  void StartAttempt();
  Step React(const CallMessage& message);

  void Deliver(const StreamEvent& event);
  void OnEvent(const StreamEvent& event) override;  // from HeldEvents
  void ShowHeld();
  void Drained();
  Step Answered();
  Step Failed();
  Step Retry(const RetryDecision& decision);
  Step RetryDue();
  Step DeadlineReached();
  Step CancelledByCaller();
  Step Stopped();
  void Finish();
  void Tally();

  void Push(CallMessage::Kind kind);
  bool Choose(TimePoint when);
  Step GiveUp(CallError error);
  void EndAttempt(AttemptOutcome outcome, FailureKind failure, std::string message);
  void CoolDown(const AttemptFailure& failure);
  TimePoint Now() const { return context_.loop.Now(); }
  bool shown() const { return begun_ && sink_.shows_content(); }
  AttemptRecord& current() { return record_.attempts.back(); }

  const EngineContext& context_;
  const CallParams params_;
  const RouteConfig& route_;
  StreamSink& sink_;
  const TimePoint started_;
  TimePoint deadline_;

  Planner planner_;
  RequestCache requests_;
  Backoff backoff_;
  Plan plan_;             // of the attempt that runs or comes next
  Duration next_backoff_;  // what was waited before it
  absl::Status encode_error_;

  CallRecord record_;
  HeldEvents held_;
  bool begun_ = false;  // the sink has heard of the running attempt
  size_t collected_bytes_ = 0;
  bool announced_ = false;
  bool finished_ = false;

  Mailbox<CallMessage> inbox_;
  Timer retry_timer_;
  Timer deadline_timer_;
  std::unique_ptr<Attempt> attempt_;
  Task<> task_;
};

TimePoint EffectiveDeadline(TimePoint now, TimePoint callers, Duration overall) {
  if (callers != absl::InfiniteFuture()) {
    callers -= std::min(kDeadlineMargin, std::max(absl::ZeroDuration(), (callers - now) * kDeadlineMarginShare));
  }
  return std::min(callers, now + overall);
}

CallImpl::CallImpl(const EngineContext& context, CallParams params, StreamSink& sink)
    : context_(context),
      params_(std::move(params)),
      route_(*params_.route),
      sink_(sink),
      started_(context.loop.Now()),
      deadline_(EffectiveDeadline(started_, params_.deadline, route_.timeouts.overall)),
      planner_(route_),
      requests_(*params_.request),
      backoff_(route_.retry.backoff),
      retry_timer_(context.loop),
      deadline_timer_(context.loop),
      task_(Run()) {
  record_.started = started_;
}

// Silent towards the sink; what observers count must come out even.
CallImpl::~CallImpl() {
  if (!announced_ || finished_) return;
  CancelledByCaller();
  Tally();
  context_.observer.CallEnded(params_.info, record_);
}

Task<> CallImpl::Run() {
  Step step = Begin();
  while (step != Step::kEnd) {
    if (step == Step::kAttempt) StartAttempt();
    const CallMessage message = co_await inbox_.Next();
    step = React(message);
  }
  Finish();
}

CallImpl::Step CallImpl::Begin() {
  announced_ = true;
  context_.observer.CallStarted(params_.info);
  if (Now() >= deadline_) return DeadlineReached();
  deadline_timer_.Set(deadline_, [this] { Push(CallMessage::Kind::kDeadline); });
  if (Choose(Now())) return Step::kAttempt;
  if (!encode_error_.ok()) return GiveUp(CannotEncode(route_.name, encode_error_));
  return GiveUp(NowhereToGo(route_.name, planner_.Left(Now()), Now()));
}

CallImpl::Step CallImpl::React(const CallMessage& message) {
  switch (message.kind) {
    case CallMessage::Kind::kEvent:
      Deliver(*message.event);
      return Step::kStay;
    case CallMessage::Kind::kDrained:
      Drained();
      return Step::kStay;
    case CallMessage::Kind::kAnswered:
      return Answered();
    case CallMessage::Kind::kFailed:
      return Failed();
    case CallMessage::Kind::kRetryDue:
      return RetryDue();
    case CallMessage::Kind::kDeadline:
      return DeadlineReached();
    case CallMessage::Kind::kCancel:
      return CancelledByCaller();
    case CallMessage::Kind::kStop:
      return Stopped();
  }
  return Step::kStay;
}

void CallImpl::Push(CallMessage::Kind kind) {
  if (finished_) return;
  const CallMessage message{kind};
  inbox_.Push(message);
}

// A target whose format cannot carry the request is none for this call.
bool CallImpl::Choose(TimePoint when) {
  while (const auto plan = planner_.Pick(when, context_.random)) {
    const absl::Status prepared = requests_.Prepare(*plan->target);
    if (prepared.ok()) {
      plan_ = *plan;
      return true;
    }
    encode_error_ = prepared;
    planner_.Bar(*plan->target->upstream);
  }
  return false;
}

void CallImpl::StartAttempt() {
  const UpstreamConfig& upstream = *plan_.target->upstream;
  AttemptRecord attempt;
  attempt.upstream = upstream.name;
  attempt.endpoint = plan_.endpoint->name;
  attempt.provider = std::string(upstream.format->name());
  // By the policy's name for it; a "*" route passes on the caller's own text,
  // which metrics must never carry.
  attempt.model = plan_.target->model.empty() ? params_.info.model_label : plan_.target->model;
  attempt.backoff = std::exchange(next_backoff_, absl::ZeroDuration());
  attempt.started = Now();
  record_.attempts.push_back(std::move(attempt));

  planner_.Tried(*plan_.endpoint);
  plan_.endpoint->state->AttemptStarted();
  context_.observer.AttemptStarted(params_.info, current());

  const RouteTimeouts& timeouts = route_.timeouts;
  AttemptLimits limits;
  limits.connect = timeouts.connect;
  limits.first_content = timeouts.first_content;
  limits.idle = timeouts.idle;
  limits.total = params_.info.streaming ? absl::InfiniteDuration() : timeouts.unary_total;
  limits.decoder.max_event_bytes = route_.stream.max_event_bytes;
  attempt_ = std::make_unique<Attempt>(context_.loop, inbox_, *upstream.format, limits);
  attempt_->Start(context_.transport, requests_.Build(plan_, params_.traceparent));
}

// Before content nothing is shown: the call may still go elsewhere.
void CallImpl::Deliver(const StreamEvent& event) {
  if (!begun_) {
    if (!event.is_content()) {
      if (held_.Hold(event)) return;
      AttemptFailure failure;
      failure.kind = FailureKind::kProtocol;
      failure.message = "too much before the first content";
      return attempt_->Abort(std::move(failure));
    }
    record_.time_to_first_token = Now() - started_;
    ShowHeld();
  }
  OnEvent(event);
}

void CallImpl::ShowHeld() {
  begun_ = true;
  const std::string model =
      held_.model().empty() ? std::string(requests_.ModelAt(*plan_.target)) : held_.model();
  sink_.Started(current().upstream + "/" + current().endpoint, model);
  held_.Release(*this);
  if (sink_.shows_content()) requests_.Forget();
}

void CallImpl::OnEvent(const StreamEvent& event) {
  if (event.kind == StreamEvent::Kind::kModel) return;  // told by Started
  if (!sink_.shows_content()) {
    collected_bytes_ += event.text.size() + event.id.size() + event.name.size();
    if (collected_bytes_ > route_.stream.max_response_bytes) {
      AttemptFailure failure;
      failure.kind = FailureKind::kShed;
      failure.message = "the answer is larger than max_response_bytes (" +
                        std::to_string(route_.stream.max_response_bytes) + ")";
      failure.too_large = true;
      return attempt_->Abort(std::move(failure));
    }
  }
  sink_.Write(event);
  if (!sink_.shows_content() || attempt_->paused()) return;
  if (sink_.pending_bytes() <= route_.stream.max_pending_bytes) return;
  attempt_->Pause();
  context_.observer.Paused(params_.info);
}

void CallImpl::Drained() {
  if (attempt_) attempt_->Resume();
}

CallImpl::Step CallImpl::Answered() {
  if (!begun_) ShowHeld();  // an answer without content is an answer
  EndAttempt(AttemptOutcome::kOk, FailureKind::kNone, "");
  if (attempt_->exchange_open()) context_.lingerer->Adopt(std::move(attempt_));
  attempt_.reset();
  record_.outcome = CallOutcome::kComplete;
  return Step::kEnd;
}

CallImpl::Step CallImpl::Failed() {
  const AttemptFailure failure = attempt_->failure();
  current().retry_after = failure.retry_after;
  CoolDown(failure);
  EndAttempt(AttemptOutcome::kFailed, shown() ? FailureKind::kTruncated : failure.kind, failure.message);
  attempt_.reset();
  if (shown()) return GiveUp(Truncated(route_.name, current()));
  if (begun_) sink_.Discard();
  begun_ = false;
  collected_bytes_ = 0;
  held_.Clear();
  record_.time_to_first_token.reset();

  if (failure.too_large) return GiveUp(ResponseTooLarge(route_.name, current()));
  const FailedAttempt failed{failure.kind, current().http_status};
  const RetryScope scope = ScopeOf(route_.retry, failed);
  if (scope == RetryScope::kOtherUpstream) planner_.Bar(*plan_.target->upstream);
  if (scope == RetryScope::kOtherPlace) planner_.Bar(plan_);
  const RetryDecision decision =
      DecideRetry(route_.retry, static_cast<int>(record_.attempts.size()), failed, planner_.Left(Now()), Now(),
                  deadline_, backoff_, context_.random);
  if (decision.retry()) return Retry(decision);
  return GiveUp(AttemptsFailed(route_.name, record_.attempts, decision, failure.field));
}

CallImpl::Step CallImpl::Retry(const RetryDecision& decision) {
  const EndpointConfig* failed = plan_.endpoint;
  if (!Choose(Now() + decision.delay)) {
    const RetryDecision none{.verdict = RetryDecision::Verdict::kNoEndpoint};
    return GiveUp(AttemptsFailed(route_.name, record_.attempts, none, ""));
  }
  next_backoff_ = decision.delay;
  context_.observer.RetryScheduled(params_.info, current(), decision.delay, plan_.endpoint != failed);
  if (decision.delay == absl::ZeroDuration()) return Step::kAttempt;
  retry_timer_.Set(Now() + decision.delay, [this] { Push(CallMessage::Kind::kRetryDue); });
  return Step::kStay;
}

// Another call may have been told meanwhile that the endpoint needs rest.
CallImpl::Step CallImpl::RetryDue() {
  if (plan_.endpoint->state->cooling_until() <= Now() || Choose(Now())) return Step::kAttempt;
  RetryDecision cooling{.verdict = RetryDecision::Verdict::kAllCooling};
  cooling.cooldown = planner_.Left(Now()).soonest - Now();
  return GiveUp(AttemptsFailed(route_.name, record_.attempts, cooling, ""));
}

CallImpl::Step CallImpl::DeadlineReached() {
  const bool callers_own = params_.deadline - started_ <= route_.timeouts.overall;
  const Duration limit = callers_own ? params_.deadline - started_ : route_.timeouts.overall;
  if (attempt_) {
    const FailureKind kind = shown() ? FailureKind::kTruncated : FailureKind::kTimeout;
    EndAttempt(AttemptOutcome::kFailed, kind, "no whole answer at the call's deadline");
    attempt_.reset();
    if (shown()) return GiveUp(Truncated(route_.name, current()));
  }
  return GiveUp(DeadlinePassed(route_.name, record_.attempts, std::max(limit, absl::ZeroDuration()), callers_own));
}

CallImpl::Step CallImpl::CancelledByCaller() {
  if (attempt_) EndAttempt(AttemptOutcome::kCancelled, FailureKind::kCancelled, "cancelled by the caller");
  attempt_.reset();
  return GiveUp(Cancelled(route_.name));
}

CallImpl::Step CallImpl::Stopped() {
  const bool cut = attempt_ && shown();
  // No fault of the upstream's.
  if (attempt_) EndAttempt(AttemptOutcome::kCancelled, FailureKind::kCancelled, "this data plane is shutting down");
  attempt_.reset();
  return GiveUp(cut ? Truncated(route_.name, current()) : ShuttingDown(route_.name));
}

CallImpl::Step CallImpl::GiveUp(CallError error) {
  record_.outcome = shown() ? CallOutcome::kTruncated : CallOutcome::kFailed;
  record_.error = std::move(error);
  return Step::kEnd;
}

void CallImpl::EndAttempt(AttemptOutcome outcome, FailureKind failure, std::string message) {
  AttemptRecord& attempt = current();
  attempt.outcome = outcome;
  attempt.failure = failure;
  attempt.message = OneLine(message, kMaxAttemptMessage);
  // An upstream may quote the credential that it was sent.
  const std::string& secret = plan_.target->upstream->secret;
  for (size_t at; !secret.empty() && (at = attempt.message.find(secret)) != std::string::npos;) {
    attempt.message.replace(at, secret.size(), "(credential)");
  }
  attempt.http_status = attempt_->http_status();
  attempt.duration = Now() - attempt.started;
  attempt.usage = attempt_->usage();
  if (const auto first = attempt_->first_content()) attempt.time_to_first_token = *first - attempt.started;
  plan_.endpoint->state->AttemptEnded();
  context_.observer.AttemptEnded(params_.info, attempt);
}

void CallImpl::CoolDown(const AttemptFailure& failure) {
  if (!TraitsOf(failure.kind).cools_down) return;
  if (failure.kind == FailureKind::kQuota) {
    // The credential's, so every endpoint that it is used at.
    const TimePoint until = Now() + std::max(kQuotaCooldown, failure.retry_after.value_or(absl::ZeroDuration()));
    for (const EndpointConfig& endpoint : plan_.target->upstream->endpoints) endpoint.state->CoolDownUntil(until);
  } else if (failure.retry_after) {
    plan_.endpoint->state->CoolDownUntil(Now() + *failure.retry_after);
  }
}

void CallImpl::Finish() {
  finished_ = true;
  retry_timer_.Cancel();
  deadline_timer_.Cancel();
  Tally();
  context_.observer.CallEnded(params_.info, record_);
  sink_.Finish(record_);
}

void CallImpl::Tally() {
  record_.total = Now() - started_;
  for (const AttemptRecord& attempt : record_.attempts) {
    // What was shown was given to the caller, whole or not.
    const bool given = &attempt == &current() && (record_.outcome == CallOutcome::kComplete || shown());
    if (given) record_.served_by = attempt.upstream + "/" + attempt.endpoint;
    Add(given ? record_.delivered : record_.abandoned, attempt.usage);
  }
}

}  // namespace

std::unique_ptr<Call> NewCall(const EngineContext& context, CallParams params, StreamSink& sink) {
  return std::make_unique<CallImpl>(context, std::move(params), sink);
}

}  // namespace sluice
