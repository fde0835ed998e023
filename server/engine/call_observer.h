// Hears what happens to calls, for metrics and logs. Must not block; runs on
// the call's loop thread, never per chunk.
#ifndef SLUICE_SERVER_ENGINE_CALL_OBSERVER_H_
#define SLUICE_SERVER_ENGINE_CALL_OBSERVER_H_

#include <string>
#include <string_view>

#include "server/engine/call_record.h"
#include "server/resilience/circuit_breaker.h"

namespace sluice {

// What is known of a call from its beginning.
struct CallInfo {
  std::string call_id;
  std::string operation;  // "chat" (both Chat and StreamChat), "embeddings"
  bool streaming = false;
  std::string route;
  // The model by the policy's name for it: the route's, never the caller's
  // text ("*" routes: "other").
  std::string model_label;
  std::string trace_id;
  // The caller's `sluice-tenant`; never a metric label.
  std::string tenant;
};

// Why a call waited or was refused by a limit of ours.
struct LimitRefusal {
  std::string limit;     // the RateLimit's name, or "concurrency", "cooldown"
  std::string upstream;  // where it is an upstream's; else empty
  Duration wait;         // until it would let the call pass; infinite: unknown
  bool own = false;      // a limit of the tenant's is among those that refuse it
};

// Why a repeat or a hedge was not made though attempts were left.
enum class RetryRefusal { kBudgetTokens, kBudgetConcurrency, kAdaptive, kHedgeShare };

// How a call left its route's queue; kFull also of one that lost its place in
// it to another tenant.
enum class QueueExit { kAdmitted, kTimedOut, kCancelled, kFull };

class CallObserver {
 public:
  virtual ~CallObserver() = default;
  virtual void CallStarted(const CallInfo&) {}
  virtual void AttemptStarted(const CallInfo&, const AttemptRecord&) {}
  virtual void AttemptEnded(const CallInfo&, const AttemptRecord&) {}
  // To the call the attempt has ended, as AttemptEnded tells next, but it goes on to
  // verify its endpoint. Its own end follows: kOk with its first content, kFailed,
  // kCancelled where the data plane stopped.
  virtual void VerifyingStarted(const CallInfo&, const AttemptRecord&) {}
  virtual void VerifyingEnded(const CallInfo&, const AttemptRecord&) {}
  // After `failed`, another attempt follows in `delay`. `failover`: at another
  // endpoint than the failed one.
  virtual void RetryScheduled(const CallInfo&, const AttemptRecord& failed, Duration delay, bool failover) {}
  // After `slow` gave no content for the hedge's delay, another attempt starts
  // beside it. `HedgeWon`: such a one was the first with content.
  virtual void HedgeStarted(const CallInfo&, const AttemptRecord& slow) {}
  virtual void HedgeWon(const CallInfo&, const AttemptRecord& winner) {}
  // A retry or hedge that the policy would have made was not allowed.
  virtual void RetryRefused(const CallInfo&, std::string_view upstream, RetryRefusal why) {}
  // The stream was cut after content and begins anew.
  virtual void Restarted(const CallInfo&, const AttemptRecord& cut) {}
  // Everything failed with `cause`; `fallback` (its name, or the route's own)
  // answers now.
  virtual void FallbackEntered(const CallInfo&, std::string_view fallback, FailureKind cause) {}
  // A limit of ours refused the call, or made it wait.
  virtual void Limited(const CallInfo&, const LimitRefusal&) {}
  virtual void Queued(const CallInfo&) {}
  virtual void LeftQueue(const CallInfo&, QueueExit exit, Duration waited) {}
  // By the end of this attempt; names as in BreakerStateName. `endpoint` empty:
  // the upstream's as a whole.
  virtual void BreakerChanged(std::string_view upstream, std::string_view endpoint, BreakerState from,
                              BreakerState to) {}
  virtual void EndpointEjected(std::string_view upstream, std::string_view endpoint, Duration lasting) {}
  // The upstream refuses this of the request's form ("stream_options"), and from
  // now on gets another; once an upstream and model. The model by its label.
  virtual void FormLearned(std::string_view upstream, std::string_view model, std::string_view refused) {}
  // An active health check told something of an endpoint, and, where enough of
  // them did, changed its verdict; `reason` of the last failure, or empty.
  virtual void HealthChecked(std::string_view upstream, std::string_view endpoint, bool passed) {}
  virtual void HealthChanged(std::string_view upstream, std::string_view endpoint, bool healthy,
                             std::string_view reason) {}
  // The caller does not read: the upstream is paused.
  virtual void Paused(const CallInfo&) {}
  virtual void CallEnded(const CallInfo&, const CallRecord&) {}
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_CALL_OBSERVER_H_
