// The attempts of a call that are under way: one, or several while hedging.
// Starts them, and when one ends tells everybody who learns from it: the record,
// breakers and limits, budgets, observers. On the call's loop.
#ifndef SLUICE_SERVER_ENGINE_RUNNING_ATTEMPTS_H_
#define SLUICE_SERVER_ENGINE_RUNNING_ATTEMPTS_H_

#include <memory>
#include <string>
#include <vector>

#include "server/engine/attempt.h"
#include "server/engine/call.h"
#include "server/engine/held_events.h"
#include "server/engine/planner.h"
#include "server/engine/route_state.h"
#include "server/engine/ticket.h"

namespace sluice {

struct RunningAttempt {
  const RouteConfig* route = nullptr;
  Plan plan;
  size_t index = 0;  // of its record among the call's
  Ticket ticket;
  RetryCharge charge;
  HeldEvents held;
  FormParts form;              // what its request leaves out or writes otherwise
  uint64_t prompt_tokens = 0;  // estimated
  uint64_t content_bytes = 0;  // of texts, given to the sink
  bool connected = false;
  uint64_t used_tokens = 0;    // in the end
  // Last: destroyed first, for it reports to the others' owner.
  std::unique_ptr<Attempt> attempt;
};

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
  // Over; `running` is gone afterwards. An answered one may linger.
  void End(RunningAttempt& running, AttemptOutcome outcome, FailureKind failure, std::string_view message);
  void EndAll(AttemptOutcome outcome, FailureKind failure, std::string_view message);
  void EndOthers(const RunningAttempt& kept, AttemptOutcome outcome, std::string_view message);

  // Of the attempts that ended: as the upstreams told, or as far as is known.
  uint64_t used_tokens() const { return used_tokens_; }

 private:
  void TellRecord(RunningAttempt& running, AttemptOutcome outcome, FailureKind failure, std::string_view message);
  void TellStates(RunningAttempt& running);
  void TellChanges(const RunningAttempt& running, const Ticket::Learned& learned);
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
