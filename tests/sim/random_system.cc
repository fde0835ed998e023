#include "tests/sim/random_system.h"

#include <utility>

#include "server/engine/verifying_attempts.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;

constexpr const char* kTenants[] = {"anna", "ben", "carl"};
// A system that spins at one moment would never end.
constexpr size_t kMostSteps = 2'000'000;

}  // namespace

// Reads now and then, where it is slow.
class RandomSystem::Sink : public FakeSink {
 public:
  Sink(Loop& loop, Duration each) : loop_(loop), each_(each), timer_(loop) { slow = each > absl::ZeroDuration(); }

  void Write(const StreamEvent& event) override {
    FakeSink::Write(event);
    if (!slow || pending == 0 || timer_.is_set()) return;
    timer_.Set(loop_.Now() + each_, [this] {
      pending = 0;
      if (call) call->SinkDrained();
    });
  }
  void Finish(const CallRecord& record) override {
    FakeSink::Finish(record);
    timer_.Cancel();
  }

  Call* call = nullptr;

 private:
  Loop& loop_;
  const Duration each_;
  Timer timer_;
};

struct RandomSystem::Running {
  Running(Loop& loop, WatchedCall& w, Duration slow) : watched(w), sink(loop, slow), disturbance(loop) {}

  WatchedCall& watched;
  v1::ChatRequest request;
  Sink sink;
  std::unique_ptr<Call> call;
  Timer disturbance;
};

RandomSystem::RandomSystem(uint64_t seed, int calls)
    : dice_(seed),
      random_(dice_.Seed()),
      policies_(dice_.Seed(), format_),
      weather_(dice_.Seed(), policies_.places(), loop_.Now(), loop_.Now() + kWeatherLasts),
      impatient_(dice_.Chance(0.4)) {
  transport_.script = [this](const HttpRequest& request, size_t number) {
    const WatchedCall* call = watch_.Asked(request, number);
    return weather_.ScriptFor(request.endpoint->host, number, call ? call->tokens : 0, loop_.Now());
  };
  PutInForce();
  PlanRevisions();
  PlanArrivals(calls);
}

RandomSystem::~RandomSystem() = default;

void RandomSystem::PutInForce() {
  before_ = std::exchange(table_, policies_.Next());
  table_->ConfigureStates(loop_.Now());
  watch_.InForce(*table_);
}

void RandomSystem::PlanRevisions() {
  for (int i = dice_.Number(0, 3); i > 0; --i) {
    auto& timer = timers_.emplace_back(std::make_unique<Timer>(loop_));
    timer->Set(loop_.Now() + dice_.Time(Seconds(1), kWeatherLasts), [this] { PutInForce(); });
  }
}

// In bursts, so that calls meet each other.
void RandomSystem::PlanArrivals(int calls) {
  const bool crowded = dice_.Chance(0.5);
  while (calls > 0) {
    int burst = dice_.Number(1, crowded ? 20 : 4);
    TimePoint at = loop_.Now() + dice_.Time(absl::ZeroDuration(), kWeatherLasts);
    for (; burst > 0 && calls > 0; --burst, --calls) {
      auto& timer = timers_.emplace_back(std::make_unique<Timer>(loop_));
      timer->Set(at, [this] { Arrive(); });
      at += dice_.Chance(0.5) ? absl::ZeroDuration() : dice_.Time(absl::ZeroDuration(), Milliseconds(50));
    }
  }
}

void RandomSystem::Arrive(bool undisturbed) {
  const auto& routes = table_->routes();
  const auto& route = routes[static_cast<size_t>(dice_.Number(0, static_cast<int>(routes.size()) - 1))];
  WatchedCall& watched = watch_.NewCall();
  const bool slow = !undisturbed && dice_.Chance(0.2);
  auto& running = *running_.emplace_back(std::make_unique<Running>(
      loop_, watched, slow ? dice_.Time(Milliseconds(5), Milliseconds(500)) : absl::ZeroDuration()));
  const bool streaming = dice_.Chance(0.75);
  running.sink.shows = streaming;
  running.request.set_model(route->model);
  running.request.mutable_sampling()->set_max_output_tokens(dice_.Number(1, 60));
  watched.allows_restart = dice_.Chance(0.85);
  running.request.mutable_stream_options()->set_allow_restart(watched.allows_restart);
  watched.tenant = dice_.Chance(0.6) ? kTenants[0] : kTenants[dice_.Number(1, 2)];
  watched.route = route;
  watched.sink = &running.sink;
  watched.tokens = dice_.Number(0, 8);
  if (!undisturbed && dice_.Chance(impatient_ ? 0.9 : 0.25)) {
    watched.deadline = loop_.Now() + dice_.Time(absl::ZeroDuration(), impatient_ ? Seconds(2) : Seconds(8));
  }

  CallParams params;
  params.info.call_id = std::to_string(watched.id);
  params.info.streaming = streaming;
  params.info.tenant = watched.tenant;
  params.info.route = route->name;
  params.route = route;
  params.request = NewChatCallRequest(running.request);
  watched.estimated = params.request->EstimatedTokens();
  if (dice_.Chance(0.3)) params.affinity = static_cast<uint64_t>(dice_.Number(0, 3));
  params.deadline = watched.deadline;
  params.trace = TraceContext{params.info.call_id, "", 0};
  running.call = NewCall(context_, std::move(params), running.sink);
  running.sink.call = running.call.get();
  running.call->Start();
  if (!undisturbed) Disturb(running);
}

void RandomSystem::Disturb(Running& running) {
  if (!dice_.Chance(0.12)) return;
  const TimePoint at = loop_.Now() + dice_.Time(absl::ZeroDuration(), Seconds(3));
  const int how = dice_.Number(0, 2);
  running.disturbance.Set(at, [this, &running, how] {
    if (running.sink.finishes > 0) return;
    if (how == 2) {
      running.watched.destroyed = true;
      End(running);
      return;
    }
    running.watched.stopped = true;
    how == 0 ? running.call->Cancel() : running.call->Stop();
    watch_.findings().Check(running.sink.finishes == 1, "a cancelled call goes on");
  });
}

void RandomSystem::End(Running& running) {
  running.sink.call = nullptr;
  running.call.reset();
}

bool RandomSystem::Play() {
  size_t steps = 0;
  while (loop_.timers() > 0 && watch_.findings().found().empty()) {
    if (loop_.next() > loop_.Now()) watch_.InstantOver();
    loop_.RunOne();
    if (++steps == kMostSteps) {
      watch_.findings().Check(false, "the system never comes to rest");
      return false;
    }
  }
  return watch_.findings().found().empty();
}

// When all is well again everything answers again: nothing is stuck.
void RandomSystem::Recover() {
  loop_.RunFor(kRest);
  watch_.places().AllRested(loop_.Now());
  const size_t before = running_.size();
  for (int i = 0; i < 3; ++i) {
    Arrive(/*undisturbed=*/true);
    if (!Play()) return;
    loop_.RunFor(kRest);
  }
  for (size_t i = before; i < running_.size(); ++i) {
    const RouteConfig& route = *running_[i]->watched.route;
    bool somewhere = false;
    for (const TargetConfig& target : route.targets) {
      const UpstreamConfig& upstream = *target.upstream;
      if (upstream.breaker.mode == BreakerMode::kForcedOpen) continue;
      for (const EndpointConfig& endpoint : upstream.endpoints) somewhere |= endpoint.active && endpoint.weight > 0;
    }
    if (!somewhere) continue;
    watch_.findings().Check(running_[i]->sink.record.outcome == CallOutcome::kComplete,
                            "in fine weather a call fails: " + running_[i]->sink.record.error.message);
  }
}

std::vector<std::string> RandomSystem::Run() {
  if (Play()) {
    watch_.AllOver();
    watch_.findings().Check(transport_.live == 0, "an exchange is left");
    watch_.findings().Check(context_.lingerer->size() == 0, "an exchange lingers");
    watch_.findings().Check(context_.verifying->size() == 0, "an attempt goes on for ever");
    if (watch_.findings().found().empty()) Recover();
  }
  for (auto& running : running_) End(*running);
  return watch_.findings().found();
}

}  // namespace sluice
