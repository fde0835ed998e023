// One attempt that is under way, with all that it holds and all who learn from it.
// Owned by its call's RunningAttempts, or by VerifyingAttempts when its call is over.
#ifndef SLUICE_SERVER_ENGINE_RUNNING_ATTEMPT_H_
#define SLUICE_SERVER_ENGINE_RUNNING_ATTEMPT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "server/engine/attempt.h"
#include "server/engine/held_events.h"
#include "server/engine/learners.h"
#include "server/engine/plan.h"
#include "server/engine/route_state.h"

namespace sluice {

struct RunningAttempt {
  const RouteConfig* route = nullptr;
  Plan plan;
  size_t index = 0;  // of its record among the call's
  Learners learners;
  RetryCharge charge;
  HeldEvents held;
  FormParts form;              // what its request leaves out or writes otherwise
  uint64_t prompt_tokens = 0;  // estimated
  uint64_t content_bytes = 0;  // of texts, given to the sink
  bool connected = false;
  // Last: destroyed first, for it reports to the others' owner.
  std::unique_ptr<Attempt> attempt;
};

// How an attempt ended, or was ended.
struct AttemptEnd {
  AttemptOutcome outcome = AttemptOutcome::kOk;
  FailureKind failure = FailureKind::kNone;
  std::string_view message = {};
  // Nobody waits for it any longer, though it did nothing wrong: its caller left, or
  // another attempt was faster.
  bool left = false;
};

// Into its record; returns the tokens that it cost, as told or as far as is known.
uint64_t RecordEnd(const RunningAttempt& running, const AttemptEnd& end, TimePoint now, AttemptRecord& record);

// The rest that a refusal asks for, or must have without having asked. Whoever sees
// the failure of an attempt calls it once.
void RestAfter(const RouteConfig& route, const Plan& plan, const AttemptFailure& failure, TimePoint now, Random& random,
               AttemptRecord& record);

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_RUNNING_ATTEMPT_H_
