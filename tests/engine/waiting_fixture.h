// Several calls of one route at a time, under simulated time.
#ifndef SLUICE_TESTS_ENGINE_WAITING_FIXTURE_H_
#define SLUICE_TESTS_ENGINE_WAITING_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/call_harness.h"

namespace sluice {

inline Script Limited(std::string seconds) { return Script::Status(429, "", {{"retry-after", std::move(seconds)}}); }
// Content after `time`.
inline Script SlowAnswer(Duration time) {
  return Script().Connect(absl::ZeroDuration()).Head(200).Body("text x\n", time).Body("done\n").End();
}

// Several calls of one route at a time, without a queue in its policy.
class WaitingFixture : public testing::Test {
 protected:
  struct Running {
    FakeSink sink;
    std::unique_ptr<Call> call;
    const CallRecord& record() const { return sink.record; }
  };

  WaitingFixture() {
    h.Add("a/1");
    h.On("a/1", {SlowAnswer(absl::Milliseconds(100))});
  }

  void Begin() {
    h.PutInForce();
    route_ = std::make_shared<const RouteConfig>(h.route);
  }

  Running& Call(const std::string& tenant = "", TimePoint deadline = absl::InfiniteFuture()) {
    if (!route_) Begin();
    auto& running = *calls_.emplace_back(std::make_unique<Running>());
    CallParams params;
    params.info.streaming = true;
    params.info.tenant = tenant;
    params.route = route_;
    params.request = NewChatCallRequest(h.request);
    params.deadline = deadline;
    running.call = NewCall(h.context, std::move(params), running.sink);
    running.call->Start();
    return running;
  }

  void Rest(const std::string& place, Duration time) { h.endpoint(place).cooldowns[0]->RestUntil(h.loop.Now() + time); }
  QueueFigures waiting() { return h.route.state->figures(h.loop.Now()).queue; }
  std::vector<CallOutcome> Outcomes() const {
    std::vector<CallOutcome> outcomes;
    for (const auto& running : calls_) outcomes.push_back(running->record().outcome);
    return outcomes;
  }
  // How many requests began at each moment from `from` on.
  std::vector<int> Waves(TimePoint from) const {
    std::vector<int> waves;
    TimePoint last = absl::InfinitePast();
    for (const auto& started : h.transport.started) {
      if (started.when < from) continue;
      if (started.when != last) waves.push_back(0);
      last = started.when;
      ++waves.back();
    }
    return waves;
  }

  std::vector<std::unique_ptr<Running>> calls_;
  std::shared_ptr<const RouteConfig> route_;
  CallHarness h;
};

}  // namespace sluice

#endif  // SLUICE_TESTS_ENGINE_WAITING_FIXTURE_H_
