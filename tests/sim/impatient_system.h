// One simulated system of callers of mixed patience at endpoints that are well, or
// fall silent at a moment: everything that learns is on, with thresholds by chance,
// all from one seed. Watched: an endpoint that is well is never opened, ejected or
// rested, whatever callers do; one that fell silent is opened within two bounds of
// its first content, even if every caller leaves earlier.
#ifndef SLUICE_TESTS_SIM_IMPATIENT_SYSTEM_H_
#define SLUICE_TESTS_SIM_IMPATIENT_SYSTEM_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/engine/call.h"
#include "sluice/v1/gateway.pb.h"
#include "tests/sim/dice.h"
#include "tests/sim/findings.h"
#include "tests/support/call_harness.h"

namespace sluice {

class ImpatientSystem : private CallObserver {
 public:
  ImpatientSystem(uint64_t seed, int calls);
  ~ImpatientSystem() override;

  // What it did that it must never do.
  std::vector<std::string> Run();
  const Coverage& coverage() const { return coverage_; }

 private:
  struct Caller;
  // An attempt that was left without content, by its call.
  struct Left {
    TimePoint began;
    TimePoint ended;
  };
  struct Place {
    UpstreamConfig* upstream;
    const EndpointConfig* config;
    Duration least, most;  // to its first content
    TimePoint silent_from = absl::InfiniteFuture();
    std::vector<Left> left;                              // since then
    TimePoint last_verdict = absl::InfinitePast();       // of an attempt that went on before that
    int going_on = 0;
  };

  void MakePlaces();
  void SwitchOn(UpstreamConfig& upstream);
  CircuitBreakerConfig MakeBreaker();
  Script ScriptFor(Place& place);
  void Arrive();
  void Patience(Caller& caller, Duration patience);
  void CheckTheWell();
  void CheckTheSilent(const std::string& name, const Place& place);
  bool MustBeOpen(const Place& place) const;
  bool AllWell(const UpstreamConfig& upstream) const;
  TimePoint TwoBoundsAfter(TimePoint when) const { return when + 2 * bound_; }

  void AttemptEnded(const CallInfo&, const AttemptRecord& attempt) override;
  void VerifyingStarted(const CallInfo&, const AttemptRecord& attempt) override;
  void VerifyingEnded(const CallInfo&, const AttemptRecord& attempt) override;
  void CallEnded(const CallInfo&, const CallRecord& record) override;
  Place& PlaceOf(const AttemptRecord& attempt) { return places_.at(attempt.upstream + "/" + attempt.endpoint); }

  Dice dice_;
  CallHarness h_;
  EngineContext context_;
  int calls_;
  bool patient_;  // some are; else every caller leaves before the bound
  bool streams_only_;
  Duration gap_;  // between arrivals, at most
  Duration bound_;  // an attempt's own, from its beginning to its first content
  std::map<std::string, Place> places_;
  std::map<const UpstreamConfig*, bool> had_silent_;
  std::vector<std::unique_ptr<Caller>> callers_;
  Timer next_arrival_;
  bool by_gateway_ = false;  // ends calls, not their callers
  std::vector<std::unique_ptr<Timer>> checks_;
  Findings findings_;
  Coverage coverage_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_SIM_IMPATIENT_SYSTEM_H_
