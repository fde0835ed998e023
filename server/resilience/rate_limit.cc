#include "server/resilience/rate_limit.h"

#include <algorithm>
#include <limits>

namespace sluice {
namespace {

constexpr int64_t kMaxNs = std::numeric_limits<int64_t>::max();
// A thousand times what a policy may say; keeps every product in 128 bits.
constexpr uint64_t kMaxCount = 1'000'000'000'000'000;

}  // namespace

RateBucket::RateBucket(std::optional<uint64_t> amount, Duration per)
    : limited_(amount.has_value()),
      amount_(std::min(kMaxCount, amount.value_or(0))),
      period_ns_(std::max<int64_t>(1, absl::ToInt64Nanoseconds(per))),
      level_(Most()) {}

void RateBucket::Refill(int64_t elapsed_ns) {
  level_ = std::min(Most(), level_ + absl::int128(amount_) * elapsed_ns);
}

Duration RateBucket::WaitFor(uint64_t count) const {
  if (!limited_) return absl::ZeroDuration();
  if (amount_ == 0) return absl::InfiniteDuration();
  const absl::int128 needed = std::min(Most(), Units(count));
  return needed <= level_ ? absl::ZeroDuration() : TimeFor(needed - level_);
}

void RateBucket::Take(uint64_t count) {
  if (limited_) level_ -= Units(count);
}

void RateBucket::Charge(uint64_t count) {
  if (!limited_) return;
  const absl::int128 least = std::min(level_, -Most() * kMaxDebtPeriods);
  level_ = std::max(least, level_ - Units(count));
}

void RateBucket::Return(uint64_t count) {
  if (limited_) level_ = std::min(Most(), level_ + Units(count));
}

void RateBucket::Configure(std::optional<uint64_t> amount, Duration per) {
  const double left = Most() == 0 ? 1 : static_cast<double>(level_) / static_cast<double>(Most());
  *this = RateBucket(amount, per);
  if (left < 1) level_ = absl::int128(left * static_cast<double>(Most()));
}

Duration RateBucket::UntilFull() const {
  if (full()) return absl::ZeroDuration();
  return amount_ == 0 ? absl::InfiniteDuration() : TimeFor(Most() - level_);
}

double RateBucket::level() const { return static_cast<double>(level_) / static_cast<double>(period_ns_); }

absl::int128 RateBucket::Units(uint64_t count) const {
  return absl::int128(std::min(kMaxCount, count)) * period_ns_;
}

Duration RateBucket::TimeFor(absl::int128 missing) const {
  const absl::int128 ns = (missing + amount_ - 1) / amount_;
  return absl::Nanoseconds(static_cast<int64_t>(std::min(ns, absl::int128(kMaxNs))));
}

RateBuckets::RateBuckets(const RateLimitConfig& config)
    : config_(config), requests_(config.requests, config.per), tokens_(config.tokens, config.per) {}

std::optional<Duration> RateBuckets::TryTake(uint64_t estimated_tokens, TimePoint now) {
  Refill(now);
  const Duration wait = std::max(requests_.WaitFor(1), tokens_.WaitFor(estimated_tokens));
  if (wait > absl::ZeroDuration()) return wait;
  requests_.Take(1);
  tokens_.Take(estimated_tokens);
  return std::nullopt;
}

void RateBuckets::Settle(uint64_t estimated, uint64_t actual, TimePoint now) {
  Refill(now);
  if (actual > estimated) tokens_.Charge(actual - estimated);
  if (actual < estimated) tokens_.Return(estimated - actual);
}

void RateBuckets::GiveBack(uint64_t estimated, TimePoint now) {
  Refill(now);
  requests_.Return(1);
  tokens_.Return(estimated);
}

void RateBuckets::Configure(const RateLimitConfig& config, TimePoint now) {
  Refill(now);
  config_ = config;
  requests_.Configure(config.requests, config.per);
  tokens_.Configure(config.tokens, config.per);
}

bool RateBuckets::idle(TimePoint now) const {
  const RateBuckets then = At(now);
  return then.requests_.full() && then.tokens_.full();
}

TimePoint RateBuckets::IdleAt(TimePoint now) const {
  const RateBuckets then = At(now);
  return then.refilled_ + std::max(then.requests_.UntilFull(), then.tokens_.UntilFull());
}

std::optional<double> RateBuckets::requests_left(TimePoint now) const {
  if (!config_.requests) return std::nullopt;
  return At(now).requests_.level();
}

std::optional<double> RateBuckets::tokens_left(TimePoint now) const {
  if (!config_.tokens) return std::nullopt;
  return At(now).tokens_.level();
}

RateBuckets RateBuckets::At(TimePoint now) const {
  RateBuckets then = *this;
  then.Refill(now);
  return then;
}

void RateBuckets::Refill(TimePoint now) {
  // Whole nanoseconds of the clock, not since the last refill: how often somebody
  // looked must make no difference.
  const TimePoint tick = absl::FromUnixNanos(absl::ToUnixNanos(now));
  if (tick <= refilled_) return;
  // Before its first use it is full already; that time is infinitely long.
  const int64_t elapsed_ns = absl::ToInt64Nanoseconds(tick - refilled_);
  requests_.Refill(elapsed_ns);
  tokens_.Refill(elapsed_ns);
  refilled_ = tick;
}

}  // namespace sluice
