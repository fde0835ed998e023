#include "server/engine/plan_memory.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace sluice {
namespace {

template <typename T>
bool Contains(const std::vector<T>& all, const T& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

}  // namespace

PlanMemory::Try& PlanMemory::At(const Plan& plan) {
  for (Try& known : tries_) {
    if (known.endpoint == plan.endpoint && known.credential == plan.credential) return known;
  }
  return tries_.emplace_back(Try{plan.endpoint, plan.credential, 0, 0, 0});
}

void PlanMemory::Tried(const Plan& plan) { ++At(plan).times; }

void PlanMemory::BlameCredential(const Plan& plan) {
  Try& known = At(plan);
  if (known.times == 0) return;
  --known.times;
  ++known.blamed;
}

void PlanMemory::RequireContextAbove(uint32_t tokens) { context_above_ = std::max(context_above_.value_or(0), tokens); }

void PlanMemory::TakeBack() {
  aside_endpoints_.clear();
  aside_upstreams_.clear();
}

bool PlanMemory::RulesOut(const TargetConfig& target) const {
  const UpstreamConfig* upstream = target.upstream.get();
  size_t barred = 0;
  for (const auto& [holder, credential] : barred_credentials_) barred += holder == upstream;
  if (barred >= upstream->credentials.size()) return true;
  return target.weight == 0 || (context_above_ && upstream->context_tokens <= *context_above_) ||
         Contains(barred_upstreams_, upstream) || Contains(aside_upstreams_, upstream);
}

bool PlanMemory::RulesOut(const TargetConfig& target, const EndpointConfig& endpoint) const {
  if (Contains(aside_endpoints_, &endpoint)) return true;
  return std::any_of(barred_plans_.begin(), barred_plans_.end(), [&](const Plan& barred) {
    return barred.endpoint == &endpoint && barred.target->model == target.model;
  });
}

bool PlanMemory::picky() const {
  return !aside_endpoints_.empty() || !barred_plans_.empty() || !barred_credentials_.empty();
}

int PlanMemory::TriesOf(const EndpointConfig& endpoint, size_t credential) const {
  int tries = 0;
  for (const Try& known : tries_) {
    if (known.endpoint != &endpoint) continue;
    tries += known.times + (known.credential == credential ? known.blamed : 0);
  }
  return tries;
}

int PlanMemory::RepeatsOf(const EndpointConfig& endpoint, size_t credential) const {
  int repeats = TriesOf(endpoint, credential);
  for (const Try& known : tries_) {
    if (known.endpoint == &endpoint && known.credential == credential) repeats -= known.excused;
  }
  return std::max(repeats, 0);
}

std::string PlanMemory::Bars() const {
  const auto name = [](const auto* object) { return absl::Hex(reinterpret_cast<uintptr_t>(object)); };
  std::string bars;
  for (const UpstreamConfig* upstream : barred_upstreams_) absl::StrAppend(&bars, " u", name(upstream));
  for (const auto& [upstream, credential] : barred_credentials_) absl::StrAppend(&bars, " c", name(upstream), ".", credential);
  for (const Plan& plan : barred_plans_) absl::StrAppend(&bars, " p", name(plan.endpoint), ".", name(plan.target));
  if (context_above_) absl::StrAppend(&bars, " x", *context_above_);
  return bars;
}

bool PlanMemory::Barred(const UpstreamConfig& upstream, size_t credential) const {
  return std::find(barred_credentials_.begin(), barred_credentials_.end(), std::make_pair(&upstream, credential)) !=
         barred_credentials_.end();
}

std::optional<PlanMemory::Credential> PlanMemory::CredentialFor(const UpstreamConfig& upstream,
                                                                const EndpointConfig& endpoint, TimePoint when,
                                                                size_t start) const {
  const size_t count = upstream.credentials.size();
  std::optional<Credential> best;
  for (size_t i = 0; i < count; ++i) {
    const size_t number = (start + i) % count;
    if (Barred(upstream, number) || endpoint.cooldowns[number]->until() > when) continue;
    const int tries = TriesOf(endpoint, number);
    if (!best || tries < best->tries) best = Credential{number, tries};
  }
  return best;
}

TimePoint PlanMemory::CredentialAt(const UpstreamConfig& upstream, const EndpointConfig& endpoint) const {
  TimePoint soonest = absl::InfiniteFuture();
  for (size_t i = 0; i < upstream.credentials.size(); ++i) {
    if (!Barred(upstream, i)) soonest = std::min(soonest, endpoint.cooldowns[i]->until());
  }
  return soonest;
}

}  // namespace sluice
