#include "server/engine/endpoint_state.h"

#include <algorithm>

namespace sluice {

void EndpointState::CoolDownUntil(TimePoint until) {
  std::lock_guard lock(mutex_);
  cooling_until_ = std::max(cooling_until_, until);
}

TimePoint EndpointState::cooling_until() const {
  std::lock_guard lock(mutex_);
  return cooling_until_;
}

void EndpointState::AttemptStarted() {
  std::lock_guard lock(mutex_);
  ++in_flight_;
}

void EndpointState::AttemptEnded() {
  std::lock_guard lock(mutex_);
  --in_flight_;
}

int EndpointState::in_flight() const {
  std::lock_guard lock(mutex_);
  return in_flight_;
}

}  // namespace sluice
