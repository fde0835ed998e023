// Why an endpoint gets calls or gets none, in words: its breaker, and what holds
// calls back beside it (health checks, ejection, cooldown). Pure functions.
#ifndef SLUICE_CONTROLPLANE_CTL_STANDING_TEXT_H_
#define SLUICE_CONTROLPLANE_CTL_STANDING_TEXT_H_

#include <string>

#include "controlplane/ctl/session.h"
#include "controlplane/ctl/time_text.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "sluice/v1/control.pb.h"

namespace sluice::ctl {

using Holds = google::protobuf::RepeatedPtrField<v1::EndpointHold>;

// What an operator has to see first of a breaker's state and the holds.
struct Standing {
  std::string name;  // "OPEN", "EJECTED"
  Color color = Color::kNone;
  int badness = 0;  // the worse one is larger
  // The hold it is of; null: it is the breaker's own state.
  const v1::EndpointHold* hold = nullptr;
};
Standing StandingOf(v1::BreakerState state, const Holds& holds);

// False: some credentials rest, and calls go on with the others.
bool HoldsCallsBack(const v1::EndpointHold& hold);
// "failures in a row (outlier detection)".
std::string HoldReason(const v1::EndpointHold& hold);
// "EJECTED until 03:12:48 (30 s left): failures in a row (outlier detection)".
std::string HoldText(const v1::EndpointHold& hold, const Clock& clock);
// "03:12:48"; "" where nobody can tell.
std::string HoldUntilText(const v1::EndpointHold& hold, const Clock& clock);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_STANDING_TEXT_H_
