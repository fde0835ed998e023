// A reference model of upstreams and endpoints, fed by attempts that begin and
// end: what may not begin, and what must be even. It reads no state to decide
// what is right, only to compare.
#ifndef SLUICE_TESTS_SIM_PLACE_WATCH_H_
#define SLUICE_TESTS_SIM_PLACE_WATCH_H_

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "server/engine/call_record.h"
#include "server/engine/route_table.h"
#include "tests/sim/findings.h"

namespace sluice {

class PlaceWatch {
 public:
  explicit PlaceWatch(Findings& findings) : findings_(findings) {}

  void InForce(const RouteTable& table, TimePoint now);
  // `attempt`: the number of its request.
  void Began(uint64_t attempt, const RouteConfig& route, const AttemptRecord& record, TimePoint now);
  // Its end for its call is not yet its end.
  void GoesOn(uint64_t attempt) { running_.at(attempt).goes_on = true; }
  void FirstContent(uint64_t attempt);
  void Ended(uint64_t attempt, const AttemptRecord& record, TimePoint now);
  void BreakerChanged(const std::string& upstream, const std::string& endpoint, BreakerState to, TimePoint now);
  void Ejected(const std::string& place, Duration lasting, TimePoint now);
  // Everything is over: nothing is left of it.
  void AllOver(TimePoint now);
  // The weather is fine and everything had its rest.
  void AllRested(TimePoint now);

  Coverage coverage;

 private:
  struct Breaker {
    TimePoint closed_until = absl::InfinitePast();  // no attempt begins before
    TimePoint phase;           // the half-open phase that its probes are of
    std::set<uint64_t> probes;  // under way, without content
  };
  struct Bucket {  // an independent one; full is 1
    double level;
    TimePoint at;
  };
  struct Running {
    std::string upstream;
    std::string place;
    std::string credential;
    bool goes_on = false;
  };
  void CheckBreaker(Breaker& breaker, const BreakerFigures& figures, const CircuitBreakerConfig& config,
                    const std::string& name, uint64_t attempt, TimePoint now);
  void CheckRoom(const UpstreamConfig& upstream);
  void CheckRateLimit(const RateLimitUse& use, const std::string& key, TimePoint now);
  void CheckEven(const std::string& upstream);
  void SawMode(const CircuitBreakerConfig& config, const std::string& name);

  Findings& findings_;
  std::map<std::string, std::shared_ptr<const UpstreamConfig>> upstreams_;  // in force
  std::map<std::string, RateLimitConfig> most_;  // what any revision allowed
  std::map<std::string, std::shared_ptr<EndpointState>> endpoints_;  // of every revision
  // Of each endpoint, as of the last revision that had it.
  std::map<std::string, CircuitBreakerConfig> thresholds_;
  std::map<std::string, BreakerMode> modes_;
  std::map<std::string, Breaker> breakers_;
  std::map<std::string, TimePoint> rests_;     // "u0/1 env:KEY_0"
  std::map<std::string, Bucket> buckets_;
  std::map<uint64_t, Running> running_;
  std::map<std::string, int> at_upstream_;
  std::map<std::string, int> at_place_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_SIM_PLACE_WATCH_H_
