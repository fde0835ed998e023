// One call: plan a target, run the attempt, record, wait, repeat. A coroutine
// on one loop; all that can happen to it (headers, bytes, end, timer, cancel,
// drained sink) arrives as a message at one awaiting point.
#ifndef SLUICE_SERVER_ENGINE_CALL_H_
#define SLUICE_SERVER_ENGINE_CALL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "server/engine/call_observer.h"
#include "server/engine/call_request.h"
#include "server/engine/route_table.h"
#include "server/engine/stream_sink.h"
#include "server/engine/trace_context.h"
#include "server/resilience/random.h"
#include "server/runtime/loop.h"
#include "server/upstream/http_transport.h"

namespace sluice {

class Lingerer;
class VerifyingAttempts;
std::shared_ptr<Lingerer> NewLingerer();
std::shared_ptr<VerifyingAttempts> NewVerifyingAttempts();

// What calls of one loop share. Outlives them, and is destroyed on the loop's
// thread before the transport and the loop.
struct EngineContext {
  Loop& loop;
  HttpTransport& transport;
  Random& random;
  CallObserver& observer;
  // Keeps answered exchanges for the moment until their connection can be
  // reused, so that neither the caller nor the call waits for it.
  std::shared_ptr<Lingerer> lingerer = NewLingerer();
  // Keeps attempts whose callers left, where the word on an endpoint is awaited.
  std::shared_ptr<VerifyingAttempts> verifying = NewVerifyingAttempts();
};

struct CallParams {
  CallInfo info;
  // Keeps the table's part that the call uses.
  std::shared_ptr<const RouteConfig> route;
  // Let go as soon as no attempt can follow any more: a long prompt is not
  // kept as long as its answer.
  std::shared_ptr<const CallRequest> request;
  // Equal for calls that belong together, where the route asks for affinity.
  std::optional<uint64_t> affinity;
  // The caller's own deadline; InfiniteFuture if none.
  TimePoint deadline = absl::InfiniteFuture();
  // Each attempt is a span of its own in it; not set: none is sent.
  std::optional<TraceContext> trace;
};

// Loop thread only. Destroying a running call cancels it silently.
class Call {
 public:
  virtual ~Call() = default;
  // Begins; the sink may hear of it before this returns.
  virtual void Start() = 0;
  // The caller went away: the upstream's connection is closed at once (but for an
  // attempt that goes on to verify its endpoint) and Finish(CANCELLED) follows.
  // Harmless after Finish.
  virtual void Cancel() = 0;
  // The data plane stops and waits no longer: the same, but the caller is
  // still there and is told (truncated, or UNAVAILABLE before content).
  virtual void Stop() = 0;
  // The sink's pending bytes fell below half of the bound.
  virtual void SinkDrained() = 0;
};

std::unique_ptr<Call> NewCall(const EngineContext& context, CallParams params, StreamSink& sink);

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_CALL_H_
