// At most a share of a route's calls is hedged. Called by the engine under the
// lock of the route. Pure.
#ifndef SLUICE_SERVER_RESILIENCE_HEDGE_BUDGET_H_
#define SLUICE_SERVER_RESILIENCE_HEDGE_BUDGET_H_

#include <cstdint>

namespace sluice {

// A token bucket fed by calls, not by time: every call gives percent / 100 of a
// hedge, a hedge takes one. It begins with one hedge and holds at most one and
// what 100 calls give. So, in exact arithmetic:
// - of the first N calls at most percent · N / 100 + 1 are hedged;
// - of any N calls in a row at most percent · (N + 100) / 100 + 1: what quiet
//   times saved cannot become a burst that doubles the load.
// One hedge for one TryHedge(): with several hedges a call the bound holds for
// the hedges.
class HedgeBudget {
 public:
  // 0..100, to 3 decimals; 0 forbids hedges.
  explicit HedgeBudget(double max_hedge_percent);

  void CallStarted();
  // True: the hedge is paid for. Ask for it last, when nothing else stands
  // against the hedge.
  bool TryHedge();
  // A hedge that was paid for was never sent.
  void GiveBack();

  // Keeps what was saved, as far as it fits.
  void Configure(double max_hedge_percent);

  // Counters, which never go back: hedges paid for, those of them that were
  // given back, and those refused.
  uint64_t hedged() const { return hedged_; }
  uint64_t given_back() const { return given_back_; }
  uint64_t refused() const { return refused_; }

 private:
  int64_t Most() const;

  int64_t gain_;     // of a call, in 1/100,000 of a hedge
  int64_t balance_;  // in the same
  uint64_t hedged_ = 0;
  uint64_t given_back_ = 0;
  uint64_t refused_ = 0;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_HEDGE_BUDGET_H_
