// What can happen to a call, as it arrives at its one awaiting point.
#ifndef SLUICE_SERVER_ENGINE_CALL_MESSAGE_H_
#define SLUICE_SERVER_ENGINE_CALL_MESSAGE_H_

#include "server/codec/stream_event.h"

namespace sluice {

struct CallMessage {
  enum class Kind {
    kEvent,     // the running attempt decoded `event`
    kAnswered,  // the running attempt's answer is whole
    kFailed,    // the running attempt failed; it knows how
    kRetryDue,  // the backoff is over
    kDrained,   // the sink has room again
    kDeadline,
    kCancel,
    kStop,
  };

  Kind kind;
  // kEvent only. Valid until the call awaits again: an event is received
  // within the Push, never queued.
  const StreamEvent* event = nullptr;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_CALL_MESSAGE_H_
