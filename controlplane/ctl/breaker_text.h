// A circuit breaker in words, for people at 3 a.m. Pure functions.
#ifndef SLUICE_CONTROLPLANE_CTL_BREAKER_TEXT_H_
#define SLUICE_CONTROLPLANE_CTL_BREAKER_TEXT_H_

#include <string>

#include "controlplane/ctl/table.h"
#include "controlplane/ctl/time_text.h"
#include "sluice/v1/control.pb.h"

namespace sluice::ctl {

// "openai/primary"; "openai" for the upstream's as a whole.
std::string TargetOf(const v1::BreakerStatus& breaker);

// Trouble in capitals and colour.
Table::Cell BreakerStateCell(v1::BreakerState state, const std::string& suffix = "");
// "HALF_OPEN".
std::string BreakerStateName(v1::BreakerState state);
// The worse one is larger.
int BreakerBadness(v1::BreakerState state);

// "14 s", "5 m", "3 h 20 m": two units at most.
std::string SpanText(absl::Duration span);
// "59.6 %", "50 %".
std::string PercentText(double percent);

// What holds it open and until when: "03:12:24", "reset", "next call", "policy";
// "" when it is not open.
std::string OpenUntilText(const v1::BreakerStatus& breaker, const Clock& clock);
// Why it gets no calls, or not all, on one line; "" when it does.
std::string WhyText(const v1::BreakerStatus& breaker, const Clock& clock);

// Several lines, the first one like "OPEN since 03:12:04 (14 s of 20 s, third
// time in a row): 31 of 52 calls failed …". What else holds calls back comes
// before it.
std::string ExplainBreaker(const v1::BreakerStatus& breaker, const Clock& clock);

}  // namespace sluice::ctl

#endif  // SLUICE_CONTROLPLANE_CTL_BREAKER_TEXT_H_
