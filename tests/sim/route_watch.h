// A reference model of one route's queue, retry budget and hedges: of its state,
// which revisions share.
#ifndef SLUICE_TESTS_SIM_ROUTE_WATCH_H_
#define SLUICE_TESTS_SIM_ROUTE_WATCH_H_

#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/engine/call_observer.h"
#include "server/engine/route_table.h"
#include "tests/sim/findings.h"

namespace sluice {

class RouteWatch {
 public:
  RouteWatch(Findings& findings, Coverage& coverage) : findings_(findings), coverage_(coverage) {}

  void InForce(const RouteConfig& route);

  // --- calls and attempts
  void CallEntered();
  void CallLeft() { --calls_; }
  int calls() const { return calls_; }
  // `charged`: certainly a repeat or a hedge; `calls_then`: there were so many
  // calls when it was scheduled.
  void Began(const std::string& upstream, bool charged, int calls_then);
  void Ended(const std::string& upstream, bool charged);
  void Hedged();

  // --- the queue
  void Queued(uint64_t call, const std::string& tenant, bool fresh, TimePoint now);
  void LeftQueue(uint64_t call, QueueExit exit, Duration waited, Duration max_wait, TimePoint now);
  bool waits(uint64_t call) const;
  bool anyone_waits() const { return !waiters_.empty(); }
  // Nothing more happens at this moment; time moves on to `next`.
  void InstantOver(TimePoint now);
  void AllOver(TimePoint now);

 private:
  struct Waiter {
    uint64_t call;
    std::string tenant;
    bool fresh;  // made no attempt yet, and under the revision in force
    TimePoint since;
  };
  struct Charged {
    int running = 0;
    int most_calls = 0;  // of the route, since nothing charged ran
  };
  void CheckOrder(const Waiter& admitted);
  void CheckFairness(const std::string& admitted);
  bool HasRoom(TimePoint now) const;
  void CheckWakeUp(TimePoint now);

  Findings& findings_;
  Coverage& coverage_;
  std::shared_ptr<RouteState> state_;
  std::vector<TargetConfig> targets_;
  std::string name_;
  bool plain_ = false;  // nothing but room lets its waiters wait
  size_t max_length_ = 0;
  Duration window_ = absl::ZeroDuration();
  double max_hedge_percent_ = 0;
  double max_retry_percent_ = 0;
  uint32_t max_min_retries_ = 0;

  int calls_ = 0;
  uint64_t entered_ = 0;
  uint64_t hedges_ = 0;
  std::map<std::string, Charged> charged_;
  std::list<Waiter> waiters_;  // in the order of coming
  std::vector<std::pair<uint64_t, std::string>> overtaken_;  // to be looked at when the instant is over
  std::map<std::pair<std::string, std::string>, int> ahead_;  // of one tenant before another
  TimePoint room_since_ = absl::InfiniteFuture();
};

}  // namespace sluice

#endif  // SLUICE_TESTS_SIM_ROUTE_WATCH_H_
