// What happens in Push, for metrics. Called under the hub's mutex: must not
// block.
#ifndef SLUICE_CONTROLPLANE_PUSH_PUSH_OBSERVER_H_
#define SLUICE_CONTROLPLANE_PUSH_PUSH_OBSERVER_H_

#include "absl/time/time.h"

namespace sluice {

// Why a stream was ended by us.
enum class DropReason { kNoAck, kReplaced, kNotAdmitted, kBadHello, kTooOld, kRival };

class PushObserver {
 public:
  virtual ~PushObserver() = default;
  virtual void OnPush(bool snapshot) {}
  // From the commit of the revision; only for revisions committed while the
  // node was connected.
  virtual void OnAck(absl::Duration latency) {}
  // An acknowledgement of something committed before the node connected.
  virtual void OnCatchUp() {}
  virtual void OnNack() {}
  virtual void OnDropped(DropReason reason) {}
  virtual void OnDigestMismatch() {}
};

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_PUSH_PUSH_OBSERVER_H_
