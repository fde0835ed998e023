#include "server/resilience/keyed_rate_limit.h"

#include <algorithm>
#include <iterator>
#include <vector>

namespace sluice {

KeyedRateLimit::KeyedRateLimit(const RateLimitConfig& config, size_t max_keys)
    : config_(config), max_keys_(std::max<size_t>(1, max_keys)) {}

std::optional<Duration> KeyedRateLimit::TryTake(std::string_view key, uint64_t estimated_tokens, TimePoint now) {
  const auto entry = FindOrAdd(key, now);
  const std::optional<Duration> wait = entry->buckets.TryTake(estimated_tokens, now);
  Changed(entry, now);
  return wait;
}

void KeyedRateLimit::Settle(std::string_view key, uint64_t estimated, uint64_t actual, TimePoint now) {
  // A forgotten key has full buckets: a credit is lost on them, a debt is not.
  const auto entry = actual > estimated ? FindOrAdd(key, now) : Find(key);
  if (entry == entries_.end()) return;
  entry->buckets.Settle(estimated, actual, now);
  Changed(entry, now);
}

void KeyedRateLimit::GiveBack(std::string_view key, uint64_t estimated, TimePoint now) {
  const auto entry = Find(key);
  if (entry == entries_.end()) return;
  entry->buckets.GiveBack(estimated, now);
  Changed(entry, now);
}

TimePoint KeyedRateLimit::FreeAt(std::string_view key, uint64_t estimated_tokens, TimePoint when) {
  const auto entry = by_key_.find(key);
  RateBuckets then = entry == by_key_.end() ? RateBuckets(config_) : entry->second->buckets;
  return when + then.TryTake(estimated_tokens, when).value_or(absl::ZeroDuration());
}

void KeyedRateLimit::Configure(const RateLimitConfig& config, size_t max_keys, TimePoint now) {
  config_ = config;
  max_keys_ = std::max<size_t>(1, max_keys);
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    entry->buckets.Configure(config, now);
    Changed(entry, now);
  }
  while (entries_.size() > max_keys_) MakeRoom(now);
}

KeyedRateLimit::Entries::iterator KeyedRateLimit::Find(std::string_view key) {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? entries_.end() : found->second;
}

KeyedRateLimit::Entries::iterator KeyedRateLimit::FindOrAdd(std::string_view key, TimePoint now) {
  const auto found = Find(key);
  if (found != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, found);
    return found;
  }
  // Two for each that comes: memory follows the keys that are busy.
  ForgetIdle(2, now);
  if (entries_.size() >= max_keys_) MakeRoom(now);
  entries_.push_front(Entry{.key = std::string(key), .buckets = RateBuckets(config_), .idle_at = now});
  by_key_.emplace(entries_.front().key, entries_.begin());
  by_idle_.emplace(now, &entries_.front());
  return entries_.begin();
}

void KeyedRateLimit::Changed(Entries::iterator entry, TimePoint now) {
  const TimePoint idle_at = entry->buckets.IdleAt(now);
  if (idle_at == entry->idle_at) return;
  by_idle_.erase({entry->idle_at, &*entry});
  entry->idle_at = idle_at;
  by_idle_.emplace(idle_at, &*entry);
}

void KeyedRateLimit::MakeRoom(TimePoint now) {
  const size_t before = entries_.size();
  ForgetIdle(1, now);
  if (entries_.size() < before) return;
  Erase(std::prev(entries_.end()));
  ++evictions_;
}

void KeyedRateLimit::ForgetIdle(int count, TimePoint now) {
  for (int i = 0; i < count && !by_idle_.empty() && by_idle_.begin()->first <= now; ++i) {
    Erase(by_key_.at(by_idle_.begin()->second->key));
  }
}

void KeyedRateLimit::Erase(Entries::iterator entry) {
  by_idle_.erase({entry->idle_at, &*entry});
  by_key_.erase(entry->key);
  entries_.erase(entry);
}

std::optional<Duration> RateGate::TryTake(uint64_t estimated_tokens, TimePoint now) const {
  return buckets_ ? buckets_->TryTake(estimated_tokens, now) : keyed_->TryTake(key_, estimated_tokens, now);
}

void RateGate::Settle(uint64_t estimated, uint64_t actual, TimePoint now) const {
  buckets_ ? buckets_->Settle(estimated, actual, now) : keyed_->Settle(key_, estimated, actual, now);
}

void RateGate::GiveBack(uint64_t estimated, TimePoint now) const {
  buckets_ ? buckets_->GiveBack(estimated, now) : keyed_->GiveBack(key_, estimated, now);
}

std::optional<RateRefusal> TryTakeAll(absl::Span<const RateGate> gates, uint64_t estimated_tokens, TimePoint now) {
  // Each gate's own answer, whatever the others say: the wait is the longest.
  std::vector<size_t> taken;
  std::optional<RateRefusal> refusal;
  for (size_t i = 0; i < gates.size(); ++i) {
    const std::optional<Duration> wait = gates[i].TryTake(estimated_tokens, now);
    if (!wait) {
      taken.push_back(i);
    } else if (!refusal || *wait > refusal->wait) {
      refusal = RateRefusal{.wait = *wait, .gate = i};
    }
  }
  if (!refusal) return std::nullopt;
  for (const size_t i : taken) gates[i].GiveBack(estimated_tokens, now);
  return refusal;
}

}  // namespace sluice
