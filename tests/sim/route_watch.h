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
  struct Waiter {
    uint64_t call;
    std::string tenant;
    uint64_t tokens;  // what it counts for in rate limits
    bool fresh;       // made no attempt yet, and under the revision in force
    bool equal;       // may go wherever the others may, under the revision in force
    TimePoint since;
  };
  void Queued(Waiter waiter);
  // `at_its_end`: it had waited, in all, for as long as it may.
  void LeftQueue(uint64_t call, QueueExit exit, Duration waited, Duration max_wait, bool at_its_end, TimePoint now);
  bool waits(uint64_t call) const;
  // The engine says that a limit of the tenant's refused it just now, which may
  // be over before the instant is.
  void OverOwnLimit(const std::string& tenant, TimePoint now) { over_limit_at_[tenant] = now; }
  // Somebody waits whom a call of this tenant must not overtake.
  bool MustNotOvertake(const std::string& tenant, TimePoint now);
  // Nothing more happens at this moment; time moves on to `next`.
  void InstantOver(TimePoint now);
  void AllOver(TimePoint now);

 private:
  struct Charged {
    int running = 0;
    int most_calls = 0;  // of the route, since nothing charged ran
  };
  void PlaceLost(const Waiter& loser, TimePoint now);
  void CheckOrder(const Waiter& admitted);
  void CheckFairness(const std::string& admitted, TimePoint now);
  // Tenants' limits: who of those that wait could go by them, and who could not
  // but lately.
  std::map<std::string, const Waiter*> Firsts() const;
  bool WithinOwnLimits(const Waiter& waiter, TimePoint now) const;
  void LookAtLimits(TimePoint now);
  bool MayBeAside(const std::string& tenant, TimePoint now) const;
  void ForgetTurns(const std::string& tenant);
  bool HasRoom(TimePoint now) const;
  static bool Admits(const EndpointConfig& endpoint, TimePoint now);
  bool AdmitsEverywhere(TimePoint now) const;
  // Those that waited for a time may not have looked yet since it is over.
  bool MayRest(TimePoint now);
  void CheckWakeUp(TimePoint now);

  Findings& findings_;
  Coverage& coverage_;
  std::shared_ptr<RouteState> state_;
  std::vector<TargetConfig> targets_;
  std::string name_;
  std::vector<RateLimitUse> tenant_limits_;
  bool plain_ = false;  // nothing but room, times and these lets its waiters wait
  bool written_ = false;  // it waits for limits
  TimePoint rested_at_ = absl::InfinitePast();  // the last time that some place did not admit
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
  std::map<std::string, TimePoint> over_limit_at_;   // of a tenant that waits: the last time
  std::map<std::string, TimePoint> could_go_since_;  // a tenant's first, by room and limits
};

}  // namespace sluice

#endif  // SLUICE_TESTS_SIM_ROUTE_WATCH_H_
