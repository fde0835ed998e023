#include "controlplane/ctl/breaker_text.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "controlplane/ctl/standing_text.h"
#include "proto/policy/duration_text.h"
#include "proto/terminal/safe_text.h"

namespace sluice::ctl {
namespace {

std::string ClockText(const google::protobuf::Timestamp& time, const Clock& clock) {
  return AtText(ToAbsl(time), clock);
}

// "third time"; counting words end early.
std::string OrdinalText(uint32_t n) {
  static constexpr const char* kWords[] = {"first", "second", "third", "fourth", "fifth", "sixth"};
  if (n >= 1 && n <= 6) return kWords[n - 1];
  const bool teen = n % 100 >= 11 && n % 100 <= 13;
  const char* suffix = teen ? "th" : n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
  return absl::StrCat(n, suffix);
}

std::string FailuresText(const google::protobuf::RepeatedPtrField<v1::FailureCount>& failures) {
  return absl::StrJoin(failures, ", ", [](std::string* out, const v1::FailureCount& failure) {
    absl::StrAppend(out, failure.count(), " × ", SafeLine(failure.failure()));
  });
}

bool Outlasted(const v1::BreakerStatus& breaker) {
  return breaker.has_open_for() && ToAbsl(breaker.age()) >= ToAbsl(breaker.open_for());
}

// "14 s of 20 s, third time in a row".
std::string OpenSpan(const v1::BreakerStatus& breaker) {
  std::string text = SpanText(ToAbsl(breaker.age()));
  if (breaker.state() == v1::BREAKER_STATE_OPEN) {
    absl::StrAppend(&text, breaker.has_open_for() ? absl::StrCat(" of ", SpanText(ToAbsl(breaker.open_for())))
                                                  : ", until it is reset");
  }
  if (breaker.times_in_a_row() > 1) absl::StrAppend(&text, ", ", OrdinalText(breaker.times_in_a_row()), " time in a row");
  return text;
}

std::string OpenedBecause(const v1::BreakerOpening& opening) {
  const bool by_hand = opening.cause() == v1::BREAKER_CAUSE_OPERATOR;
  return absl::StrCat(by_hand ? "tripped " : "", SafeLine(opening.reason()));
}

// "31 of 480 calls failed in the last 60 s (6.5 % < 50 %)".
std::string WindowText(const v1::BreakerWindow& window) {
  const std::string span = window.has_call_span() ? absl::StrCat("last ", window.call_span(), " calls")
                                                  : absl::StrCat("last ", SpanText(ToAbsl(window.time_span())));
  if (window.calls() == 0) return absl::StrCat("no calls in the ", span);
  std::string text = absl::StrCat(window.failures(), " of ", window.calls(), " calls failed in the ", span);
  if (window.calls() < window.min_calls()) return absl::StrCat(text, "; ", window.min_calls(), " are needed to judge");
  return absl::StrCat(text, " (", PercentText(window.failure_percent()),
                      window.failure_percent() < window.max_failure_percent() ? " < " : " >= ",
                      PercentText(window.max_failure_percent()), ")");
}

std::string SlowLine(const v1::BreakerWindow& window) {
  if (window.slow() == 0) return "";
  return absl::StrCat("  ", window.slow(), " of ", window.calls(), " waited longer than ",
                      SpanText(ToAbsl(window.slow_after())), " for the first token (", PercentText(window.slow_percent()),
                      window.slow_percent() < window.max_slow_percent() ? " < " : " >= ",
                      PercentText(window.max_slow_percent()), ")\n");
}

std::string FailuresLine(const google::protobuf::RepeatedPtrField<v1::FailureCount>& failures) {
  return failures.empty() ? "" : absl::StrCat("  ", FailuresText(failures), "\n");
}

std::string ProbesLine(const v1::BreakerStatus& breaker, const Clock& clock) {
  if (!breaker.has_open_until()) return "";
  return absl::StrCat("  probes: ", breaker.probes().permits(),
                      Outlasted(breaker) ? ", beginning with the next call"
                                         : absl::StrCat(" at ", ClockText(breaker.open_until(), clock)),
                      "\n");
}

std::string LastOpeningLine(const v1::BreakerStatus& breaker, const char* verb, const Clock& clock) {
  if (!breaker.has_last_opening()) return "";
  return absl::StrCat("  ", verb, " at ", ClockText(breaker.last_opening().at(), clock), ": ",
                      OpenedBecause(breaker.last_opening()), "\n");
}

std::string ExplainOpen(const v1::BreakerStatus& breaker, const Clock& clock) {
  return absl::StrCat("OPEN since ", ClockText(breaker.since(), clock), " (", OpenSpan(breaker),
                      "): ", OpenedBecause(breaker.last_opening()), "\n",
                      FailuresLine(breaker.last_opening().by_failure()), ProbesLine(breaker, clock));
}

std::string ExplainHalfOpen(const v1::BreakerStatus& breaker, const Clock& clock) {
  const v1::BreakerProbes& probes = breaker.probes();
  return absl::StrCat("HALF_OPEN since ", ClockText(breaker.since(), clock), " (", OpenSpan(breaker), "): ",
                      probes.answered(), " of ", probes.permits(), " probes answered, ", probes.failed(), " failed, ",
                      probes.taken() - std::min(probes.taken(), probes.answered()), " under way\n",
                      LastOpeningLine(breaker, "opened", clock), FailuresLine(breaker.last_opening().by_failure()));
}

// By the results, whatever the policy makes of it.
std::string ExplainClosed(const v1::BreakerStatus& breaker, const Clock& clock) {
  return absl::StrCat(WindowText(breaker.window()), "\n", SlowLine(breaker.window()),
                      FailuresLine(breaker.window().by_failure()), LastOpeningLine(breaker, "opened last", clock));
}

std::string ExplainObserved(const v1::BreakerStatus& breaker, const Clock& clock) {
  std::string text = "OBSERVE_ONLY by policy: lets everything through; ";
  if (breaker.automatic() == v1::BREAKER_STATE_CLOSED) return absl::StrCat(text, "would be CLOSED: ", ExplainClosed(breaker, clock));
  return absl::StrCat(text, "would be ", BreakerStateName(breaker.automatic()), " and have held back ",
                      breaker.refused_total(), " calls so far\n", LastOpeningLine(breaker, "would have opened", clock),
                      FailuresLine(breaker.last_opening().by_failure()));
}

std::string ExplainState(const v1::BreakerStatus& breaker, const Clock& clock) {
  switch (breaker.state()) {
    case v1::BREAKER_STATE_OPEN:
      return ExplainOpen(breaker, clock);
    case v1::BREAKER_STATE_HALF_OPEN:
      return ExplainHalfOpen(breaker, clock);
    case v1::BREAKER_STATE_CLOSED:
      return absl::StrCat("CLOSED: ", ExplainClosed(breaker, clock));
    case v1::BREAKER_STATE_OBSERVE_ONLY:
      return ExplainObserved(breaker, clock);
    case v1::BREAKER_STATE_FORCED_OPEN:
      return absl::StrCat("FORCED_OPEN by policy",
                          breaker.has_since() ? absl::StrCat(" since ", ClockText(breaker.since(), clock)) : "",
                          ": lets nothing through; held back ", breaker.refused_total(), " calls so far\n");
    case v1::BREAKER_STATE_DISABLED:
      return "DISABLED by policy: lets everything through and counts nothing\n";
    default:
      return "in a state that this sluicectl does not know\n";
  }
}

}  // namespace

std::string TargetOf(const v1::BreakerStatus& breaker) {
  return breaker.endpoint().empty() ? breaker.upstream() : absl::StrCat(breaker.upstream(), "/", breaker.endpoint());
}

std::string BreakerStateName(v1::BreakerState state) {
  static constexpr char kPrefix[] = "BREAKER_STATE_";
  const std::string name = v1::BreakerState_Name(state);
  return name.rfind(kPrefix, 0) == 0 ? name.substr(sizeof kPrefix - 1) : "unknown";
}

Table::Cell BreakerStateCell(v1::BreakerState state, const std::string& suffix) {
  const Color color = state == v1::BREAKER_STATE_CLOSED                                           ? Color::kGreen
                      : state == v1::BREAKER_STATE_OPEN || state == v1::BREAKER_STATE_FORCED_OPEN ? Color::kRed
                                                                                                  : Color::kYellow;
  return {BreakerStateName(state) + suffix, color};
}

int BreakerBadness(v1::BreakerState state) {
  switch (state) {
    case v1::BREAKER_STATE_FORCED_OPEN:
      return 5;
    case v1::BREAKER_STATE_OPEN:
      return 4;
    case v1::BREAKER_STATE_HALF_OPEN:
      return 3;
    case v1::BREAKER_STATE_OBSERVE_ONLY:
      return 2;
    case v1::BREAKER_STATE_DISABLED:
      return 1;
    default:
      return 0;
  }
}

std::string SpanText(absl::Duration span) {
  const int64_t seconds = absl::ToInt64Seconds(span + absl::Milliseconds(500));
  if (span < absl::Seconds(1)) return absl::StrCat(absl::ToInt64Milliseconds(span), " ms");
  // A window of a minute, and what is near: seconds are what one counts in.
  if (seconds < 120) return absl::StrCat(seconds, " s");
  const auto two = [](int64_t whole, const char* unit, int64_t part, const char* part_unit) {
    return part == 0 ? absl::StrCat(whole, " ", unit) : absl::StrCat(whole, " ", unit, " ", part, " ", part_unit);
  };
  if (seconds < 3600) return two(seconds / 60, "m", seconds % 60, "s");
  if (seconds < 48 * 3600) return two(seconds / 3600, "h", seconds / 60 % 60, "m");
  return two(seconds / 86400, "d", seconds / 3600 % 24, "h");
}

std::string PercentText(double percent) {
  const double rounded = std::round(percent * 10) / 10;
  return rounded == std::floor(rounded) ? absl::StrFormat("%.0f %%", rounded) : absl::StrFormat("%.1f %%", rounded);
}

std::string OpenUntilText(const v1::BreakerStatus& breaker, const Clock& clock) {
  if (breaker.state() == v1::BREAKER_STATE_FORCED_OPEN) return "policy";
  if (breaker.state() != v1::BREAKER_STATE_OPEN) return "";
  if (!breaker.has_open_until()) return "reset";
  return Outlasted(breaker) ? "next call" : ClockText(breaker.open_until(), clock);
}

std::string WhyText(const v1::BreakerStatus& breaker, const Clock& clock) {
  std::vector<std::string> reasons;
  const bool out = breaker.state() == v1::BREAKER_STATE_OPEN || breaker.state() == v1::BREAKER_STATE_HALF_OPEN;
  if (out) reasons.push_back(OpenedBecause(breaker.last_opening()));
  // What the row's state and time say already is not said again.
  const v1::EndpointHold* shown = StandingOf(breaker.state(), breaker.holds()).hold;
  for (const v1::EndpointHold& hold : breaker.holds()) {
    reasons.push_back(&hold == shown ? HoldReason(hold) : HoldText(hold, clock));
  }
  return absl::StrJoin(reasons, "; ");
}

std::string ExplainBreaker(const v1::BreakerStatus& breaker, const Clock& clock) {
  std::string before, after;
  for (const v1::EndpointHold& hold : breaker.holds()) {
    HoldsCallsBack(hold) ? absl::StrAppend(&before, HoldText(hold, clock), "\n")
                         : absl::StrAppend(&after, "  ", HoldText(hold, clock), "\n");
  }
  return absl::StrCat(before, before.empty() ? "" : "breaker ", ExplainState(breaker, clock), after);
}

}  // namespace sluice::ctl
