// The breaker against a model that is as plain as can be: it keeps every result
// in a vector and every permit in a list, and counts anew at each step.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/resilience/circuit_breaker.h"
#include "tests/resilience/trace_seed.h"

namespace sluice {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using Outcome = CircuitBreaker::Outcome;
using Permit = CircuitBreaker::Permit;

struct Result {
  TimePoint at;
  bool failed;
  bool slow;
  std::string name;
};

// A call that was admitted, as the model sees it.
struct Call {
  int epoch;  // -1: counts nowhere
  bool probe;
  bool in_machine() const { return epoch >= 0; }
};

class Model {
 public:
  Model(const CircuitBreakerConfig& config, TimePoint now) : config(config), since(now) {}

  // What time alone does.
  void Tick(TimePoint now) {
    if (state != BreakerState::kHalfOpen || now < half_open_until) return;
    const bool bad = probes_out > 0 ||
                     std::any_of(results.begin(), results.end(), [](const Result& r) { return r.failed || r.slow; });
    OpenAt(half_open_until, bad);
  }

  bool Admits(TimePoint now) const {
    if (config.mode == BreakerMode::kForcedOpen) return false;
    return config.mode != BreakerMode::kAutomatic || MachineAdmits(now);
  }

  std::optional<Call> Acquire(TimePoint now) {
    if (!Admits(now)) return std::nullopt;
    if (config.mode == BreakerMode::kDisabled || !MachineAdmits(now)) return Call{-1, false};
    if (state == BreakerState::kOpen) {
      Move(BreakerState::kHalfOpen, now);
      half_open_until = now + config.max_half_open;
      probes_out = 0;
      results.clear();
    }
    const bool probe = state == BreakerState::kHalfOpen;
    if (probe) ++probes_out;
    return Call{epoch, probe};
  }

  void Record(const Call& call, Outcome outcome, Result result, TimePoint now) {
    if (call.epoch != epoch) return;
    if (call.probe) --probes_out;
    const bool learns = config.mode == BreakerMode::kAutomatic || config.mode == BreakerMode::kObserveOnly;
    if (outcome == Outcome::kIgnored || !learns) return;
    results.push_back(std::move(result));
    Judge(now);
  }

  void Configure(const CircuitBreakerConfig& next, TimePoint now) {
    const bool new_window = next.count_window != config.count_window ||
                            (next.count_window ? next.count != config.count : next.time_window != config.time_window);
    config = next;
    if (state == BreakerState::kHalfOpen) {
      half_open_until = std::max(now, since + config.max_half_open);
      Judge(now);
    } else if (new_window) {
      results.clear();
    }
  }

  void Trip(TimePoint now, Duration lasting) {
    if (config.mode == BreakerMode::kDisabled || config.mode == BreakerMode::kObserveOnly) return;
    if (state == BreakerState::kHalfOpen) results.clear();
    Move(BreakerState::kOpen, now);
    open_until = now + lasting;
    ++opened_total;
  }

  void Reset(TimePoint now) {
    results.clear();
    in_row = 0;
    Move(BreakerState::kClosed, now);
  }

  // Those that a judgement at `now` looks at.
  std::vector<Result> Window(TimePoint now) const {
    if (state == BreakerState::kHalfOpen) return results;
    if (config.count_window) {
      return {results.end() - std::min<size_t>(config.count, results.size()), results.end()};
    }
    std::vector<Result> inside;
    const Duration bucket = config.time_window / BreakerWindow::kBuckets;
    const auto bucket_of = [&](TimePoint at) { return absl::Floor(at - absl::UnixEpoch(), bucket); };
    for (const Result& result : results) {
      if (bucket_of(now) - bucket_of(result.at) < config.time_window) inside.push_back(result);
    }
    return inside;
  }

  CircuitBreakerConfig config;
  BreakerState state = BreakerState::kClosed;
  TimePoint since;
  // Unknown until the breaker says it: it is drawn.
  std::optional<TimePoint> open_until;
  TimePoint half_open_until;
  uint32_t in_row = 0;
  uint64_t opened_total = 0;
  uint32_t probes_out = 0;
  std::vector<Result> results;  // closed: since then; half-open: of the probes
  int epoch = 0;

 private:
  void Move(BreakerState to, TimePoint now) {
    state = to;
    since = now;
    open_until.reset();
    ++epoch;
  }

  void OpenAt(TimePoint at, bool once_more) {
    Move(BreakerState::kOpen, at);
    if (once_more) ++in_row;
    ++opened_total;
  }

  bool MachineAdmits(TimePoint now) const {
    if (state == BreakerState::kOpen) return now >= *open_until;
    return state == BreakerState::kClosed || probes_out + results.size() < config.half_open_permits;
  }

  void Judge(TimePoint now) {
    const bool half_open = state == BreakerState::kHalfOpen;
    const std::vector<Result> window = Window(now);
    uint32_t enough = config.min_calls;
    if (half_open) enough = std::min(enough, config.half_open_permits);
    if (!half_open && config.count_window) enough = std::min(enough, config.count);
    if (window.size() < enough) return;
    const auto percent = [&](auto which) {
      return 100.0 * std::count_if(window.begin(), window.end(), which) / window.size();
    };
    const bool bad = percent([](const Result& r) { return r.failed; }) >= config.failure_percent ||
                     percent([](const Result& r) { return r.slow; }) >= config.slow_percent;
    if (bad) return OpenAt(now, true);
    if (half_open) Reset(now);
  }
};

CircuitBreakerConfig RandomConfig(Random& random) {
  const auto percent = [&] { return 10.0 * (1 + random.Below(10)); };
  CircuitBreakerConfig config;
  config.failure_percent = percent();
  config.slow_percent = percent();
  config.slow_after = Seconds(2);
  config.count_window = random.Below(2) == 0;
  config.time_window = Seconds(6) * (1 + random.Below(20));
  config.count = 1 + random.Below(30);
  config.min_calls = 1 + random.Below(25);
  config.open = Milliseconds(100 + random.Below(20'000));
  config.max_open = config.open * (1 + random.Below(40));
  config.half_open_permits = 1 + random.Below(6);
  config.max_half_open = Milliseconds(100 + random.Below(40'000));
  return config;
}

class Trace {
 public:
  explicit Trace(uint64_t seed)
      : dice_(seed), random_(~seed), config_(RandomConfig(dice_)), breaker_(config_, now_), model_(config_, now_) {
    failing_ = dice_.Uniform();
  }

  void Run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      Step();
      model_.Tick(now_);
      Compare();
    }
  }

  int epochs() const { return model_.epoch; }

 private:
  void Step() {
    const uint64_t dice = dice_.Below(1000);
    if (dice < 400) Acquire();
    else if (dice < 800) Record();
    else if (dice < 950) Pass();
    else if (dice < 970) failing_ = dice_.Uniform();
    else if (dice < 985) Configure();
    else if (dice < 993) Trip();
    else if (dice < 996) Reset();
  }

  void Pass() {
    now_ += dice_.Below(10) == 0 ? Seconds(60) * dice_.Uniform() : Seconds(2) * dice_.Uniform();
    model_.Tick(now_);
    LearnOpenUntil();
  }

  void Acquire() {
    const std::optional<Permit> permit = breaker_.TryAcquire(now_, random_);
    const std::optional<Call> call = model_.Acquire(now_);
    ASSERT_EQ(permit.has_value(), call.has_value());
    if (!permit) return;
    EXPECT_EQ(permit->probe, call->probe);
    EXPECT_EQ(permit->epoch != 0, call->in_machine());
    held_.push_back({*permit, *call});
  }

  void Record() {
    if (held_.empty()) return;
    std::swap(held_[dice_.Below(held_.size())], held_.back());
    const auto [permit, call] = held_.back();
    held_.pop_back();
    const Duration ttft = dice_.Below(4) == 0 ? Seconds(2) + absl::Nanoseconds(dice_.Below(2)) : Seconds(1);
    const bool failed = dice_.Uniform() < failing_;
    const Outcome outcome = dice_.Below(8) == 0 ? Outcome::kIgnored : failed ? Outcome::kFailure : Outcome::kSuccess;
    const std::string name = absl::StrCat("failure", dice_.Below(5));
    breaker_.Record(permit, outcome, ttft, name, now_, random_);
    model_.Record(call, outcome, {now_, failed, ttft > Seconds(2), name}, now_);
  }

  void Configure() {
    const CircuitBreakerConfig other = RandomConfig(dice_);
    if (dice_.Below(2) == 0) {
      config_.mode = static_cast<BreakerMode>(dice_.Below(4));
    } else if (dice_.Below(2) == 0) {
      const BreakerMode mode = config_.mode;
      config_ = other;
      config_.mode = mode;
    } else {
      config_.failure_percent = other.failure_percent;
      config_.half_open_permits = other.half_open_permits;
    }
    breaker_.Configure(config_, now_);
    model_.Configure(config_, now_);
  }

  void Trip() {
    const Duration lasting = Seconds(30) * dice_.Uniform();
    breaker_.Trip(now_, lasting, "by hand");
    model_.Trip(now_, lasting);
  }

  void Reset() {
    breaker_.Reset(now_);
    model_.Reset(now_);
  }

  // The model takes the drawn end of open, after a look at its range.
  void LearnOpenUntil() {
    if (model_.state != BreakerState::kOpen || model_.open_until) return;
    const TimePoint until = breaker_.Figures(now_).open_until;
    Duration wait = config_.open;
    for (uint32_t i = 1; i < model_.in_row && wait < config_.max_open; ++i) wait *= 2;
    wait = std::min(wait, config_.max_open);
    EXPECT_GE(until - model_.since, wait * 0.8 - absl::Nanoseconds(1));
    EXPECT_LE(until - model_.since, wait * 1.2 + absl::Nanoseconds(1));
    model_.open_until = until;
  }

  void Compare() {
    LearnOpenUntil();
    const BreakerFigures figures = breaker_.Figures(now_);
    EXPECT_EQ(figures.automatic, model_.state);
    EXPECT_EQ(figures.automatic_since, model_.since);
    EXPECT_EQ(figures.opened_in_row, model_.in_row);
    EXPECT_EQ(figures.opened_total, model_.opened_total);
    EXPECT_EQ(breaker_.Admits(now_), model_.Admits(now_));
    if (model_.config.mode == BreakerMode::kAutomatic) {
      EXPECT_EQ(figures.state, model_.state);
    }
    // An open breaker's window may drain or keep: it judges nothing.
    if (model_.state != BreakerState::kOpen) CompareWindow(figures);
    CompareAdmitsAt();
  }

  void CompareWindow(const BreakerFigures& figures) {
    CallCounts counts;
    std::map<std::string, uint32_t> expected, actual;
    for (const Result& result : model_.Window(now_)) {
      ++counts.calls;
      if (result.slow) ++counts.slow;
      if (!result.failed) continue;
      ++counts.failures;
      ++expected[result.name];
    }
    for (const FailureCount& failure : figures.failures) actual[failure.name] = failure.count;
    EXPECT_EQ(figures.counts, counts);
    EXPECT_EQ(actual, expected);
  }

  void CompareAdmitsAt() {
    const TimePoint at = breaker_.AdmitsAt(now_);
    if (breaker_.Admits(now_)) {
      EXPECT_EQ(at, now_);
    } else {
      EXPECT_GT(at, now_);
    }
    if (model_.config.mode != BreakerMode::kAutomatic || model_.state != BreakerState::kOpen) return;
    EXPECT_TRUE(breaker_.Admits(at));
    if (at > now_) {
      EXPECT_FALSE(breaker_.Admits(at - absl::Nanoseconds(1)));
    }
  }

  TimePoint now_ = absl::FromUnixSeconds(50'000);
  Random dice_;
  Random random_;  // the breaker's
  CircuitBreakerConfig config_;
  CircuitBreaker breaker_;
  Model model_;
  double failing_;
  std::vector<std::pair<Permit, Call>> held_;
};

TEST(BreakerTraceTest, EqualsANaiveModelAtEveryStep) {
  int traces = 0, epochs = 0;
  ForEachTrace(1000, [&](uint64_t seed) {
    Trace trace(seed);
    trace.Run(400);
    epochs += trace.epochs();
    ++traces;
  });
  if (traces >= 100) {
    EXPECT_GT(epochs, 5 * traces);  // the traces do move the breaker
  }
}

}  // namespace
}  // namespace sluice
