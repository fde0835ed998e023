#include "server/resilience/hedge_budget.h"

#include <algorithm>
#include <cmath>

namespace sluice {
namespace {

constexpr int64_t kHedge = 100'000;
constexpr int64_t kCallsSaved = 100;

int64_t Gain(double percent) { return std::llround(std::clamp(percent, 0.0, 100.0) * 1000); }

}  // namespace

HedgeBudget::HedgeBudget(double max_hedge_percent)
    : gain_(Gain(max_hedge_percent)), balance_(gain_ > 0 ? kHedge : 0) {}

void HedgeBudget::CallStarted() { balance_ = std::min(Most(), balance_ + gain_); }

bool HedgeBudget::TryHedge() {
  if (balance_ < kHedge) {
    ++refused_;
    return false;
  }
  balance_ -= kHedge;
  ++hedged_;
  return true;
}

void HedgeBudget::GiveBack() {
  balance_ = std::min(Most(), balance_ + kHedge);
  ++given_back_;
}

void HedgeBudget::Configure(double max_hedge_percent) {
  const bool was_off = gain_ == 0;
  gain_ = Gain(max_hedge_percent);
  balance_ = was_off && gain_ > 0 ? kHedge : std::min(Most(), balance_);
}

int64_t HedgeBudget::Most() const { return gain_ > 0 ? kHedge + kCallsSaved * gain_ : 0; }

}  // namespace sluice
