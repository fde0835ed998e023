// The breakers of the route table in force.
#ifndef SLUICE_SERVER_COMMAND_TABLE_BREAKERS_H_
#define SLUICE_SERVER_COMMAND_TABLE_BREAKERS_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/command/breaker_registry.h"
#include "server/engine/route_table.h"

namespace sluice {

class TableBreakers : public BreakerRegistry {
 public:
  // Gives the table in force; null before the first configuration.
  using Tables = std::function<std::shared_ptr<const RouteTable>()>;

  explicit TableBreakers(Tables tables) : tables_(std::move(tables)) {}

  std::vector<BreakerView> List(TimePoint now) const override;
  bool Trip(const BreakerName& name, TimePoint now, Duration lasting, const std::string& reason) override;
  std::optional<EndpointHold> Reset(const BreakerName& name, TimePoint now) override;
  void WakeWaiters(const std::string& upstream) override;

 private:
  const Tables tables_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_COMMAND_TABLE_BREAKERS_H_
