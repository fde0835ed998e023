// The rates by which a circuit breaker opens, and the words that say which one did.
// Pure; used by the breaker only.
#ifndef SLUICE_SERVER_RESILIENCE_BREAKER_RATES_H_
#define SLUICE_SERVER_RESILIENCE_BREAKER_RATES_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "server/resilience/breaker_window.h"
#include "server/resilience/circuit_breaker.h"

namespace sluice {

double Percent(uint32_t part, uint32_t whole);

bool TooManyFailed(const CallCounts& counts, const CircuitBreakerConfig& config);
bool TooManySlow(const CallCounts& counts, const CircuitBreakerConfig& config);
// Of the answers that are over. Those that still run do not fail so far, and say
// nothing against cuts: who cuts all that it begins would else never get to 100 %.
bool TooManyCut(const CallCounts& counts, const CircuitBreakerConfig& config);

// "10 s".
std::string Seconds(Duration time);
// Of a window: "31 of 52 calls failed in the last 60 s (59.6 % >= 50 %)". Failures
// are named before cuts, and both before slowness: they weigh more.
std::string WindowText(const CallCounts& counts, const CircuitBreakerConfig& config, bool failed, bool cut);
std::string ProbesText(const CallCounts& counts, const CircuitBreakerConfig& config);

}  // namespace sluice

#endif  // SLUICE_SERVER_RESILIENCE_BREAKER_RATES_H_
