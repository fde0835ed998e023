// The attempts of a call that are under way: one, or several while hedging.
// Starts them, and when one ends tells its record, all who learn from it, and
// observers. On the call's loop.
#ifndef SLUICE_SERVER_ENGINE_RUNNING_ATTEMPTS_H_
#define SLUICE_SERVER_ENGINE_RUNNING_ATTEMPTS_H_

#include <memory>
#include <string>
#include <vector>

#include "server/engine/call.h"
#include "server/engine/planner.h"
#include "server/engine/running_attempt.h"
#include "server/engine/ticket.h"

namespace sluice {

// What an attempt is started with.
struct AttemptStart {
  const RouteConfig& route;
  Plan plan;
  Ticket ticket;
  RetryCharge charge;
  HttpRequest request;
  std::string span_id;
  Duration backoff;  // waited before it
  bool hedge = false;
  FormParts form = {};  // of the request
};

class RunningAttempts {
 public:
  // All outlive it.
  RunningAttempts(const EngineContext& context, const CallParams& params, Mailbox<CallMessage>& inbox,
                  CallRecord& record);

  RunningAttempt& Start(AttemptStart start);
  // The one that a message is about.
  RunningAttempt& Of(const Attempt* attempt);
  AttemptRecord& RecordOf(const RunningAttempt& running) { return record_.attempts[running.index]; }
  bool empty() const { return running_.empty(); }
  RunningAttempt& front() { return *running_.front(); }

  void Connected(RunningAttempt& running);
  void FirstContent(RunningAttempt& running);
  // Over for the call; `running` is gone afterwards. An answered one may linger, one
  // that was left in silence may go on to verify its endpoint.
  void End(RunningAttempt& running, const AttemptEnd& end);
  void EndAll(const AttemptEnd& end);
  void EndOthers(const RunningAttempt& kept, const AttemptEnd& end);

  // Of the attempts that ended: as the upstreams told, or as far as is known.
  uint64_t used_tokens() const { return used_tokens_; }

 private:
  bool GoesOn(RunningAttempt& running);
  TimePoint Now() const { return context_.loop.Now(); }

  const EngineContext& context_;
  const CallParams& params_;
  Mailbox<CallMessage>& inbox_;
  CallRecord& record_;
  uint64_t used_tokens_ = 0;
  std::vector<std::unique_ptr<RunningAttempt>> running_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_RUNNING_ATTEMPTS_H_
