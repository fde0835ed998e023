// Hears what happens to calls, for metrics and logs. Must not block; runs on
// the call's loop thread, never per chunk.
#ifndef SLUICE_SERVER_ENGINE_CALL_OBSERVER_H_
#define SLUICE_SERVER_ENGINE_CALL_OBSERVER_H_

#include <string>

#include "server/engine/call_record.h"

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
};

class CallObserver {
 public:
  virtual ~CallObserver() = default;
  virtual void CallStarted(const CallInfo&) {}
  virtual void AttemptStarted(const CallInfo&, const AttemptRecord&) {}
  virtual void AttemptEnded(const CallInfo&, const AttemptRecord&) {}
  // After `failed`, another attempt follows in `delay`. `failover`: at another
  // endpoint than the failed one.
  virtual void RetryScheduled(const CallInfo&, const AttemptRecord& failed, Duration delay, bool failover) {}
  // The caller does not read: the upstream is paused.
  virtual void Paused(const CallInfo&) {}
  virtual void CallEnded(const CallInfo&, const CallRecord&) {}
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_CALL_OBSERVER_H_
