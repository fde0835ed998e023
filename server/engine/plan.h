// One place where an attempt can go.
#ifndef SLUICE_SERVER_ENGINE_PLAN_H_
#define SLUICE_SERVER_ENGINE_PLAN_H_

#include <cstddef>

#include "server/engine/route_table.h"

namespace sluice {

// Parts of the route, which outlives it.
struct Plan {
  const TargetConfig* target = nullptr;
  const EndpointConfig* endpoint = nullptr;
  size_t credential = 0;  // of the upstream's

  const UpstreamConfig& upstream() const { return *target->upstream; }
  Cooldown& cooldown() const { return *endpoint->cooldowns[credential]; }
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_PLAN_H_
