#include "server/engine/target_survey.h"

#include <algorithm>
#include <array>
#include <utility>

#include "server/resilience/hash_ring.h"
#include "server/resilience/slow_start.h"

namespace sluice {
namespace {

using Kind = BalanceConfig::Kind;

// What a call's affinity decides, each independent of the others.
constexpr uint64_t kLevelSalt = 101;
constexpr uint64_t kZoneSalt = 102;
constexpr uint64_t kRingSalt = 103;

// Of a large pool: draws for each endpoint wanted. What was available a moment
// ago mostly is; slow start turns down nine of ten at worst.
constexpr int kDrawsEach = 12;

// How many endpoints in a row on a large pool's ring may be of no use.
constexpr size_t kMostRejected = 32;

uint32_t WantedOf(const BalanceConfig& balance) {
  switch (balance.kind) {
    case Kind::kLeastRequest:
      return std::clamp(balance.choices, kMinChoices, kMaxChoices);
    case Kind::kPeakEwma:
      return 2;
    case Kind::kWeighted:
    case Kind::kRingHash:
      return 1;
  }
  return 1;
}

double WeightOf(const UpstreamConfig& upstream, const EndpointConfig& endpoint, const EndpointStanding& standing,
                TimePoint when) {
  const auto& slow_start = upstream.balance.slow_start;
  if (!slow_start) return endpoint.weight;
  return endpoint.weight *
         SlowStartShare(standing.view.available_since, when, slow_start->window, slow_start->min_percent);
}

}  // namespace

TargetSurvey::TargetSurvey(const SurveyContext& context, const TargetConfig& target)
    : context_(context), target_(&target), index_(upstream().index) {
  // Only an upstream that no compiler made has none.
  if (index_ == nullptr) index_ = EndpointIndex::Make(upstream());
  if (index_->large()) {
    SurveyLarge();
  } else {
    SurveyAll();
  }
}

std::optional<TargetSurvey::Candidate> TargetSurvey::Judge(uint32_t endpoint, uint32_t level, uint8_t zone,
                                                           const EndpointStanding& standing) const {
  if (!standing.Admits(context_.when)) return std::nullopt;
  const bool healthy = standing.Healthy(context_.when);
  if (!healthy && !health().load.panic[level]) return std::nullopt;
  const EndpointConfig& config = upstream().endpoints[endpoint];
  if (context_.memory.RulesOut(*target_, config)) return std::nullopt;
  const auto credential = context_.memory.CredentialFor(upstream(), config, context_.when, 0);
  if (!credential) return std::nullopt;
  const double weight = WeightOf(upstream(), config, standing, context_.when);
  return Candidate{endpoint, level, zone, healthy, credential->tries,
                   {weight, standing.view.in_flight, standing.view.ewma}};
}

std::optional<TargetSurvey::Candidate> TargetSurvey::LookAt(uint32_t endpoint, uint32_t level, uint8_t zone) const {
  return Judge(endpoint, level, zone, StandingOf(upstream().endpoints[endpoint], context_.when));
}

void TargetSurvey::SurveyAll() {
  std::vector<EndpointStanding> standings;
  own_ = index_->Look(upstream(), context_.when, standings);
  size_t next = 0;
  for (uint32_t l = 0; l < index_->levels().size(); ++l) {
    for (const auto& member : index_->levels()[l].members) {
      if (auto candidate = Judge(member.endpoint, l, member.zone, standings[next++])) candidates_.push_back(*candidate);
    }
  }
}

void TargetSurvey::SurveyLarge() {
  for (const Duration age : {EndpointIndex::kUsualAge, EndpointIndex::kLeastAge}) {
    auto health = index_->Recent(upstream(), context_.when, age);
    if (health == shared_) break;  // it is no newer than what did not help
    shared_ = std::move(health);
    if (DrawSome()) return;
  }
  WalkEligible();
}

// Endpoints that this call has not tried, from the level and zone that are due.
bool TargetSurvey::DrawSome() {
  const auto has = [&](uint32_t level, uint8_t zone) { return !health().levels[level].eligible[zone].endpoints.empty(); };
  const auto level = LevelAmong([&](uint32_t l) { return has(l, 0) || has(l, 1); });
  if (!level) return false;
  const bool zoned = index_->levels()[*level].has_zones && !health().load.panic[*level];
  const uint8_t zone = zoned ? ZoneAmong(*level, [&](uint8_t z) { return has(*level, z); }) : 0;
  if (index_->levels()[*level].ring != nullptr) {
    DrawFromRing(*level, zoned ? std::optional<uint8_t>(zone) : std::nullopt);
  } else {
    DrawByWeight(*level, zone, health().levels[*level].eligible[zone]);
  }
  drawn_ = !candidates_.empty();
  return drawn_;
}

void TargetSurvey::DrawByWeight(uint32_t level, uint8_t zone, const PoolHealth::Eligible& eligible) {
  const size_t wanted = WantedOf(upstream().balance);
  for (size_t draws = wanted * kDrawsEach; draws > 0 && candidates_.size() < wanted; --draws) {
    const uint32_t number = eligible.endpoints[eligible.weights.Pick(context_.random.Uniform())];
    const auto same = [&](const Candidate& other) { return other.endpoint == number; };
    if (std::any_of(candidates_.begin(), candidates_.end(), same)) continue;
    const auto candidate = LookAt(number, level, zone);
    if (!candidate || candidate->tries > 0) continue;
    // Slow start: drawn by its whole weight, taken by its share of it.
    const double share = candidate->load.weight / endpoint(*candidate).weight;
    if (share < 1 && context_.random.Uniform() >= share) continue;
    candidates_.push_back(*candidate);
  }
}

void TargetSurvey::DrawFromRing(uint32_t level, std::optional<uint8_t> zone) {
  const auto& members = index_->levels()[level].members;
  absl::InlinedVector<uint32_t, kMostRejected> rejected;
  index_->levels()[level].ring->Find(RingKey(), [&](uint32_t member) {
    if (zone && members[member].zone != *zone) return false;
    if (std::find(rejected.begin(), rejected.end(), member) != rejected.end()) return false;
    const auto candidate = LookAt(members[member].endpoint, level, members[member].zone);
    if (candidate && candidate->tries == 0) {
      candidates_.push_back(*candidate);
      return true;
    }
    rejected.push_back(member);
    return rejected.size() >= kMostRejected;
  });
}

void TargetSurvey::WalkEligible() {
  for (uint32_t l = 0; l < health().levels.size(); ++l) {
    for (uint8_t zone = 0; zone < 2; ++zone) {
      for (const uint32_t number : health().levels[l].eligible[zone].endpoints) {
        if (auto candidate = LookAt(number, l, zone)) candidates_.push_back(*candidate);
      }
    }
  }
}

std::optional<int> TargetSurvey::LeastTries(bool healthy_only) const {
  std::optional<int> least;
  for (const Candidate& candidate : candidates_) {
    if (healthy_only && !candidate.healthy) continue;
    if (!least || candidate.tries < *least) least = candidate.tries;
  }
  // Those drawn from a large pool in panic may happen to be none of the healthy
  // ones that there are.
  if (!least && healthy_only && drawn_ && health().any_available) least = 0;
  return least;
}

Plan TargetSurvey::Pick() const {
  const int tries = *LeastTries(false);
  Candidates among;
  std::copy_if(candidates_.begin(), candidates_.end(), std::back_inserter(among),
               [&](const Candidate& candidate) { return candidate.tries == tries; });
  const auto has = [&](auto fits) { return std::any_of(among.begin(), among.end(), fits); };
  const auto keep = [&](auto fits) { among.erase(std::partition(among.begin(), among.end(), fits), among.end()); };
  uint32_t level = among.front().level;
  if (!drawn_) {
    level = *LevelAmong([&](uint32_t l) { return has([&](const Candidate& c) { return c.level == l; }); });
    keep([&](const Candidate& c) { return c.level == level; });
    if (index_->levels()[level].has_zones && !health().load.panic[level]) {
      const uint8_t zone = ZoneAmong(level, [&](uint8_t z) { return has([&](const Candidate& c) { return c.zone == z; }); });
      keep([&](const Candidate& c) { return c.zone == zone; });
    }
  }
  const EndpointConfig& chosen = endpoint(among[Balance(among, level)]);
  // Credentials take turns; one alone has no turn to count.
  const size_t turn = upstream().credentials.size() > 1 ? upstream().state->NextCredential() : 0;
  const auto credential = context_.memory.CredentialFor(upstream(), chosen, context_.when, turn);
  // It rested since we looked: the attempt finds out.
  return {target_, &chosen, credential ? credential->number : 0};
}

template <typename Has>
std::optional<uint32_t> TargetSurvey::LevelAmong(Has has) const {
  absl::InlinedVector<bool, 4> skip;
  for (uint32_t l = 0; l < index_->levels().size(); ++l) skip.push_back(!has(l));
  const size_t level = PickPriority(health().load, skip, ChanceFor(kLevelSalt));
  if (level == skip.size()) return std::nullopt;
  return static_cast<uint32_t>(level);
}

template <typename Has>
uint8_t TargetSurvey::ZoneAmong(uint32_t level, Has has) const {
  const std::array<bool, 2> skip = {!has(0), !has(1)};
  return static_cast<uint8_t>(PickPriority(health().levels[level].zones, skip, ChanceFor(kZoneSalt)));
}

// A call that sticks to its endpoint sticks to its level and zone.
double TargetSurvey::ChanceFor(uint64_t salt) const {
  if (upstream().balance.kind != Kind::kRingHash || !context_.affinity) return context_.random.Uniform();
  return UnitOf(MixHash(*context_.affinity, salt));
}

uint64_t TargetSurvey::RingKey() const {
  return context_.affinity ? MixHash(*context_.affinity, kRingSalt) : context_.random.Next();
}

size_t TargetSurvey::Balance(const Candidates& among, uint32_t level) const {
  if (among.size() == 1) return 0;
  const EndpointIndex::Level& indexed = index_->levels()[level];
  if (indexed.ring != nullptr) {
    size_t found = 0;
    indexed.ring->Find(RingKey(), [&](uint32_t member) {
      const uint32_t number = indexed.members[member].endpoint;
      for (found = 0; found < among.size() && among[found].endpoint != number;) ++found;
      return found < among.size();
    });
    return found;
  }
  absl::InlinedVector<CandidateLoad, 8> loads;
  for (const Candidate& candidate : among) loads.push_back(candidate.load);
  switch (upstream().balance.kind) {
    case Kind::kLeastRequest:
      return drawn_ ? LeastBusy(loads) : PickLeastRequest(loads, upstream().balance.choices, context_.random);
    case Kind::kPeakEwma:
      return drawn_ ? Fastest(loads) : PickPeakEwma(loads, context_.random);
    case Kind::kWeighted:
    case Kind::kRingHash:
      break;
  }
  return PickWeighted(loads, context_.random);
}

TargetSurvey::Opening TargetSurvey::Soonest() const {
  if (!candidates_.empty()) return {absl::InfinitePast(), false, absl::InfinitePast(), false};
  if (index_->large() && !context_.memory.picky()) {
    return {shared_->soonest, shared_->soonest_rests, shared_->known, shared_->probing};
  }
  Opening soonest;
  for (uint32_t l = 0; l < index_->levels().size(); ++l) {
    for (const auto& member : index_->levels()[l].members) {
      const EndpointConfig& config = upstream().endpoints[member.endpoint];
      if (context_.memory.RulesOut(*target_, config)) continue;
      const EndpointStanding standing = StandingOf(config, context_.when);
      TimePoint up = standing.view.admits_at;
      if (!health().load.panic[l]) up = std::max(up, standing.healthy_at);
      const TimePoint rested = context_.memory.CredentialAt(upstream(), config);
      const TimePoint at = std::max(up, rested);
      if (standing.view.probing) {
        soonest.probing = true;
      } else {
        soonest.known = std::min(soonest.known, at);
      }
      if (at < soonest.at) soonest.at = at, soonest.rests = rested > up;
    }
  }
  return soonest;
}

}  // namespace sluice
