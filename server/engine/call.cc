#include "server/engine/call.h"

#include <algorithm>
#include <utility>

#include "server/engine/call_error.h"
#include "server/engine/call_impl.h"

namespace sluice {
namespace {

// A client cancels at its deadline and then sees no end record: ours comes
// before, by what a local network takes, and by less where little time is left.
constexpr Duration kDeadlineMargin = absl::Milliseconds(10);
constexpr double kDeadlineMarginShare = 0.05;

void Add(UsageCounts& sum, const UsageCounts& usage) {
  const auto add = [](std::optional<int32_t>& total, const std::optional<int32_t>& more) {
    if (more) total = total.value_or(0) + *more;
  };
  add(sum.input_tokens, usage.input_tokens);
  add(sum.output_tokens, usage.output_tokens);
  add(sum.total_tokens, usage.total_tokens);
  add(sum.cached_input_tokens, usage.cached_input_tokens);
  add(sum.reasoning_tokens, usage.reasoning_tokens);
  sum.estimated |= usage.estimated;
}

bool MayBeginAttempt(CallMessage::Kind kind) {
  switch (kind) {
    case CallMessage::Kind::kRetryDue:
    case CallMessage::Kind::kHedgeDue:
    case CallMessage::Kind::kTurn:
    case CallMessage::Kind::kQueueOver:
      return true;
    default:
      return false;
  }
}

TimePoint EffectiveDeadline(TimePoint now, TimePoint callers, Duration overall) {
  if (callers != absl::InfiniteFuture()) {
    callers -= std::min(kDeadlineMargin, std::max(absl::ZeroDuration(), (callers - now) * kDeadlineMarginShare));
  }
  return std::min(callers, now + overall);
}

}  // namespace

CallImpl::CallImpl(const EngineContext& context, CallParams params, StreamSink& sink)
    : context_(context),
      params_(std::move(params)),
      sink_(sink),
      started_(context.loop.Now()),
      deadline_(EffectiveDeadline(started_, params_.deadline, params_.route->timeouts.overall)),
      estimated_tokens_(params_.request->EstimatedTokens()),
      requests_(*params_.request),
      seat_(context.loop, [this] { Woken(); }),
      retry_timer_(context.loop),
      hedge_timer_(context.loop),
      queue_timer_(context.loop),
      deadline_timer_(context.loop),
      attempts_(context_, params_, inbox_, record_),
      task_(Run()) {
  record_.started = started_;
}

// Silent towards the sink; what observers and states count must come out even.
CallImpl::~CallImpl() {
  if (!announced_ || finished_) return;
  finished_ = true;
  CancelledByCaller(/*left=*/false);
  Tally();
  context_.observer.CallEnded(params_.info, record_);
}

Task<> CallImpl::Run() {
  Step step = Begin();
  while (step != Step::kEnd) {
    const CallMessage message = co_await inbox_.Next();
    step = React(message);
  }
  Finish();
}

CallImpl::Step CallImpl::Begin() {
  announced_ = true;
  context_.observer.CallStarted(params_.info);
  EnterRoute(*params_.route);
  if (Now() >= deadline_) return DeadlineReached();
  deadline_timer_.Set(deadline_, [this] {
    // Only the stream's end may be missing.
    if (winner_ != nullptr && winner_->attempt->TakeWhole()) return;
    Push(CallMessage::Kind::kDeadline);
  });
  return Go();
}

CallImpl::Step CallImpl::React(const CallMessage& message) {
  // A loop that is late hears of a retry that was due, and of the deadline, in one
  // turn: nothing is sent that nobody waits for.
  if (MayBeginAttempt(message.kind) && winner_ == nullptr && Now() >= deadline_) return DeadlineReached();
  switch (message.kind) {
    case CallMessage::Kind::kConnected:
      attempts_.Connected(attempts_.Of(message.attempt));
      return Step::kStay;
    case CallMessage::Kind::kEvent:
      Deliver(message);
      return Step::kStay;
    case CallMessage::Kind::kDrained:
      if (winner_ != nullptr) winner_->attempt->Resume();
      return Step::kStay;
    case CallMessage::Kind::kAnswered:
      return Answered(attempts_.Of(message.attempt));
    case CallMessage::Kind::kFailed:
      return Failed(attempts_.Of(message.attempt));
    case CallMessage::Kind::kRetryDue:
      return RetryDue();
    case CallMessage::Kind::kHedgeDue:
      HedgeDue();
      return Step::kStay;
    case CallMessage::Kind::kTurn:
      return Turn();
    case CallMessage::Kind::kQueueOver:
      return QueueOver();
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

// Before content nothing is shown: the call may still go elsewhere.
void CallImpl::Deliver(const CallMessage& message) {
  const StreamEvent& event = *message.event;
  if (winner_ != nullptr) return OnEvent(event);
  RunningAttempt& running = attempts_.Of(message.attempt);
  // A provider's own field that is too long to be held is what the answer shows.
  const bool held = !event.is_content() && running.held.Hold(event);
  if (!held && (event.is_content() || event.kind == StreamEvent::Kind::kExtras)) {
    attempts_.FirstContent(running);
    released_.Tell(RouteQueue::Outcome::kSuccess, Now());
    if (!record_.time_to_first_token) record_.time_to_first_token = Now() - started_;
    Win(running);
    return OnEvent(event);
  }
  if (held) return;
  AttemptFailure failure;
  failure.kind = FailureKind::kProtocol;
  failure.message = "too much before the first content";
  running.attempt->Abort(std::move(failure));
}

// The first content decides between attempts that run side by side, and voids
// what an attempt that was cut had shown.
void CallImpl::Win(RunningAttempt& running) {
  hedge_timer_.Cancel();
  attempts_.EndOthers(
      running, {AttemptOutcome::kAbandoned, FailureKind::kNone, "another attempt was faster", /*left=*/true});
  if (attempts_.RecordOf(running).hedge) context_.observer.HedgeWon(params_.info, attempts_.RecordOf(running));
  VoidWhatWasShown();
  winner_ = &running;
  ShowHeld(running);
}

void CallImpl::VoidWhatWasShown() {
  if (!cut_index_) return;
  ++record_.restarts;
  context_.observer.Restarted(params_.info, record_.attempts[*cut_index_]);
  sink_.Restart();
  cut_index_.reset();
  shown_index_.reset();
}

void CallImpl::ShowHeld(RunningAttempt& running) {
  const AttemptRecord& record = attempts_.RecordOf(running);
  const std::string model =
      running.held.model().empty() ? std::string(requests_.ModelAt(*running.plan.target)) : running.held.model();
  sink_.Started(record.upstream + "/" + record.endpoint, model);
  running.held.Release(*this);
  if (!sink_.shows_content()) return;
  shown_index_ = running.index;
  if (MayBeginAnew()) return;
  requests_.Forget();
  params_.request.reset();
}

void CallImpl::OnEvent(const StreamEvent& event) {
  if (event.kind == StreamEvent::Kind::kModel) return;  // told by Started
  // What tokens are guessed from: a sound has far fewer of them than bytes.
  winner_->content_bytes +=
      event.text.size() + event.id.size() + event.name.size() + event.embedding.size_bytes();
  if (!sink_.shows_content()) {
    collected_bytes_ += event.bytes();
    if (collected_bytes_ > route_->stream.max_response_bytes) {
      AttemptFailure failure;
      failure.kind = FailureKind::kShed;
      failure.message = "the answer is larger than max_response_bytes (" +
                        std::to_string(route_->stream.max_response_bytes) + ")";
      failure.too_large = true;
      return winner_->attempt->Abort(std::move(failure));
    }
  }
  sink_.Write(event);
  if (!sink_.shows_content() || winner_->attempt->paused()) return;
  if (sink_.pending_bytes() <= route_->stream.max_pending_bytes) return;
  winner_->attempt->Pause();
  context_.observer.Paused(params_.info);
}

CallImpl::Step CallImpl::Answered(RunningAttempt& running) {
  if (winner_ == nullptr) Win(running);  // an answer without content is an answer
  winner_ = nullptr;
  shown_index_ = running.index;
  attempts_.End(running, {.outcome = AttemptOutcome::kOk});
  released_.Tell(RouteQueue::Outcome::kSuccess, Now());
  record_.outcome = record_.fallback.empty() ? CallOutcome::kComplete : CallOutcome::kFallback;
  return Step::kEnd;
}

// `left`: there was a caller, whose leaving may hide what became of its attempts.
CallImpl::Step CallImpl::CancelledByCaller(bool left) {
  winner_ = nullptr;
  attempts_.EndAll({AttemptOutcome::kCancelled, FailureKind::kCancelled, "cancelled by the caller", left});
  if (seat_.taken()) LeaveQueue(QueueExit::kCancelled);
  return End(Cancelled(route_name()));
}

CallImpl::Step CallImpl::Stopped() {
  winner_ = nullptr;
  const bool cut = shown();
  // No fault of the upstream's.
  attempts_.EndAll({AttemptOutcome::kCancelled, FailureKind::kCancelled, "this data plane is shutting down"});
  if (seat_.taken()) LeaveQueue(QueueExit::kCancelled);
  return End(cut ? Truncated(route_name(), record_.attempts[*shown_index_]) : ShuttingDown(route_name()));
}

CallImpl::Step CallImpl::DeadlineReached() {
  const Duration overall = params_.route->timeouts.overall;
  const bool callers_own = deadline_ < started_ + overall;
  const Duration limit = callers_own ? params_.deadline - started_ : overall;
  const AttemptEnd end = EndAtDeadline(callers_own);
  // What was collected in part must not stand before a fallback's answer.
  if (winner_ != nullptr && !sink_.shows_content()) sink_.Discard();
  winner_ = nullptr;
  attempts_.EndAll(end);
  const bool waited = seat_.taken();
  if (waited) LeaveQueue(QueueExit::kTimedOut);
  CallError error = DeadlinePassed(route_name(), record_.attempts, std::max(limit, absl::ZeroDuration()), callers_own,
                                   waited ? &wait_error_ : nullptr);
  if (callers_own) return End(shown() ? CutAtDeadline(route_name(), limit) : std::move(error));
  // A caller who is still there may yet get a fallback that takes no time.
  return GiveUp(std::move(error));
}

// The route's own bound judges an attempt, but for one whose answer waited for its
// reader. The caller's own deadline judges none.
AttemptEnd CallImpl::EndAtDeadline(bool callers_own) const {
  if (callers_own) {
    return {AttemptOutcome::kCancelled, FailureKind::kCancelled, "the caller's deadline passed", /*left=*/true};
  }
  if (winner_ != nullptr && winner_->attempt->was_paused()) {
    return {AttemptOutcome::kCancelled, FailureKind::kCancelled, "the route's bound passed for a slow reader"};
  }
  const FailureKind kind = winner_ != nullptr && shown() ? FailureKind::kTruncated : FailureKind::kTimeout;
  return {AttemptOutcome::kFailed, kind, "no whole answer within the route's bound"};
}

void CallImpl::Finish() {
  finished_ = true;
  retry_timer_.Cancel();
  hedge_timer_.Cancel();
  queue_timer_.Cancel();
  deadline_timer_.Cancel();
  presence_.Leave();
  next_charge_.Release();
  released_.Tell(RouteQueue::Outcome::kLost, Now());
  Tally();
  context_.observer.CallEnded(params_.info, record_);
  sink_.Finish(record_);
}

void CallImpl::Tally() {
  record_.total = Now() - started_;
  for (size_t i = 0; i < record_.attempts.size(); ++i) {
    const AttemptRecord& attempt = record_.attempts[i];
    // What was shown was given to the caller, whole or not.
    const bool given = shown_index_ == i;
    if (given) record_.served_by = attempt.upstream + "/" + attempt.endpoint;
    Add(given ? record_.delivered : record_.abandoned, attempt.usage);
  }
  if (record_.attempts.empty()) {
    charges_.GiveBack(Now());
  } else {
    charges_.Settle(attempts_.used_tokens(), Now());
  }
}

std::unique_ptr<Call> NewCall(const EngineContext& context, CallParams params, StreamSink& sink) {
  return std::make_unique<CallImpl>(context, std::move(params), sink);
}

}  // namespace sluice
