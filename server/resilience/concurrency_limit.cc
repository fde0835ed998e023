#include "server/resilience/concurrency_limit.h"

#include <algorithm>
#include <cmath>

namespace sluice {

// --- AdaptiveLimit

AdaptiveLimit::AdaptiveLimit(const ConcurrencyConfig& config)
    : limit_(std::max(1u, config.adaptive_min)), smallest_(config.adaptive_period) {
  Clamp(config);
}

void AdaptiveLimit::Clamp(const ConcurrencyConfig& config) {
  const double least = std::max(1u, config.adaptive_min);
  limit_ = std::clamp(limit_, least, std::max<double>(least, config.adaptive_max));
}

void AdaptiveLimit::OnSample(const ConcurrencyConfig& config, Duration ttft, uint32_t in_flight, TimePoint now) {
  Duration& smallest = smallest_.At(now).ttft;
  smallest = std::min(smallest, ttft);
  AddSample(config, ttft, in_flight, now);
}

void AdaptiveLimit::OnAtLeast(const ConcurrencyConfig& config, Duration ttft, uint32_t in_flight, TimePoint now) {
  if (MinTtft(now) == absl::InfiniteDuration()) return;
  if (ttft >= (samples_.empty() ? last_median_ : Median())) AddSample(config, ttft, in_flight, now);
}

void AdaptiveLimit::AddSample(const ConcurrencyConfig& config, Duration ttft, uint32_t in_flight, TimePoint now) {
  if (samples_.empty()) interval_began_ = now;
  samples_.push_back(ttft);
  peak_ = std::max(peak_, in_flight);
  const bool over = now - interval_began_ >= config.adaptive_interval && samples_.size() >= kFewestSamples;
  if (over || samples_.size() >= kMostSamples) Move(config, now);
}

Duration AdaptiveLimit::MinTtft(TimePoint now) const {
  Smallest least;
  smallest_.ForEach(now, [&least](const Smallest& bucket) { least.ttft = std::min(least.ttft, bucket.ttft); });
  return least.ttft;
}

Duration AdaptiveLimit::Median() {
  const auto median = samples_.begin() + samples_.size() / 2;
  std::nth_element(samples_.begin(), median, samples_.end());
  return *median;
}

void AdaptiveLimit::Move(const ConcurrencyConfig& config, TimePoint now) {
  last_median_ = Median();
  // A time of zero would divide by zero; it says as little against the upstream.
  const double sampled = std::max(absl::ToDoubleSeconds(last_median_), 1e-9);
  const double best = absl::ToDoubleSeconds(MinTtft(now)) * (1 + config.adaptive_buffer);
  const double gradient = std::clamp(best / sampled, 0.5, 2.0);
  const double moved = gradient * limit_ + std::sqrt(limit_);
  const bool used = 2.0 * peak_ >= limit_;
  if (moved < limit_ || used) limit_ = moved;
  Clamp(config);
  samples_.clear();
  peak_ = 0;
}

// --- ConcurrencyLimit

ConcurrencyLimit::ConcurrencyLimit(const ConcurrencyConfig& config) : config_(config) {
  if (config.adaptive) adaptive_.emplace(config);
}

std::optional<ConcurrencyLimit::Bound> ConcurrencyLimit::Exceeds(uint64_t tokens) const {
  const std::optional<uint32_t> most = limit();
  if (most && requests_ >= *most) return Bound::kRequests;
  if (config_.max_pending && pending_ >= *config_.max_pending) return Bound::kPending;
  const uint64_t most_tokens = config_.max_tokens.value_or(UINT64_MAX);
  const bool alone = tokens_ == 0;
  if (!alone && (tokens_ > most_tokens || tokens > most_tokens - tokens_)) return Bound::kTokens;
  return std::nullopt;
}

bool ConcurrencyLimit::TryAcquire(uint64_t tokens) {
  if (Exceeds(tokens)) return false;
  ++requests_;
  ++pending_;
  tokens_ += tokens;
  return true;
}

void ConcurrencyLimit::Connected() { --pending_; }

void ConcurrencyLimit::Release(uint64_t tokens, bool was_connected) {
  --requests_;
  if (!was_connected) --pending_;
  tokens_ -= tokens;
}

void ConcurrencyLimit::OnSample(Duration ttft, TimePoint now) {
  if (adaptive_) adaptive_->OnSample(config_, ttft, requests_, now);
}

void ConcurrencyLimit::OnAtLeast(Duration ttft, TimePoint now) {
  if (adaptive_) adaptive_->OnAtLeast(config_, ttft, requests_, now);
}

void ConcurrencyLimit::Configure(const ConcurrencyConfig& config) {
  const bool same_period = config.adaptive_period == config_.adaptive_period;
  config_ = config;
  if (!config.adaptive) {
    adaptive_.reset();
  } else if (!adaptive_ || !same_period) {
    adaptive_.emplace(config);
  } else {
    adaptive_->Clamp(config);
  }
}

std::optional<uint32_t> ConcurrencyLimit::limit() const {
  if (!adaptive_) return config_.max_requests;
  return std::min(adaptive_->limit(), config_.max_requests.value_or(UINT32_MAX));
}

}  // namespace sluice
