// One call under simulated time: routes in a line, a sink and an observer that
// remember and that notice what must never happen.
#ifndef SLUICE_TESTS_SUPPORT_CALL_HARNESS_H_
#define SLUICE_TESTS_SUPPORT_CALL_HARNESS_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/engine/call.h"
#include "server/engine/lingerer.h"
#include "server/engine/verifying_attempts.h"
#include "sluice/v1/gateway.pb.h"
#include "tests/support/fake_transport.h"
#include "tests/support/line_format.h"
#include "tests/support/simulated_loop.h"

namespace sluice {

class FakeSink : public StreamSink {
 public:
  void Started(std::string_view served_by, std::string_view model) override;
  void Write(const StreamEvent& event) override;
  size_t pending_bytes() const override { return pending; }
  bool shows_content() const override { return shows; }
  void Discard() override;
  void Restart() override;
  void Finish(const CallRecord& record) override;

  bool shows = true;
  // Counts written bytes as pending until the test drains them.
  bool slow = false;
  size_t pending = 0;
  size_t most_pending = 0;

  std::string text;
  std::vector<StreamEvent::Kind> kinds;
  std::vector<std::string> sources;  // by URL
  std::vector<std::string> started;  // "upstream/endpoint model"
  int discards = 0;
  int restarts = 0;
  int finishes = 0;
  CallRecord record;
  // What the engine must never do, had it done it.
  std::vector<std::string> violations;
};

class FakeObserver : public CallObserver {
 public:
  void CallStarted(const CallInfo&) override { ++calls_started; }
  void AttemptStarted(const CallInfo&, const AttemptRecord& attempt) override;
  void AttemptEnded(const CallInfo&, const AttemptRecord& attempt) override;
  void VerifyingStarted(const CallInfo&, const AttemptRecord& attempt) override;
  void VerifyingEnded(const CallInfo&, const AttemptRecord& attempt) override;
  void RetryScheduled(const CallInfo&, const AttemptRecord& failed, Duration delay, bool failover) override;
  void Paused(const CallInfo&) override { ++paused; }
  void HedgeStarted(const CallInfo&, const AttemptRecord&) override { ++hedges; }
  void HedgeWon(const CallInfo&, const AttemptRecord&) override { ++hedges_won; }
  void RetryRefused(const CallInfo&, std::string_view upstream, RetryRefusal why) override;
  void Restarted(const CallInfo&, const AttemptRecord& cut) override;
  void FallbackEntered(const CallInfo&, std::string_view fallback, FailureKind cause) override;
  void Limited(const CallInfo&, const LimitRefusal& refusal) override { limited.push_back(refusal.limit); }
  void Queued(const CallInfo&) override { ++queued; }
  void LeftQueue(const CallInfo&, QueueExit exit, Duration waited) override;
  void BreakerChanged(std::string_view upstream, std::string_view endpoint, BreakerState from,
                      BreakerState to) override;
  void EndpointEjected(std::string_view upstream, std::string_view endpoint, Duration lasting) override;
  void FormLearned(std::string_view upstream, std::string_view model, std::string_view refused) override;
  void CallEnded(const CallInfo&, const CallRecord&) override { ++calls_ended; }

  int calls_started = 0;
  int calls_ended = 0;
  int attempts_started = 0;
  int attempts_ended = 0;
  int paused = 0;
  int hedges = 0;
  int hedges_won = 0;
  int queued = 0;
  std::vector<QueueExit> left_queue;
  std::vector<RetryRefusal> refusals;
  std::vector<std::string> limited;
  std::vector<std::string> restarts;   // "openai/primary"
  std::vector<std::string> fallbacks;  // "local: connect"
  std::vector<std::string> changes;    // "openai/primary 0>1", "openai/primary ejected 30s"
  std::vector<std::string> learned;    // "openai gpt: stream_options"
  std::vector<std::string> verifying;  // "openai/primary goes on", "openai/primary failed timeout"
  std::vector<std::string> retries;  // "openai/primary +100ms failover"
  std::vector<std::string> violations;
};

class CallHarness {
 public:
  explicit CallHarness(uint64_t seed = 1);

  // Adds "upstream/endpoint" to the route; a new upstream makes a new target.
  EndpointConfig& Add(const std::string& place, uint32_t priority = 0);
  UpstreamConfig& upstream(const std::string& name) { return *upstreams_.at(name); }
  EndpointConfig& endpoint(const std::string& place);
  // A rate limit of the route's.
  RateLimitUse& Limit(const std::string& name, RateLimitConfig config,
                      RateLimitUse::Scope scope = RateLimitUse::Scope::kRoute);
  // The route's policies as they stand go to the states, as when a revision is
  // put in force. Start does it before the first call.
  void PutInForce();
  // What requests to a place meet, the last one repeating.
  void On(const std::string& place, std::vector<Script> scripts) { scripts_[place] = std::move(scripts); }

  void Start(TimePoint deadline = absl::InfiniteFuture());
  // Another call beside it, with a sink of its own; not yet started.
  std::unique_ptr<Call> Make(FakeSink& to, TimePoint deadline = absl::InfiniteFuture());
  // Runs to the end of everything.
  const CallRecord& Run() {
    if (!call) Start();
    loop.RunUntilIdle();
    return sink.record;
  }
  void Drain();
  // "openai/primary failed overload; openai/backup ok"
  std::string Attempts() const;
  // Places in the order in which the transport was asked.
  std::vector<std::string> Places() const;
  // Everything that must hold after any call; empty if it does.
  std::vector<std::string> Violations() const;

  SimulatedLoop loop;
  FakeTransport transport{loop};
  Random random;
  FakeObserver observer;
  LineFormat format;
  FakeSink sink;
  EngineContext context{loop, transport, random, observer};
  RouteConfig route;
  v1::ChatRequest request;
  bool streaming = true;
  std::string tenant;
  std::unique_ptr<Call> call;
  // Expired: the last call has let go of its request, of its route.
  std::weak_ptr<const CallRequest> kept_request;
  std::weak_ptr<const RouteConfig> kept_route;

 private:
  bool in_force_ = false;
  std::map<std::string, std::shared_ptr<UpstreamConfig>> upstreams_;
  std::map<std::string, std::vector<Script>> scripts_;
  std::map<std::string, size_t> asked_;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_SUPPORT_CALL_HARNESS_H_
