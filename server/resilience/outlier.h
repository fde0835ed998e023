// Leaves an endpoint out for a while after failures in a row (gRFC A50, Envoy's
// consecutive 5xx): failures since content last came from it, or answers cut since
// one last did not end by a cut. The first alone would never see an endpoint that
// begins every answer and cuts it, the second would not see content before the end
// of a long answer. Pools of LLM endpoints are small: statistics over hosts
// seldom apply, so there are none. Pure; the caller reports only what counts: a
// 429 is a cooldown, no failure of the endpoint. Not thread-safe.
#ifndef SLUICE_SERVER_RESILIENCE_OUTLIER_H_
#define SLUICE_SERVER_RESILIENCE_OUTLIER_H_

#include <cstddef>
#include <cstdint>

#include "server/resilience/time.h"

namespace sluice {

struct OutlierConfig {
  uint32_t consecutive_failures = 5;  // >= 1
  Duration base_ejection = absl::Seconds(30);
  Duration max_ejection = absl::Seconds(300);
  // A whole one without ejection takes one off the multiplier.
  Duration interval = absl::Seconds(10);
  double max_ejected_percent = 50;

  bool operator==(const OutlierConfig&) const = default;
};

// One more ejection keeps within the cap. `pool` counts the endpoints, `out`
// those of them that are ejected or whose breaker is open. The only endpoint is
// never ejected; of several the first may always go, unless the cap is 0.
bool MayEject(const OutlierConfig& config, size_t pool, size_t out);

struct OutlierFigures {
  bool ejected = false;
  TimePoint ejected_until = absl::InfinitePast();  // the last ejection's end
  uint32_t consecutive_failures = 0;
  uint32_t multiplier = 0;  // the next ejection lasts base × (this + 1)
  uint64_t ejections = 0;
};

class OutlierHost {
 public:
  // Before content, or a cut after it. True: the failures in a row reach the
  // threshold; eject it if MayEject, or it is asked again at the next failure. What
  // ends while the host is ejected was begun before and counts nothing.
  bool OnFailure(const OutlierConfig& config, TimePoint now);
  bool OnCut(const OutlierConfig& config, TimePoint now);
  // The first content of an answer; the end of one that was not cut, whole or left
  // by its caller; both at once.
  void OnContent() { in_row_ = 0; }
  void OnAnswerEnded() { cuts_in_row_ = 0; }
  void OnSuccess() { in_row_ = cuts_in_row_ = 0; }
  // For base × times ejected lately, at most max (A50).
  void Eject(const OutlierConfig& config, TimePoint now);

  bool ejected(TimePoint now) const { return now < ejected_until_; }
  TimePoint ejected_until() const { return ejected_until_; }
  OutlierFigures Figures(const OutlierConfig& config, TimePoint now) const;

 private:
  uint32_t MultiplierAt(const OutlierConfig& config, TimePoint now) const;

  uint32_t in_row_ = 0;
  uint32_t cuts_in_row_ = 0;
  uint32_t multiplier_ = 0;  // as of ejected_until_
  uint64_t ejections_ = 0;
  TimePoint ejected_until_ = absl::InfinitePast();
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_OUTLIER_H_
