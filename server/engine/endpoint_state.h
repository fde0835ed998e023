// What a data plane learns about one (endpoint, credential) while it runs.
// Shared by every loop and by successive revisions; touched once or twice per
// attempt, never per chunk.
#ifndef SLUICE_SERVER_ENGINE_ENDPOINT_STATE_H_
#define SLUICE_SERVER_ENGINE_ENDPOINT_STATE_H_

#include <mutex>

#include "absl/base/thread_annotations.h"
#include "server/resilience/time.h"

namespace sluice {

// Thread-safe.
class EndpointState {
 public:
  // The upstream asked for rest (Retry-After, rate limit). Never shortens a
  // cooldown that is already longer.
  void CoolDownUntil(TimePoint until);
  // InfinitePast if it never rested.
  TimePoint cooling_until() const;

  void AttemptStarted();
  void AttemptEnded();
  int in_flight() const;

 private:
  mutable std::mutex mutex_;
  TimePoint cooling_until_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  int in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_ENDPOINT_STATE_H_
