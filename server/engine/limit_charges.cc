#include "server/engine/limit_charges.h"

#include <algorithm>

namespace sluice {

std::optional<LimitRefusal> LimitCharges::Pass(const RouteConfig& route, std::string_view tenant, uint64_t tokens,
                                               TimePoint now) {
  if (route.rate_limits.empty() || std::find(passed_.begin(), passed_.end(), &route) != passed_.end()) {
    return std::nullopt;
  }
  const size_t before = charges_.size();
  std::optional<LimitRefusal> refusal;
  bool own = false;
  for (const RateLimitUse& use : route.rate_limits) {
    if (use.scope == RateLimitUse::Scope::kUpstream) continue;  // each attempt's
    std::string key(use.scope == RateLimitUse::Scope::kTenant ? tenant : std::string_view(route.name));
    if (const auto wait = use.state->TryTake(key, tokens, now)) {
      if (!refusal || *wait > refusal->wait) refusal = LimitRefusal{use.name, "", *wait};
      own |= use.scope == RateLimitUse::Scope::kTenant;
    } else {
      charges_.push_back({use.state.get(), std::move(key), tokens});
    }
  }
  if (!refusal) {
    passed_.push_back(&route);
    return std::nullopt;
  }
  refusal->own = own;
  for (size_t i = before; i < charges_.size(); ++i) charges_[i].state->GiveBack(charges_[i].key, tokens, now);
  charges_.resize(before);
  return refusal;
}

bool LimitCharges::HasPassed(const RouteConfig& route) const {
  const bool has_limits = std::any_of(route.rate_limits.begin(), route.rate_limits.end(), [](const RateLimitUse& use) {
    return use.scope != RateLimitUse::Scope::kUpstream;
  });
  return !has_limits || std::find(passed_.begin(), passed_.end(), &route) != passed_.end();
}

void LimitCharges::Settle(std::optional<uint64_t> used, TimePoint now) {
  for (const Charge& charge : charges_) {
    charge.state->Settle(charge.key, charge.tokens, used.value_or(charge.tokens), now);
  }
  charges_.clear();
}

void LimitCharges::GiveBack(TimePoint now) {
  for (const Charge& charge : charges_) charge.state->GiveBack(charge.key, charge.tokens, now);
  charges_.clear();
}

}  // namespace sluice
