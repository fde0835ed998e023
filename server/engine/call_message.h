// What can happen to a call, as it arrives at its one awaiting point.
#ifndef SLUICE_SERVER_ENGINE_CALL_MESSAGE_H_
#define SLUICE_SERVER_ENGINE_CALL_MESSAGE_H_

#include "server/codec/stream_event.h"

namespace sluice {

class Attempt;

struct CallMessage {
  enum class Kind {
    kConnected,  // `attempt` has a connection
    kEvent,      // `attempt` decoded `event`
    kAnswered,   // `attempt` has its answer whole
    kFailed,     // `attempt` failed; it knows how
    kRetryDue,   // the backoff is over
    kHedgeDue,   // the running attempts are slow
    kTurn,       // the call may be the one to leave its route's queue
    kQueueOver,  // it has waited there for long enough
    kDrained,   // the sink has room again
    kDeadline,
    kCancel,
    kStop,
  };

  Kind kind;
  // The first four; still there when the message is received.
  const Attempt* attempt = nullptr;
  // kEvent only. Valid until the call awaits again: an event is received
  // within the Push, never queued.
  const StreamEvent* event = nullptr;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_CALL_MESSAGE_H_
