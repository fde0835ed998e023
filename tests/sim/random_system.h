// One simulated system: policies, weather, and many calls at once of several
// tenants, on one loop, all from one seed; watched all the time.
#ifndef SLUICE_TESTS_SIM_RANDOM_SYSTEM_H_
#define SLUICE_TESTS_SIM_RANDOM_SYSTEM_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/engine/call.h"
#include "sluice/v1/gateway.pb.h"
#include "tests/sim/call_watch.h"
#include "tests/sim/dice.h"
#include "tests/sim/random_policies.h"
#include "tests/sim/weather.h"
#include "tests/support/fake_transport.h"
#include "tests/support/line_format.h"
#include "tests/support/simulated_loop.h"

namespace sluice {

class RandomSystem {
 public:
  RandomSystem(uint64_t seed, int calls);
  ~RandomSystem();

  // What it did that it must never do.
  std::vector<std::string> Run();
  const Coverage& coverage() { return watch_.coverage(); }

 private:
  class Sink;
  struct Running;

  void PutInForce();
  void PlanRevisions();
  void PlanArrivals(int calls);
  void Arrive(bool undisturbed = false);
  void Disturb(Running& running);
  void End(Running& running);
  bool Play();
  void Recover();

  static constexpr Duration kWeatherLasts = absl::Seconds(30);
  // Longer than whatever rests, is open, ejected or throttled.
  static constexpr Duration kRest = absl::Minutes(10);

  Dice dice_;
  SimulatedLoop loop_;
  FakeTransport transport_{loop_};
  LineFormat format_;
  Random random_;
  RandomPolicies policies_;
  Weather weather_;
  const bool impatient_;  // its callers
  CallWatch watch_{loop_, transport_};
  EngineContext context_{loop_, transport_, random_, watch_};
  std::shared_ptr<const RouteTable> table_;
  std::shared_ptr<const RouteTable> before_;
  std::vector<std::unique_ptr<Timer>> timers_;
  std::vector<std::unique_ptr<Running>> running_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_SIM_RANDOM_SYSTEM_H_
