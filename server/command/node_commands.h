// What the control plane asks of this data plane and orders it to do, carried
// out: breakers, what is in force, what goes on. On the config worker; what it
// reads and changes is thread-safe.
#ifndef SLUICE_SERVER_COMMAND_NODE_COMMANDS_H_
#define SLUICE_SERVER_COMMAND_NODE_COMMANDS_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/command/breaker_registry.h"
#include "server/command/breaker_status.h"
#include "server/command/live_counters.h"
#include "server/config/config_status.h"
#include "server/engine/route_table.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

class NodeCommands {
 public:
  struct Sources {
    BreakerRegistry& breakers;
    const LiveCounters& live;
    // In force; null: nothing yet.
    std::function<std::shared_ptr<const RouteTable>()> table;
    std::function<ConfigStatus()> status;
    std::function<Moment()> clock;
    // A piece of what is held from the control plane, from that offset on.
    std::function<v1::PoliciesInForce(uint64_t)> policies;
  };

  // Began to count at this moment.
  explicit NodeCommands(Sources sources) : sources_(std::move(sources)), started_(sources_.clock().now) {}

  v1::Answer Answer(const v1::Query& query) const;
  // What was done is also in the log: who, what, why.
  v1::Answer Answer(const v1::NodeCommand& command);

 private:
  // Those that `target` names, at least one: NOT_FOUND tells what there is.
  // Empty: all, or none.
  absl::StatusOr<std::vector<BreakerView>> Named(const std::string& target, TimePoint now) const;
  v1::Answer Breakers(const v1::BreakersQuery& query) const;
  v1::Answer Config() const;
  v1::Answer Live(const v1::LiveQuery& query) const;
  v1::Answer Trip(const v1::BreakerTrip& trip, const v1::NodeCommand& command);
  v1::Answer Reset(const v1::BreakerReset& reset, const v1::NodeCommand& command);

  const Sources sources_;
  const TimePoint started_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_COMMAND_NODE_COMMANDS_H_
