// Seeded random simulation of whole calls: policies, faults, timings, splits of
// bytes, cancellations and slow sinks by chance; the invariants always.
// SLUICE_SIM_CALLS and SLUICE_SIM_SEED change a run; a failure prints the seed
// of its call, which alone replays it: SLUICE_SIM_CALLS=1 SLUICE_SIM_SEED=….
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <set>
#include <string>

#include "tests/support/call_harness.h"

namespace sluice {
namespace {

using absl::Milliseconds;

uint64_t FromEnvironment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : fallback;
}

// What chance made of a run, so that a simulation that never fails an attempt,
// or never pauses, is seen to show nothing.
struct Coverage {
  uint64_t complete = 0, truncated = 0, failed = 0, cancelled = 0, deadline = 0;
  uint64_t attempts = 0, retries = 0, discards = 0, pauses = 0;
  std::set<FailureKind> kinds;
};

// One call made by chance.
class RandomCall {
 public:
  explicit RandomCall(uint64_t seed) : dice_(seed), h_(seed ^ 0x5eed) {}

  std::vector<std::string> Run(Coverage& coverage);

 private:
  bool Chance(double p) { return dice_.Uniform() < p; }
  Duration Upto(Duration most) { return most * dice_.Uniform(); }
  template <typename T>
  T OneOf(std::initializer_list<T> values) {
    return *(values.begin() + dice_.Below(values.size()));
  }

  void MakePolicy();
  void MakePlaces();
  Script MakeScript(const std::string& place);
  void Break(Script& script, size_t after);
  void SplitInto(Script& script, const std::string& bytes);
  void Play();
  void Check(std::vector<std::string>& found);
  void Count(Coverage& coverage);

  // The tokens of a place's answer tell where they came from, and their order.
  static std::string TokensOf(const std::string& place, int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += Token(place, i);
    return text;
  }
  static std::string Token(const std::string& place, int i) { return place + "#" + std::to_string(i) + " "; }

  Random dice_;
  CallHarness h_;
  int tokens_ = 0;
  TimePoint deadline_ = absl::InfiniteFuture();
  TimePoint cancel_at_ = absl::InfiniteFuture();
  bool cancelled_ = false;
};

void RandomCall::MakePolicy() {
  RetryPolicy& retry = h_.route.retry;
  retry.max_attempts = 1 + static_cast<int>(dice_.Below(6));
  retry.backoff_before_failover = Chance(0.3);
  switch (dice_.Below(4)) {
    case 0:
      retry.backoff = FixedBackoff{Upto(absl::Seconds(2))};
      break;
    case 1:
      retry.backoff = ReactorBackoff{};
      break;
    case 2:
      retry.backoff = CustomBackoff{{Milliseconds(5), Milliseconds(500)}};
      break;
    default:
      retry.backoff = ExponentialBackoff{.base = Milliseconds(100),
                                         .jitter = OneOf({Jitter::kNone, Jitter::kFull, Jitter::kEqual,
                                                          Jitter::kDecorrelated, Jitter::kProportional})};
  }
  if (Chance(0.2)) retry.retry_on = {FailureKind::kConnect, FailureKind::kOverload, FailureKind::kReset};
  if (Chance(0.1)) retry.retry_on_status = {409, 503};
  RouteTimeouts& timeouts = h_.route.timeouts;
  if (Chance(0.5)) timeouts.first_content = absl::Seconds(1) + Upto(absl::Seconds(5));
  if (Chance(0.5)) timeouts.idle = absl::Seconds(1) + Upto(absl::Seconds(5));
  if (Chance(0.3)) timeouts.overall = absl::Milliseconds(1) + Upto(absl::Seconds(20));
  h_.streaming = Chance(0.7);
  h_.sink.shows = h_.streaming;
  h_.sink.slow = Chance(0.4);
  h_.route.stream.max_pending_bytes = 64;
  if (Chance(0.1)) h_.route.stream.max_response_bytes = 64;
}

void RandomCall::MakePlaces() {
  tokens_ = static_cast<int>(dice_.Below(30));
  const int upstreams = 1 + static_cast<int>(dice_.Below(3));
  for (int u = 0; u < upstreams; ++u) {
    const int endpoints = 1 + static_cast<int>(dice_.Below(3));
    for (int e = 0; e < endpoints; ++e) {
      const std::string place = "u" + std::to_string(u) + "/" + std::to_string(e);
      EndpointConfig& endpoint = h_.Add(place, static_cast<uint32_t>(dice_.Below(2)));
      endpoint.weight = static_cast<uint32_t>(dice_.Below(4));
      endpoint.active = Chance(0.9);
      if (Chance(0.05)) endpoint.cooldowns[0]->RestUntil(h_.loop.Now() + Upto(absl::Seconds(3)));
    }
    h_.route.targets.back().priority = static_cast<uint32_t>(dice_.Below(2));
  }
  h_.transport.script = [this](const HttpRequest& request, size_t) { return MakeScript(request.endpoint->host); };
}

void RandomCall::SplitInto(Script& script, const std::string& bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const size_t size = 1 + dice_.Below(40);
    script.Body(bytes.substr(at, size), Chance(0.02) ? Upto(absl::Seconds(8)) : Upto(Milliseconds(30)));
    at += size;
  }
}

Script RandomCall::MakeScript(const std::string& place) {
  const double luck = dice_.Uniform();
  if (luck < 0.10) return Script().Fail(HttpFailure::kConnect, "connection refused", Upto(absl::Seconds(1)));
  if (luck < 0.13) return Script().Fail(HttpFailure::kPoolFull, "busy");
  if (luck < 0.16) return Script::Silent();
  if (luck < 0.36) {
    const int status = OneOf({302, 400, 401, 404, 408, 409, 429, 429, 500, 502, 503, 503, 529});
    std::vector<std::pair<std::string, std::string>> headers;
    if (Chance(0.5)) headers.emplace_back("retry-after-ms", std::to_string(dice_.Below(4000)));
    Script script = Script().Connect().Head(status, std::move(headers));
    if (Chance(0.3)) script.Body(OneOf({"quota none", "refused no", "overload busy", "caller bad"}));
    if (Chance(0.8)) script.End();
    return script;
  }
  std::string bytes = "role\nmodel m\n";
  for (int i = 0; i < tokens_; ++i) bytes += "text " + Token(place, i) + "\n";
  bytes += "usage 1 " + std::to_string(tokens_) + "\nend\ndone\n";
  Script script = Script().Connect(Upto(Milliseconds(50))).Head(200, {{"content-type", "text/lines"}}, Upto(Milliseconds(300)));
  SplitInto(script, bytes);
  if (luck < 0.60) {
    Break(script, dice_.Below(script.steps.size() + 1));
  } else if (Chance(0.9)) {
    script.End(Upto(Milliseconds(20)));  // else it lingers and is closed
  }
  return script;
}

// Something goes wrong after so many steps.
void RandomCall::Break(Script& script, size_t after) {
  script.steps.resize(after);
  switch (dice_.Below(5)) {
    case 0:
      script.Fail(HttpFailure::kReset, "reset by peer");
      break;
    case 1:
      if (after >= 2) script.End();  // a clean end that cuts the answer
      break;
    case 2:
      if (after >= 2) script.Body("\nnonsense\n");
      break;
    case 3:
      if (after >= 2) script.Body("\nfail overload busy\n");
      break;
    default:
      break;  // silence
  }
}

void RandomCall::Play() {
  if (Chance(0.3)) deadline_ = h_.loop.Now() + Upto(absl::Seconds(15)) - Milliseconds(5);
  if (Chance(0.15)) cancel_at_ = h_.loop.Now() + Upto(absl::Seconds(4));
  h_.Start(deadline_);
  TimePoint drain_at = h_.loop.Now();
  while (h_.sink.finishes == 0) {
    // Even a caller that never reads again ends at the route's bound.
    if (h_.sink.slow && h_.loop.Now() >= drain_at && h_.sink.pending > 0) {
      drain_at = h_.loop.Now() + Upto(absl::Seconds(3));
      h_.Drain();
    }
    if (h_.loop.Now() >= cancel_at_) {
      cancelled_ = true;
      h_.call->Cancel();
      break;
    }
    if (h_.sink.pending > 0) {
      h_.loop.RunFor(Milliseconds(10));
    } else if (!h_.loop.RunOne()) {
      break;
    }
  }
  if (Chance(0.5)) h_.call.reset();  // the service frees it sooner or later
  h_.loop.RunUntilIdle();
}

void RandomCall::Check(std::vector<std::string>& found) {
  const auto check = [&](bool holds, std::string what) {
    if (!holds) found.push_back(std::move(what));
  };
  const CallRecord& record = h_.sink.record;
  if (record.outcome == CallOutcome::kComplete) {
    check(h_.sink.text == TokensOf(record.served_by, tokens_), "a whole answer is not whole: " + h_.sink.text);
  } else if (h_.sink.shows && !h_.sink.text.empty()) {
    check(record.outcome == CallOutcome::kTruncated, "shown text without TRUNCATED");
    const std::string whole = TokensOf(record.served_by, tokens_);
    check(whole.starts_with(h_.sink.text), "a cut answer is not the beginning of one upstream's: " + h_.sink.text);
  }
  if (record.outcome == CallOutcome::kTruncated && !cancelled_) {
    const bool callers = record.error.reason == "DEADLINE_EXCEEDED" && h_.loop.Now() >= deadline_ - Milliseconds(10);
    check(callers || record.error.reason == "STREAM_TRUNCATED", "a cut without STREAM_TRUNCATED: " + record.error.reason);
  }
  if (record.outcome != CallOutcome::kComplete) check(!record.error.message.empty(), "an error without words");
  // No retry after commit.
  if (h_.sink.shows) check(h_.sink.started.size() <= 1 && h_.sink.discards == 0, "something was shown twice");
  // The deadline, and a millisecond for the margin's rounding.
  const Duration bound = std::min(h_.route.timeouts.overall, std::max(absl::ZeroDuration(), deadline_ - record.started));
  check(record.total <= bound, "longer than the deadline: " + absl::FormatDuration(record.total));
  // Bytes beyond the bound: at most those of one piece that was under way.
  if (h_.sink.shows) check(h_.sink.most_pending <= 64 + 40 + 10, "pending " + std::to_string(h_.sink.most_pending));
  int32_t used = 0;
  for (const AttemptRecord& attempt : record.attempts) used += attempt.usage.output_tokens.value_or(0);
  check(used == record.delivered.output_tokens.value_or(0) + record.abandoned.output_tokens.value_or(0),
        "usage was lost");
}

void RandomCall::Count(Coverage& coverage) {
  const CallRecord& record = h_.sink.record;
  coverage.complete += record.outcome == CallOutcome::kComplete;
  coverage.truncated += record.outcome == CallOutcome::kTruncated;
  coverage.failed += record.outcome == CallOutcome::kFailed;
  coverage.cancelled += cancelled_;
  coverage.deadline += record.error.reason == "DEADLINE_EXCEEDED" || record.error.reason == "ROUTE_TIMEOUT";
  coverage.attempts += record.attempts.size();
  coverage.retries += h_.observer.retries.size();
  coverage.discards += h_.sink.discards;
  coverage.pauses += h_.observer.paused;
  for (const AttemptRecord& attempt : record.attempts) coverage.kinds.insert(attempt.failure);
}

std::vector<std::string> RandomCall::Run(Coverage& coverage) {
  MakePolicy();
  MakePlaces();
  Play();
  std::vector<std::string> found = h_.Violations();
  Check(found);
  Count(coverage);
  return found;
}

TEST(CallSimulationTest, TheInvariantsHoldInRandomCalls) {
  const uint64_t calls = FromEnvironment("SLUICE_SIM_CALLS", 10'000);
  const uint64_t seed = FromEnvironment("SLUICE_SIM_SEED", 1);
  std::cout << "SLUICE_SIM_SEED=" << seed << " SLUICE_SIM_CALLS=" << calls << std::endl;
  RecordProperty("seed", std::to_string(seed));
  Coverage coverage;
  for (uint64_t i = 0; i < calls; ++i) {
    RandomCall call(seed + i);
    ASSERT_THAT(call.Run(coverage), testing::IsEmpty()) << "replay: SLUICE_SIM_CALLS=1 SLUICE_SIM_SEED=" << seed + i;
  }
  std::cout << coverage.complete << " complete, " << coverage.truncated << " truncated, " << coverage.failed
            << " failed, " << coverage.cancelled << " cancelled, " << coverage.deadline << " past their deadline; "
            << coverage.attempts << " attempts, " << coverage.retries << " retries, " << coverage.discards
            << " discards, " << coverage.pauses << " pauses, " << coverage.kinds.size() << " kinds of failure"
            << std::endl;
  if (calls < 10'000) return;
  // A run that met nothing would prove nothing.
  for (uint64_t count : {coverage.complete, coverage.truncated, coverage.failed, coverage.cancelled, coverage.deadline,
                         coverage.retries, coverage.discards, coverage.pauses}) {
    EXPECT_GT(count, 100u);
  }
  EXPECT_EQ(coverage.kinds.size(), 16u);  // every row of the failure table
}

}  // namespace
}  // namespace sluice
