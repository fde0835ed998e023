#include "server/resilience/breaker_rates.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sluice {
namespace {

struct Share {
  uint32_t part;
  uint32_t whole;
  double most;  // percent
};

std::string ShareText(const Share& share, std::string_view what, std::string_view verb, std::string_view when) {
  return absl::StrFormat("%d of %d %s %s%s (%.3g %% >= %g %%)", share.part, share.whole, what, verb, when,
                         Percent(share.part, share.whole), share.most);
}

// Which share it was, of what was counted: "calls", "probes".
std::string RateText(const CallCounts& counts, const CircuitBreakerConfig& config, std::string_view what,
                     std::string_view when, bool failed) {
  if (failed) return ShareText({counts.failures, counts.calls, config.failure_percent}, what, "failed", when);
  return ShareText({counts.slow, counts.calls, config.slow_percent}, what,
                   absl::StrCat("waited longer than ", Seconds(config.slow_after), " for the first token"), when);
}

}  // namespace

double Percent(uint32_t part, uint32_t whole) { return whole == 0 ? 0 : part * 100.0 / whole; }

bool TooManyFailed(const CallCounts& counts, const CircuitBreakerConfig& config) {
  return counts.failures * 100.0 >= config.failure_percent * counts.calls;
}

bool TooManySlow(const CallCounts& counts, const CircuitBreakerConfig& config) {
  return counts.slow * 100.0 >= config.slow_percent * counts.calls;
}

bool TooManyCut(const CallCounts& counts, const CircuitBreakerConfig& config) {
  return counts.cut * 100.0 >= config.failure_percent * counts.answered();
}

std::string Seconds(Duration time) { return absl::StrFormat("%g s", absl::ToDoubleSeconds(time)); }

std::string WindowText(const CallCounts& counts, const CircuitBreakerConfig& config, bool failed, bool cut) {
  const std::string when =
      config.count_window ? std::string() : absl::StrCat(" in the last ", Seconds(config.time_window));
  if (!failed && cut) {
    return ShareText({counts.cut, counts.answered(), config.failure_percent}, "answers", "were cut", when);
  }
  return RateText(counts, config, config.count_window ? "last calls" : "calls", when, failed);
}

std::string ProbesText(const CallCounts& counts, const CircuitBreakerConfig& config) {
  return RateText(counts, config, "probes", "", TooManyFailed(counts, config));
}

}  // namespace sluice
