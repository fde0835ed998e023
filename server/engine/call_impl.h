// The call's state and its steps, spread over four files by what they decide:
//   call.cc          its life: messages in, events out, the end
//   call_way.cc      where to go and when: limits, plan, retry, hedge
//   call_wait.cc     waiting for a time or for room, in the route's queue
//   call_failure.cc  what a failure means: again, anew after a cut, fallback, error
//   call_form.cc     a refused form of the request, and another one
// Private to the engine.
#ifndef SLUICE_SERVER_ENGINE_CALL_IMPL_H_
#define SLUICE_SERVER_ENGINE_CALL_IMPL_H_

#include <memory>
#include <optional>
#include <string>

#include "server/engine/call.h"
#include "server/engine/call_message.h"
#include "server/engine/limit_charges.h"
#include "server/engine/planner.h"
#include "server/engine/queue_seat.h"
#include "server/engine/request_cache.h"
#include "server/engine/route_state.h"
#include "server/engine/running_attempts.h"
#include "server/resilience/backoff.h"
#include "server/resilience/retry_decision.h"
#include "server/runtime/mailbox.h"
#include "server/runtime/task.h"

namespace sluice {

class CallImpl final : public Call, private StreamEventHandler {
 public:
  CallImpl(const EngineContext& context, CallParams params, StreamSink& sink);
  ~CallImpl() override;

  void Start() override { task_.Start(); }
  void Cancel() override { Push(CallMessage::Kind::kCancel); }
  void Stop() override { Push(CallMessage::Kind::kStop); }
  void SinkDrained() override { Push(CallMessage::Kind::kDrained); }

 private:
  enum class Step { kStay, kEnd };

  // --- call.cc
  Task<> Run();
  Step Begin();
  Step React(const CallMessage& message);
  void Deliver(const CallMessage& message);
  void Win(RunningAttempt& running);
  void VoidWhatWasShown();
  void OnEvent(const StreamEvent& event) override;  // from HeldEvents
  void ShowHeld(RunningAttempt& running);
  Step Answered(RunningAttempt& running);
  Step CancelledByCaller(bool left = true);
  Step Stopped();
  Step DeadlineReached();
  AttemptEnd EndAtDeadline(bool callers_own) const;
  void Finish();
  void Tally();
  void Push(CallMessage::Kind kind);

  // --- call_way.cc
  // A route's own state of the call begins anew: at the start, and for a
  // fallback's route.
  void EnterRoute(const RouteConfig& route);
  // The first attempt of a route, by its limits and its queue.
  Step Go();
  // An attempt where one can be made now; `preferred` if that can.
  bool Launch(const Plan* preferred, Duration backoff, RetryCharge& charge);
  std::optional<Plan> Choose(TimePoint when);
  bool TryStart(const Plan& plan, Duration backoff, RetryCharge& charge, bool hedge);
  Step Retry(Duration delay, size_t failed);
  bool Schedule(const Plan& plan, Duration delay, size_t failed);
  bool ChargeRepeat(const Plan& plan, RetryCharge& charge);
  Step RetryDue();
  void SetHedgeTimer();
  void HedgeDue();
  int AttemptsMade() const { return static_cast<int>(record_.attempts.size() - attempts_before_); }
  int MaxAttempts() const;
  CallError ErrorOfNowhere(const EndpointsLeft& left) const;

  // --- call_wait.cc
  // What keeps a call waiting: what keeps others too (room), a time that is known
  // at each of its places, or a limit of its own tenant's.
  enum class Hold { kShared, kTime, kOwn };
  struct Waiting {
    TimePoint until;  // in the past: nobody knows
    Hold hold;
  };
  std::optional<Waiting> WaitingFor(const EndpointsLeft& left) const;
  Step NowhereNow();
  Step Limited(const LimitRefusal& refusal);
  Step RetryAfterRest(const EndpointsLeft& left, size_t failed, CallError error);
  bool MustStandBehind() const;
  Step StandBehind();
  bool FallbackTakesNow(const CallError& error) const;
  Duration WaitLeft() const { return route_->waiting().max_wait - record_.queued; }
  bool CanWaitUntil(TimePoint when) const;
  // Where no fallback takes it now; or whether one does or not.
  Step Wait(Waiting what, CallError otherwise);
  Step WaitHere(Waiting what, CallError otherwise);
  CallError QueueFullError(QueueBound bound, const CallError& cause) const;
  std::optional<QueueBound> TakeSeat();
  std::string Places() const;
  void Woken();
  void AwaitTurn();
  Step Turn();
  bool GoFromQueue();
  Step QueueOver();
  Step PlaceLost();
  void LeaveQueue(QueueExit exit);

  // --- call_failure.cc
  Step Failed(RunningAttempt& running);
  void Learn(const Plan& plan, const FailedAttempt& failed);
  bool MayBeginAnew() const;
  Step Decide(const FailedAttempt& failed, size_t index, std::string field);
  Step Exhausted(CallError error);
  // The call's end, or its fallback.
  Step GiveUp(CallError error);
  bool FallbackTakes(const CallError& error) const;
  Step EnterFallback(CallError cause);
  Step ServeStatic(const FallbackConfig& fallback);
  Step End(CallError error);

  // --- call_form.cc
  // Whether the request can be repeated in a form that the upstream takes.
  bool TakesOtherForm(const Plan& plan, FormParts sent, const AttemptFailure& failure);
  Step RepeatInOtherForm(const Plan& plan);

  TimePoint Now() const { return context_.loop.Now(); }
  const std::string& route_name() const { return params_.route->name; }
  // The caller has seen content that is not void.
  bool shown() const { return shown_index_.has_value(); }

  const EngineContext& context_;
  CallParams params_;  // the request only until no other attempt may follow
  StreamSink& sink_;
  const TimePoint started_;
  TimePoint deadline_;
  const uint64_t estimated_tokens_;

  // Of the route that is tried: the matched one, or a fallback's.
  const RouteConfig* route_ = nullptr;
  std::optional<Planner> planner_;
  std::optional<Backoff> backoff_;
  size_t attempts_before_ = 0;  // those that do not count for max_attempts any more
  int hedges_ = 0;
  const UpstreamState* last_upstream_ = nullptr;  // of the last failure

  RequestCache requests_;
  LimitCharges charges_;
  CallPresence presence_;
  absl::Status encode_error_;
  std::optional<LimitRefusal> refused_;  // by what the last Launch was refused
  bool no_budget_ = false;               // … or the retry budget

  // Between a failure and its retry.
  std::optional<Plan> next_plan_;
  Duration next_backoff_;
  RetryCharge next_charge_;

  // In the queue.
  QueueSeat seat_;
  ReleasedCall released_;
  TimePoint wait_until_;                         // no longer
  TimePoint look_at_;                            // the next look, if nothing wakes it
  TimePoint not_before_ = absl::InfinitePast();  // a backoff that goes on meanwhile
  bool for_a_time_ = false;  // waits for what the default queue is for
  CallError wait_error_;     // told when the wait was in vain
  TimePoint anew_until_ = absl::InfiniteFuture();  // at exhaustion: set at the first

  CallRecord record_;
  RunningAttempt* winner_ = nullptr;  // the one whose content goes to the sink
  std::optional<size_t> shown_index_;  // of the attempt that the caller saw content of
  std::optional<size_t> cut_index_;    // ended after content; what it showed becomes void with the next content
  size_t collected_bytes_ = 0;
  bool announced_ = false;
  bool finished_ = false;

  Mailbox<CallMessage> inbox_;
  Timer retry_timer_;
  Timer hedge_timer_;
  Timer queue_timer_;
  Timer deadline_timer_;
  RunningAttempts attempts_;
  Task<> task_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_CALL_IMPL_H_
