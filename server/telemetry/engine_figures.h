// What the states of the policies in force say of themselves, as a scrape
// shows it.
#ifndef SLUICE_SERVER_TELEMETRY_ENGINE_FIGURES_H_
#define SLUICE_SERVER_TELEMETRY_ENGINE_FIGURES_H_

#include "server/engine/route_table.h"
#include "server/resilience/time.h"
#include "server/telemetry/resilience_collector.h"

namespace sluice {

// All but what the service keeps (idempotency, load). `now` is on the loops'
// clock. Any thread; takes the lock of each state for a moment.
ResilienceFigures FiguresOf(const RouteTable& table, TimePoint now);

}  // namespace sluice

#endif  // SLUICE_SERVER_TELEMETRY_ENGINE_FIGURES_H_
