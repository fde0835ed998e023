// Callers who leave, by a deadline of their own or by cancelling, at one upstream
// with everything that learns switched on.
#ifndef SLUICE_TESTS_ENGINE_IMPATIENT_FIXTURE_H_
#define SLUICE_TESTS_ENGINE_IMPATIENT_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/call_harness.h"

namespace sluice {

class ImpatientFixture : public testing::Test {
 protected:
  enum class How { kDeadline, kCancel };

  // "a/1" first, "a/2" beside it: the only endpoint of an upstream is never ejected.
  ImpatientFixture() {
    h.Add("a/1");
    h.Add("a/2", 1);
    h.route.retry.max_attempts = 1;
    h.route.timeouts.first_content = absl::Seconds(30);
    a().breaker = CircuitBreakerConfig{};
    a().balance.panic_percent = 0;
    h.On("a/2", {Script::Answer("from the second")});
  }

  UpstreamConfig& a() { return h.upstream("a"); }
  EndpointState& endpoint(const std::string& place = "a/1") { return *h.endpoint(place).state; }
  BreakerFigures Breaker(const std::string& place = "a/1") { return endpoint(place).breaker_figures(h.loop.Now()); }
  RetryBudgetFigures Budget() {
    const auto budgets = h.route.state->figures(h.loop.Now()).budgets;
    return budgets.empty() ? RetryBudgetFigures{} : budgets.front().budget;
  }

  // Content after 100 ms, and then steadily, for 2 s.
  static Script Steady(Duration first = absl::Milliseconds(100)) {
    Script script = Script().Connect().Head(200).Body("text one\n", first);
    for (int i = 0; i < 19; ++i) script.Body("text more\n", absl::Milliseconds(100));
    return script.Body("done\n").End();
  }
  static Script Silent() { return Script().Connect().Head(200); }
  static Script Cut() { return Script().Connect().Head(200).Body("text x\n").Fail(HttpFailure::kReset); }

  // Begins beside what runs already. Its caller waits for so long.
  struct Caller {
    FakeSink sink;
    std::unique_ptr<sluice::Call> call;
  };
  Caller& Begin(Duration patience = absl::InfiniteDuration()) {
    Caller& caller = *callers_.emplace_back(std::make_unique<Caller>());
    caller.sink.shows = h.streaming;
    caller.call = h.Make(caller.sink, h.loop.Now() + patience);
    caller.call->Start();
    return caller;
  }
  // One call, to its end, by a caller who waits for so long.
  const CallRecord& Call(Duration patience = absl::InfiniteDuration(), How how = How::kDeadline) {
    h.call.reset();
    h.sink = FakeSink();
    h.sink.shows = h.streaming;
    h.Start(how == How::kDeadline ? h.loop.Now() + patience : absl::InfiniteFuture());
    const TimePoint leaves = h.loop.Now() + patience;
    while (h.sink.finishes == 0 && h.loop.next() <= leaves && h.loop.RunOne()) {
    }
    if (h.sink.finishes == 0) {
      h.loop.RunFor(leaves - h.loop.Now());
      h.call->Cancel();
    }
    return h.sink.record;
  }
  void Calls(int count, Duration patience, How how = How::kDeadline) {
    for (int i = 0; i < count; ++i) Call(patience, how);
  }

  CallHarness h;

 private:
  std::vector<std::unique_ptr<Caller>> callers_;
};

// "a/1" alone, and silent.
class VerifyingFixture : public ImpatientFixture {
 protected:
  static constexpr Duration kPatience = absl::Milliseconds(600);

  VerifyingFixture() {
    h.endpoint("a/2").active = false;
    h.route.timeouts.first_content = absl::Seconds(5);
    h.On("a/1", {Silent()});
  }
  size_t running() const { return h.context.verifying->size(); }
};

}  // namespace sluice

#endif  // SLUICE_TESTS_ENGINE_IMPATIENT_FIXTURE_H_
