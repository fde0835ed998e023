#include "server/engine/rate_limit_state.h"

namespace sluice {

RateLimitState::RateLimitState(const RateLimitConfig& config, size_t max_keys) : limit_(config, max_keys) {}

void RateLimitState::Configure(const RateLimitConfig& config, size_t max_keys, TimePoint now) {
  std::lock_guard lock(mutex_);
  limit_.Configure(config, max_keys, now);
}

std::optional<Duration> RateLimitState::TryTake(std::string_view key, uint64_t tokens, TimePoint now) {
  std::lock_guard lock(mutex_);
  const auto wait = limit_.TryTake(key, tokens, now);
  if (wait) ++refused_;
  return wait;
}

void RateLimitState::Settle(std::string_view key, uint64_t estimated, uint64_t actual, TimePoint now) {
  std::lock_guard lock(mutex_);
  limit_.Settle(key, estimated, actual, now);
}

void RateLimitState::GiveBack(std::string_view key, uint64_t tokens, TimePoint now) {
  std::lock_guard lock(mutex_);
  limit_.GiveBack(key, tokens, now);
}

TimePoint RateLimitState::FreeAt(std::string_view key, uint64_t tokens, TimePoint now) {
  std::lock_guard lock(mutex_);
  return limit_.FreeAt(key, tokens, now);
}

RateLimitFigures RateLimitState::figures() const {
  std::lock_guard lock(mutex_);
  return {limit_.size(), refused_, limit_.evictions()};
}

}  // namespace sluice
