// How slow something has lately been, with a long memory for fast and none for
// slow: a sample above the average replaces it at once, one below moves it in
// proportion to the time that passed. (Peak-EWMA of Finagle and linkerd.) Pure;
// its owner guards it.
#ifndef SLUICE_SERVER_RESILIENCE_PEAK_EWMA_H_
#define SLUICE_SERVER_RESILIENCE_PEAK_EWMA_H_

#include "server/resilience/time.h"

namespace sluice {

class PeakEwma {
 public:
  // `decay`: the time in which what was learned shrinks to 1/e. A sample below
  // zero counts as zero, a time before the last one as the last one.
  void Observe(Duration sample, TimePoint now, Duration decay);

  // One that is only known to be longer than this: taken where it raises the value.
  void ObserveAtLeast(Duration sample, TimePoint now, Duration decay);

  // Shrinks towards zero while nothing is observed: something slow is tried
  // again some day. Zero if nothing ever was. Reading changes nothing.
  Duration Value(TimePoint now, Duration decay) const;

  bool known() const { return known_; }

 private:
  bool known_ = false;
  Duration value_;  // at `observed_`
  TimePoint observed_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_PEAK_EWMA_H_
