#include "controlplane/ctl/standing_text.h"

#include "absl/strings/str_cat.h"
#include "controlplane/ctl/breaker_text.h"
#include "proto/policy/duration_text.h"

namespace sluice::ctl {
namespace {

std::string HoldName(v1::HoldCause cause) {
  static constexpr char kPrefix[] = "HOLD_CAUSE_";
  const std::string name = v1::HoldCause_Name(cause);
  // A newer data plane may know causes that this program does not.
  if (cause == v1::HOLD_CAUSE_UNSPECIFIED || name.rfind(kPrefix, 0) != 0) return "HELD";
  return name.substr(sizeof kPrefix - 1);
}

// Beside those of breakers: an open one says most, a half-open one lets some
// calls through.
int HoldBadness(v1::HoldCause cause) {
  switch (cause) {
    case v1::HOLD_CAUSE_INACTIVE:
      return 60;
    case v1::HOLD_CAUSE_UNHEALTHY:
      return 39;
    case v1::HOLD_CAUSE_EJECTED:
      return 38;
    case v1::HOLD_CAUSE_UPSTREAM_OPEN:
      return 37;
    case v1::HOLD_CAUSE_COOLING:
      return 36;
    default:
      return 35;
  }
}

Color HoldColor(v1::HoldCause cause) {
  const bool wanted = cause == v1::HOLD_CAUSE_INACTIVE || cause == v1::HOLD_CAUSE_COOLING;
  return wanted ? Color::kYellow : Color::kRed;
}

}  // namespace

Standing StandingOf(v1::BreakerState state, const Holds& holds) {
  const Table::Cell cell = BreakerStateCell(state);
  Standing standing{cell.text, cell.color, 10 * BreakerBadness(state)};
  for (const v1::EndpointHold& hold : holds) {
    const int badness = HoldBadness(hold.cause());
    if (!HoldsCallsBack(hold) || badness <= standing.badness) continue;
    standing = {HoldName(hold.cause()), HoldColor(hold.cause()), badness, &hold};
  }
  return standing;
}

bool HoldsCallsBack(const v1::EndpointHold& hold) { return hold.resting() >= hold.credentials(); }

std::string HoldReason(const v1::EndpointHold& hold) {
  switch (hold.cause()) {
    case v1::HOLD_CAUSE_INACTIVE:
      return "by policy (draining, disabled or of weight 0)";
    case v1::HOLD_CAUSE_UNHEALTHY:
      return "its health checks fail";
    case v1::HOLD_CAUSE_EJECTED:
      return "failures in a row (outlier detection)";
    case v1::HOLD_CAUSE_UPSTREAM_OPEN:
      return "the breaker of the whole upstream is open";
    case v1::HOLD_CAUSE_COOLING:
      return "it asked for a rest (Retry-After, rate limit or quota)";
    default:
      return "for a reason that this sluicectl does not know";
  }
}

std::string HoldUntilText(const v1::EndpointHold& hold, const Clock& clock) {
  return hold.has_until() ? AtText(ToAbsl(hold.until()), clock) : "";
}

std::string HoldText(const v1::EndpointHold& hold, const Clock& clock) {
  std::string what = HoldName(hold.cause());
  if (!HoldsCallsBack(hold)) {
    what = absl::StrCat(hold.resting(), " of ", hold.credentials(), hold.resting() == 1 ? " credentials rests" : " credentials rest");
  }
  if (hold.has_until()) {
    absl::StrAppend(&what, " until ", HoldUntilText(hold, clock), " (", SpanText(ToAbsl(hold.remaining())), " left)");
  }
  return absl::StrCat(what, ": ", HoldReason(hold));
}

}  // namespace sluice::ctl
