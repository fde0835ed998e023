// A breaker as the control plane's message. Pure functions.
#ifndef SLUICE_SERVER_COMMAND_BREAKER_STATUS_H_
#define SLUICE_SERVER_COMMAND_BREAKER_STATUS_H_

#include "absl/time/time.h"
#include "server/command/breaker_registry.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

// One moment on two clocks: breakers live by the first, people read the second.
struct Moment {
  TimePoint now;
  absl::Time wall;
};

v1::BreakerState ToProto(BreakerState state);
v1::BreakerStatus ToStatus(const BreakerView& view, const Moment& moment);
v1::EndpointHold ToProto(const EndpointHold& hold, const Moment& moment);

}  // namespace sluice

#endif  // SLUICE_SERVER_COMMAND_BREAKER_STATUS_H_
