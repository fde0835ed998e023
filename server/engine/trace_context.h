// W3C Trace Context, level 1: the `traceparent` that calls come with and
// attempts go out with. Pure but for the randomness, which is an argument.
#ifndef SLUICE_SERVER_ENGINE_TRACE_CONTEXT_H_
#define SLUICE_SERVER_ENGINE_TRACE_CONTEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/resilience/random.h"

namespace sluice {

struct TraceContext {
  std::string trace_id;  // 32 lower-case hex digits, not all zero
  std::string span_id;   // 16 lower-case hex digits, not all zero
  uint8_t flags = 0;     // bit 0: sampled

  // "00-<trace>-<span>-<flags>".
  std::string ToTraceparent() const;
};

// Nothing for a header that is not valid: by the standard it is then ignored
// and a new trace begun. Versions above 00 are read by their first four fields.
std::optional<TraceContext> ParseTraceparent(std::string_view header);

// A new span in the same trace.
TraceContext ChildOf(const TraceContext& parent, Random& random);
// A new trace, not sampled.
TraceContext NewTrace(Random& random);

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_TRACE_CONTEXT_H_
