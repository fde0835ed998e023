// Watches every call of a simulated system: hears what the engine tells, sees
// what the sinks get and what the transport is asked, and holds them together.
#ifndef SLUICE_TESTS_SIM_CALL_WATCH_H_
#define SLUICE_TESTS_SIM_CALL_WATCH_H_

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/engine/call.h"
#include "server/runtime/loop.h"
#include "tests/sim/findings.h"
#include "tests/sim/place_watch.h"
#include "tests/sim/route_watch.h"
#include "tests/support/call_harness.h"

namespace sluice {

// What is known of a call before it starts.
struct WatchedCall {
  uint64_t id = 0;
  std::string tenant;
  uint64_t estimated = 0;  // tokens, as limits count them
  std::shared_ptr<const RouteConfig> route;
  const FakeSink* sink = nullptr;
  bool allows_restart = false;
  const RouteConfig* cut_at = nullptr;  // where what was shown was cut, once a fallback goes on
  int tokens = 0;  // of a whole answer
  TimePoint started;
  TimePoint deadline = absl::InfiniteFuture();
  bool stopped = false;    // by the test: cancelled, or the data plane's stop
  bool destroyed = false;  // no Finish follows

  // --- kept by the watch
  struct Tried {
    uint64_t request = 0;  // its number at the transport
    std::string upstream;
    std::string place;
    bool charged = false;
    bool running = true;
    bool goes_on = false;  // without its call
    int calls = 0;         // of its route, when it may have been charged
    const RouteState* route = nullptr;
  };
  const RouteConfig* at = nullptr;  // its route or a fallback's
  std::vector<Tried> attempts;
  std::set<std::string> places;  // tried, and to blame themselves
  int counted = 0;               // attempts since the count began anew
  int hedges = 0;
  Duration waited;  // in queues, of all its routes
  bool particular = false;  // its route's places do not all do for it any more
  int calls_then = 0;  // of its route, when its retry was scheduled
  bool budget_refused = false;
  bool over = false;
  TimePoint last_end;
};

class CallWatch : public CallObserver {
 public:
  CallWatch(Loop& loop, FakeTransport& transport);

  void InForce(const RouteTable& table);
  WatchedCall& NewCall();
  // Asked by the transport for the request's number and call.
  WatchedCall* Asked(const HttpRequest& request, uint64_t number);
  void InstantOver();
  void AllOver();
  PlaceWatch& places() { return places_; }
  Findings& findings() { return findings_; }
  const Coverage& coverage();

  void CallStarted(const CallInfo&) override;
  void AttemptStarted(const CallInfo&, const AttemptRecord&) override;
  void AttemptEnded(const CallInfo&, const AttemptRecord&) override;
  void VerifyingStarted(const CallInfo&, const AttemptRecord&) override;
  void VerifyingEnded(const CallInfo&, const AttemptRecord&) override;
  void RetryScheduled(const CallInfo&, const AttemptRecord&, Duration, bool failover) override;
  void HedgeStarted(const CallInfo&, const AttemptRecord&) override;
  void HedgeWon(const CallInfo&, const AttemptRecord&) override;
  void RetryRefused(const CallInfo&, std::string_view upstream, RetryRefusal) override;
  void Restarted(const CallInfo&, const AttemptRecord&) override;
  void FallbackEntered(const CallInfo&, std::string_view, FailureKind) override;
  void Limited(const CallInfo&, const LimitRefusal&) override;
  void Queued(const CallInfo&) override;
  void LeftQueue(const CallInfo&, QueueExit, Duration) override;
  void BreakerChanged(std::string_view, std::string_view, BreakerState, BreakerState) override;
  void EndpointEjected(std::string_view, std::string_view, Duration) override;
  void Paused(const CallInfo&) override { ++coverage_["pauses"]; }
  void CallEnded(const CallInfo&, const CallRecord&) override;

 private:
  WatchedCall& Of(const CallInfo& info) { return *calls_.at(std::stoull(info.call_id)); }
  RouteWatch& At(const WatchedCall& call) { return RouteOf(call.at->state.get()); }
  RouteWatch& RouteOf(const RouteState* state);
  void CheckStart(WatchedCall& call, const AttemptRecord& record);
  void CheckRepeat(WatchedCall& call, const AttemptRecord& record);
  void CheckEnd(const WatchedCall& call, const CallRecord& record);
  void CheckText(const WatchedCall& call, const CallRecord& record);
  std::string TextOf(const WatchedCall& call, size_t attempt, int tokens) const;
  void CountOutcome(const WatchedCall& call, const CallRecord& record);
  void Check(const WatchedCall& call, bool holds, const std::string& what);

  Loop& loop_;
  FakeTransport& transport_;
  Findings findings_;
  Coverage coverage_;
  PlaceWatch places_{findings_};
  std::map<const RouteState*, RouteWatch> routes_;
  std::map<const RouteState*, const RouteConfig*> in_force_;
  std::vector<std::shared_ptr<const RouteConfig>> kept_;  // of every revision
  std::map<uint64_t, std::unique_ptr<WatchedCall>> calls_;
  WatchedCall* asking_ = nullptr;  // told an attempt, its request comes next
};

}  // namespace sluice

#endif  // SLUICE_TESTS_SIM_CALL_WATCH_H_
