#include "server/resilience/retry_budget.h"

#include <algorithm>
#include <cmath>

namespace sluice {
namespace {

int64_t Milli(double value) { return std::llround(value * 1000); }

}  // namespace

RetryBudget::RetryBudget(const RetryBudgetConfig& config)
    : config_(config),
      max_milli_tokens_(std::max<int64_t>(1, Milli(config.max_tokens))),
      milli_ratio_(Milli(config.token_ratio)),
      milli_percent_(Milli(config.retry_percent)),
      milli_tokens_(max_milli_tokens_) {}

void RetryBudget::CallEnded() {
  // Below zero the share would be of 2^64 calls: no limit at all.
  if (calls_ > 0) --calls_;
}

bool RetryBudget::Allows() const { return TokensAllow() && retries_ < Limit(); }

bool RetryBudget::TryCharge() {
  if (!TokensAllow()) {
    ++refused_by_tokens_;
    return false;
  }
  if (retries_ >= Limit()) {
    ++refused_by_concurrency_;
    return false;
  }
  ++retries_;
  return true;
}

void RetryBudget::Release() {
  // Below zero no retry would ever be allowed again.
  if (retries_ > 0) --retries_;
}

void RetryBudget::OnFailure() { milli_tokens_ = std::max<int64_t>(0, milli_tokens_ - 1000); }

int64_t RetryBudget::OnSuccess() {
  const int64_t given = std::min(milli_ratio_, max_milli_tokens_ - milli_tokens_);
  milli_tokens_ += given;
  return given;
}

void RetryBudget::TakeBack(int64_t milli_tokens) { milli_tokens_ = std::max<int64_t>(0, milli_tokens_ - milli_tokens); }

void RetryBudget::Configure(const RetryBudgetConfig& config) {
  const int64_t old_max = max_milli_tokens_;
  config_ = config;
  max_milli_tokens_ = std::max<int64_t>(1, Milli(config.max_tokens));
  milli_ratio_ = Milli(config.token_ratio);
  milli_percent_ = Milli(config.retry_percent);
  milli_tokens_ = milli_tokens_ * max_milli_tokens_ / old_max;
}

RetryBudgetFigures RetryBudget::Figures() const {
  return {.tokens = milli_tokens_ / 1000.0,
          .max_tokens = max_milli_tokens_ / 1000.0,
          .calls = calls_,
          .retries = retries_,
          .limit = Limit(),
          .refused_by_tokens = refused_by_tokens_,
          .refused_by_concurrency = refused_by_concurrency_};
}

uint64_t RetryBudget::Limit() const {
  return std::max<uint64_t>(config_.min_retries, calls_ * milli_percent_ / 100'000);
}

}  // namespace sluice
