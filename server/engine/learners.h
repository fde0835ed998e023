// All who learn from one attempt: its endpoint and upstream (breakers, outlier
// detection, latency, limits, throttle), its route (retry budget, adaptive retry,
// the hedge's delay), the rest of its credential there. What they are told:
// - first content is a success, at that moment, whatever its caller does later;
// - a cut after it, by the upstream, is a failure in place of that success;
// - what the caller ended, or the data plane's stop, is nothing at all. Where there
//   was no content yet, latencies learn that it would have taken at least so long.
// Loop thread only; part of a RunningAttempt.
#ifndef SLUICE_SERVER_ENGINE_LEARNERS_H_
#define SLUICE_SERVER_ENGINE_LEARNERS_H_

#include <cstdint>
#include <optional>

#include "server/engine/call_record.h"
#include "server/engine/plan.h"
#include "server/engine/route_state.h"
#include "server/engine/ticket.h"

namespace sluice {

struct EngineContext;

class Learners {
 public:
  Learners() = default;
  // Tells what taking the ticket changed. The route outlives this.
  Learners(const EngineContext& context, const RouteConfig& route, const Plan& plan, Ticket ticket);

  void Connected() { ticket_.Connected(); }
  // The first content.
  void Answered(const EngineContext& context, Duration time_to_first_token);
  bool answered() const { return ticket_.answered().has_value(); }
  // Nobody waits for it any longer. True: it is to go on, for too little is known
  // of its endpoint (CircuitBreaker::TryVerify). Ended follows, then or now.
  bool TryVerify(TimePoint now) { return ticket_.TryVerify(now); }
  // `told`: of a failed one, what went wrong there; its record may say what that
  // means to the call.
  void Ended(const EngineContext& context, const AttemptRecord& record, FailureKind told, uint64_t used_tokens);

 private:
  void TellRoute(const AttemptRecord& record, FailureKind told, TimePoint now);
  void TellChanges(const EngineContext& context, const Ticket::Learned& learned) const;

  const RouteConfig* route_ = nullptr;
  Plan plan_;
  Ticket ticket_;
  RouteState::Success success_;  // once it answered
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_LEARNERS_H_
